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
use crate::cli::{Access, AccessWhat, Explain};
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
        AccessWhat::Explain(asked) => super::runtime()?.block_on(tell(asked)),
    }
}

/// A thing that access is asked of.
struct Object {
    area: AreaPath,
    agency: Option<String>,
    name: Text,
}

async fn tell(asked: &Explain) -> anyhow::Result<()> {
    let policies = Policies::load(asked.policies.as_deref())?;
    let records = open(&asked.data.data, &asked.records).await?;
    let name = &asked.user;
    let account = records.users().find(name).await?;
    let account = account
        .with_context(|| format!("there is no account {name}; `chengmai user list` shows all"))?;
    let Some(action) = Permission::from_word(&asked.action) else {
        let all: Vec<&str> = Permission::ALL.iter().map(|action| action.word()).collect();
        bail!("there is no action {}: {}", asked.action, all.join(", "));
    };
    let thing = find(&records, &AreaFiles::of(&asked.data.data), &asked.object).await?;
    let class = class_of(asked.class.as_deref(), action)?;
    let glass = records.break_glass().of(name, crate::clock::now()).await?;
    let mut looking = account.clone();
    if let Some(glass) = &glass {
        looking.area = glass.wanted.clone();
        let until = glass.until.to_rfc3339();
        say(format!("emergency {} until {until}: {}", glass.id, glass.reason));
    }
    let who = Who {
        user: &looking,
        home: &account.area,
        second_factor: records.factors().find_confirmed(name).await?,
        emergency: glass.is_some(),
        program: asked.program,
    };
    let agency = thing.agency.as_deref();
    let what = What { area: &thing.area, class, agency, purpose: asked.purpose.as_deref() };
    let verdict = policies.decide(who, action, what);
    let answer = if verdict.is_allowed { "may 可以" } else { "may not 不可以" };
    say(format!("{name} {answer} {} {} ({})", action.word(), asked.object, thing.name.zh));
    let roles: Vec<&str> = account.roles.iter().map(|role| role.word()).collect();
    let agency_of_user = account.agency.as_deref().unwrap_or("-");
    let area = account.area.as_str();
    say(format!("  roles {}; area {area}; agency {agency_of_user}", roles.join(", ")));
    let (area, purpose) = (thing.area.as_str(), what.purpose.unwrap_or("-"));
    let agency = agency.unwrap_or("-");
    say(format!(
        "  the thing: area {area}, class {}, agency {agency}, purpose {purpose}",
        class.word()
    ));
    if verdict.by.is_empty() {
        say("  no policy permits it, and what no policy permits is refused");
    }
    for id in &verdict.by {
        say(format!("\n{}", policies.text_of(id).unwrap_or_default().trim()));
    }
    Ok(())
}

/// The class that is named, or the usual one of what is done.
fn class_of(word: Option<&str>, action: Permission) -> anyhow::Result<Class> {
    let Some(word) = word else { return Ok(action.class()) };
    let class = Class::ALL.into_iter().find(|class| class.word() == word);
    class.with_context(|| format!("--class {word}: public, internal, sensitive or personal"))
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
