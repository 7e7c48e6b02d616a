//! `chengmai user`: accounts and tokens of a data folder, while the city runs or not.

use std::path::Path;

use anyhow::{Context as _, bail};
use chengmai_model::{AreaId, AreaPath, Role};
use chengmai_store::records::tokens::TokenScope;
use chengmai_store::records::{Place, Records};

use super::{runtime, say};
use crate::accounts::{self, NewUser, random_token};
use crate::city::areas::Areas;
use crate::city::layout::AreaFiles;
use crate::cli::{User, UserWhat};
use crate::config::RecordsFlags;
use crate::http::problem::Problem;
use crate::packs;

pub(crate) fn run(user: User) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        match user.what {
            UserWhat::Token { name, data, records } => {
                token(&open(&data, &records).await?, &name).await
            }
            UserWhat::Add { name, roles, area, agency, password, data, records } => {
                let records = open(&data, &records).await?;
                add(&records, &data, &name, &roles, area, agency, password).await
            }
            UserWhat::Password { name, password, data, records } => {
                set_password(&open(&data, &records).await?, &name, password).await
            }
            UserWhat::List { data, records } => list(&open(&data, &records).await?, &data).await,
        }
    })
}

/// The records of a data folder that holds a city.
pub(super) async fn open(data: &Path, records: &RecordsFlags) -> anyhow::Result<Records> {
    let place = records.place(data)?;
    if matches!(&place, Place::File(path) if !path.exists()) {
        bail!("{} holds no city yet: start `chengmai serve` there first", data.display());
    }
    Ok(Records::open(place).await?)
}

fn explain(problem: Problem) -> anyhow::Error {
    let Problem { code, detail, .. } = problem;
    anyhow::anyhow!("{} {}: {detail} ({})", code.label(), code.en, code.hint_en)
}

async fn token(records: &Records, name: &str) -> anyhow::Result<()> {
    if records.users().find(name).await?.is_none() {
        bail!("there is no account {name}; `chengmai user list` shows all");
    }
    let scope = TokenScope::default();
    let by = accounts::COMMAND_LINE;
    say(accounts::new_token(records, name, scope, accounts::TOKEN_DAYS_MAX, by).await?);
    Ok(())
}

async fn add(
    records: &Records,
    data: &Path,
    name: &str,
    roles: &[String],
    area: Option<String>,
    agency: Option<String>,
    password: Option<String>,
) -> anyhow::Result<()> {
    let roles: Vec<Role> = roles
        .iter()
        .map(|word| Role::from_word(word).with_context(|| format!("there is no role {word}")))
        .collect::<anyhow::Result<_>>()?;
    let areas = Areas::today(&AreaFiles::of(data), &packs::load(None)?)?.tree;
    let area = match area {
        Some(code) => areas.find(&code).with_context(|| format!("there is no area {code}"))?,
        None => AreaId::ROOT,
    };
    if let Some(agency) = &agency {
        let known = records.agencies().find(agency).await?;
        known.with_context(|| format!("there is no agency {agency}"))?;
    }
    let made_up = password.is_none().then(random_token).map(|t| t[3..19].to_owned());
    let new = NewUser {
        name: name.to_owned(),
        display_name: name.to_owned(),
        password: password.or_else(|| made_up.clone()).unwrap_or_default(),
        roles,
        area: AreaPath::of(&areas, area),
        agency,
    };
    accounts::create(records, new, accounts::COMMAND_LINE).await.map_err(explain)?;
    say(format!("account {name} is there"));
    if let Some(password) = made_up {
        say(format!("password, shown once: {password}"));
    }
    Ok(())
}

async fn set_password(
    records: &Records,
    name: &str,
    password: Option<String>,
) -> anyhow::Result<()> {
    let made_up = password.is_none().then(random_token).map(|t| t[3..19].to_owned());
    let password = password.or_else(|| made_up.clone()).unwrap_or_default();
    accounts::set_password(records, name, &password).await.map_err(explain)?;
    say(format!("{name} has a new password; all sessions ended"));
    if let Some(password) = made_up {
        say(format!("password, shown once: {password}"));
    }
    Ok(())
}

async fn list(records: &Records, data: &Path) -> anyhow::Result<()> {
    let areas = Areas::today(&AreaFiles::of(data), &packs::load(None)?)?.tree;
    for user in records.users().list(&[AreaPath::of(&areas, AreaId::ROOT)]).await? {
        let roles: Vec<&str> = user.roles.iter().map(|r| r.word()).collect();
        say(format!("{:<20} {:<24} {}", user.name, roles.join(","), user.area.code()));
    }
    Ok(())
}
