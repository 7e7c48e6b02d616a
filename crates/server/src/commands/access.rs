//! `chengmai access`: why an account may do something, in the words of the policies.

use anyhow::{Context as _, bail};
use chengmai_model::case::CaseId;
use chengmai_model::warning::WarningId;
use chengmai_model::{AreaPath, Text};
use chengmai_store::records::Records;

use super::say;
use super::user::open;
use crate::city::areas::Areas;
use crate::city::layout::AreaFiles;
use crate::cli::{Access, AccessWhat};
use crate::http::access::Permission;
use crate::packs;
use crate::policy::{BASE, Class, Policies, SCHEMA, What, Who};

pub(crate) fn run(access: &Access) -> anyhow::Result<()> {
    match &access.what {
        AccessWhat::Policies => {
            say(SCHEMA);
            say(BASE);
            Ok(())
        }
        explain @ AccessWhat::Explain { .. } => super::runtime()?.block_on(tell(explain)),
    }
}

/// A thing that access is asked of.
struct Object {
    area: AreaPath,
    agency: Option<String>,
    name: Text,
}

async fn tell(asked: &AccessWhat) -> anyhow::Result<()> {
    let AccessWhat::Explain {
        user,
        action,
        object,
        class,
        purpose,
        program,
        policies,
        data,
        records,
    } = asked
    else {
        return Ok(());
    };
    let policies = Policies::load(policies.as_deref())?;
    let records = open(&data.data, records).await?;
    let account = records.users().find(user).await?;
    let account = account
        .with_context(|| format!("there is no account {user}; `chengmai user list` shows all"))?;
    let Some(action) = Permission::from_word(action) else {
        let all: Vec<&str> = Permission::ALL.iter().map(|action| action.word()).collect();
        bail!("there is no action {action}: {}", all.join(", "));
    };
    let files = AreaFiles::of(&data.data);
    let thing = find(&records, &files, object).await?;
    let is_personal = matches!(action, Permission::PersonalRead | Permission::PersonalErase);
    let class = match class.as_deref() {
        None if is_personal => Class::Personal,
        None => Class::Internal,
        Some(word) => Class::ALL
            .into_iter()
            .find(|class| class.word() == word)
            .with_context(|| format!("--class {word}: public, internal, sensitive or personal"))?,
    };
    let glass = records.break_glass().of(user, crate::clock::now()).await?;
    let factor = records.factors().find_confirmed(user).await?;
    let seen = glass.as_ref().map_or(&account.area, |glass| &glass.wanted);
    let mut looking = account.clone();
    looking.area = seen.clone();
    let who = Who {
        user: &looking,
        home: &account.area,
        second_factor: factor,
        emergency: glass.is_some(),
        program: *program,
    };
    let agency = thing.agency.as_deref();
    let what = What { area: &thing.area, class, agency, purpose: purpose.as_deref() };
    let verdict = policies.decide(who, action, what);
    let roles: Vec<&str> = account.roles.iter().map(|role| role.word()).collect();
    let answer = if verdict.is_allowed { "may 可以" } else { "may not 不可以" };
    say(format!("{user} {answer} {} {object} ({})", action.word(), thing.name.zh));
    say(format!(
        "  roles {}; area {}; agency {}",
        roles.join(", "),
        account.area.as_str(),
        account.agency.as_deref().unwrap_or("-")
    ));
    if let Some(glass) = &glass {
        say(format!(
            "  emergency {} until {}: {}",
            glass.id,
            glass.until.to_rfc3339(),
            glass.reason
        ));
    }
    say(format!(
        "  the thing lies in {}, class {}, agency {}, purpose {}",
        thing.area.as_str(),
        class.word(),
        agency.unwrap_or("-"),
        purpose.as_deref().unwrap_or("-")
    ));
    if verdict.by.is_empty() {
        say("  no policy permits it, and what no policy permits is refused");
    }
    for id in &verdict.by {
        say(format!("\n{}", policies.text_of(id).unwrap_or_default().trim()));
    }
    Ok(())
}

async fn find(records: &Records, files: &AreaFiles, object: &str) -> anyhow::Result<Object> {
    let (kind, id) = object.split_once(':').with_context(|| {
        format!("{object}: give area:CODE, case:NUMBER, warning:ID or user:NAME")
    })?;
    let missing = || format!("there is no {kind} {id}");
    match kind {
        "area" => {
            let areas = Areas::today(files, &packs::load(None)?)?.tree;
            let found = areas.find(id).with_context(missing)?;
            let name = areas.get(found).row.name.clone();
            let name = Text::new(&name, &name);
            Ok(Object { area: AreaPath::of(&areas, found), agency: None, name })
        }
        "case" => {
            let found = records.cases().find(&CaseId::parse(id).with_context(missing)?).await?;
            let case = found.with_context(missing)?;
            Ok(Object { area: case.area, agency: case.agency, name: case.filing.title })
        }
        "warning" => {
            let number = WarningId::parse(id).with_context(missing)?;
            let row = records.warnings().find(number).await?.with_context(missing)?;
            Ok(Object { area: row.area, agency: None, name: Text::new(id, id) })
        }
        "user" => {
            let row = records.users().find(id).await?.with_context(missing)?;
            let name = Text::new(&row.display_name, &row.display_name);
            Ok(Object { area: row.area, agency: row.agency, name })
        }
        other => bail!("{other}: give area, case, warning or user"),
    }
}
