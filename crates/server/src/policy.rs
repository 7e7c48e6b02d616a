//! The one decision point 决策点: may this account do that to this thing? Policies are texts in Cedar
//! (`policy/base.cedar`, and a city's own), so that an official can read them and a decision can name them.
//!
//! What it is not: it finds no account and no thing, and does not know routes (`http::access` asks it). Invariants:
//! what no policy permits is refused; a `forbid` wins; a policy that cannot be worked out permits nothing and is
//! said in the log; a policy of a city speaks of no particular area, since lists are cut by the caller's area alone.

pub(crate) mod fields;

use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy,
    PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use chengmai_model::AreaPath;
use chengmai_store::records::users::UserRow;

use crate::http::access::Permission;

/// What policies may speak of.
pub(crate) const SCHEMA: &str = include_str!("policy/schema.cedarschema");
/// The built-in policies.
pub(crate) const BASE: &str = include_str!("policy/base.cedar");

/// Class of data 数据分级.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Anybody may see it.
    Public,
    /// Staff of the area.
    Internal,
    /// What would help somebody who means harm: keys, addresses of receivers, accounts.
    Sensitive,
    /// Of people.
    Personal,
}

impl Class {
    pub(crate) const ALL: [Self; 4] =
        [Self::Public, Self::Internal, Self::Sensitive, Self::Personal];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Sensitive => "sensitive",
            Self::Personal => "personal",
        }
    }
}

/// What personal data or an export is for 用途.
pub(crate) const PURPOSES: [&str; 4] = ["handle", "review", "law", "statistics"];

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    /// Its area is what they may see now: their own, or that of an emergency.
    pub(crate) user: &'a UserRow,
    /// The area that the account belongs to.
    pub(crate) home: &'a AreaPath,
    pub(crate) second_factor: bool,
    pub(crate) emergency: bool,
    pub(crate) program: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct What<'a> {
    pub(crate) area: &'a AreaPath,
    pub(crate) class: Class,
    pub(crate) agency: Option<&'a str>,
    pub(crate) purpose: Option<&'a str>,
}

impl<'a> What<'a> {
    /// Something of staff in an area.
    pub(crate) fn in_area(area: &'a AreaPath) -> Self {
        Self { area, class: Class::Internal, agency: None, purpose: None }
    }
}

/// What was decided, and by which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) is_allowed: bool,
    /// Policies that decided; none: no policy permits it.
    pub(crate) by: Vec<String>,
}

/// All policies of this city.
#[derive(Debug)]
pub(crate) struct Policies {
    set: PolicySet,
    authorizer: Authorizer,
    types: Types,
}

/// Names of types, made once.
#[derive(Debug)]
struct Types {
    area: EntityTypeName,
    role: EntityTypeName,
    user: EntityTypeName,
    thing: EntityTypeName,
    action: EntityTypeName,
}

impl Policies {
    /// The base, and every `*.cedar` of a folder in the order of names.
    ///
    /// # Errors
    /// When one cannot be read, does not fit the schema, has no `@id` of its own, or names an area.
    pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut policies = PolicySet::new();
        add(&mut policies, BASE, "the base")?;
        if let Some(folder) = folder {
            let list = std::fs::read_dir(folder)
                .with_context(|| format!("--policies {}: cannot be read", folder.display()))?;
            let mut paths = Vec::new();
            for entry in list {
                paths.push(entry?.path());
            }
            paths.retain(|path| path.extension().is_some_and(|e| e == "cedar"));
            paths.sort();
            for path in paths {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let name = path.display().to_string();
                no_areas(&text).with_context(|| name.clone())?;
                add(&mut policies, &text, &name)?;
            }
        }
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).context("the schema of policies")?;
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        if let Some(fault) = result.validation_errors().next() {
            bail!("{fault}");
        }
        Ok(Self { set: policies, authorizer: Authorizer::new(), types: Types::new()? })
    }

    /// Whether an account may do this to that, and why.
    pub(crate) fn decide(&self, who: Who<'_>, action: Permission, what: What<'_>) -> Verdict {
        match self.ask(who, action, what) {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(%error, "a decision on access could not be worked out: refused");
                Verdict { is_allowed: false, by: Vec::new() }
            }
        }
    }

    fn ask(&self, who: Who<'_>, action: Permission, what: What<'_>) -> anyhow::Result<Verdict> {
        let types = &self.types;
        let user = uid(&types.user, &who.user.name);
        let thing = uid(&types.thing, "it");
        let area =
            |path: &AreaPath| RestrictedExpression::new_entity_uid(uid(&types.area, path.code()));
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let mut of_user =
            vec![("area".to_owned(), area(&who.user.area)), ("home".to_owned(), area(who.home))];
        if let Some(agency) = &who.user.agency {
            of_user.push(("agency".to_owned(), text(agency)));
        }
        let roles = who.user.roles.iter().map(|role| uid(&types.role, role.word())).collect();
        let mut of_thing = vec![("class".to_owned(), text(what.class.word()))];
        if let Some(agency) = what.agency {
            of_thing.push(("agency".to_owned(), text(agency)));
        }
        let above = what.area.codes().map(|code| uid(&types.area, code)).collect();
        let entities = Entities::from_entities(
            [
                Entity::new(user.clone(), of_user.into_iter().collect(), roles)?,
                Entity::new(thing.clone(), of_thing.into_iter().collect(), above)?,
            ],
            None,
        )?;
        let flag = RestrictedExpression::new_bool;
        let mut context = vec![
            ("second_factor".to_owned(), flag(who.second_factor)),
            ("emergency".to_owned(), flag(who.emergency)),
            ("program".to_owned(), flag(who.program)),
        ];
        if let Some(purpose) = what.purpose {
            context.push(("purpose".to_owned(), text(purpose)));
        }
        let action = uid(&types.action, action.word());
        let request = Request::new(user, action, thing, Context::from_pairs(context)?, None)?;
        let response = self.authorizer.is_authorized(&request, &self.set, &entities);
        let mut by: Vec<String> =
            response.diagnostics().reason().map(ToString::to_string).collect();
        by.sort_unstable();
        let faults: Vec<String> =
            response.diagnostics().errors().map(ToString::to_string).collect();
        if !faults.is_empty() {
            tracing::error!(?faults, "policies that cannot be worked out permit nothing");
        }
        Ok(Verdict {
            // One that failed could have been a forbid.
            is_allowed: response.decision() == Decision::Allow && faults.is_empty(),
            by,
        })
    }

    /// The text of a policy.
    pub(crate) fn text_of(&self, id: &str) -> Option<String> {
        self.set.policy(&PolicyId::new(id)).map(ToString::to_string)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.set.policies().count()
    }
}

impl Types {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            area: EntityTypeName::from_str("Area")?,
            role: EntityTypeName::from_str("Role")?,
            user: EntityTypeName::from_str("User")?,
            thing: EntityTypeName::from_str("Thing")?,
            action: EntityTypeName::from_str("Action")?,
        })
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Adds the policies of a text, each under the name that its `@id` gives.
fn add(to: &mut PolicySet, text: &str, from: &str) -> anyhow::Result<()> {
    let read = PolicySet::from_str(text).with_context(|| from.to_owned())?;
    if read.templates().next().is_some() {
        bail!("{from}: templates are not taken; write policies out");
    }
    for policy in read.policies() {
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        let id = id.with_context(|| format!("{from}: a policy has no @id: {policy}"))?;
        let policy: Policy = policy.new_id(PolicyId::new(id));
        to.add(policy).with_context(|| format!("{from}: policy {id}"))?;
    }
    Ok(())
}

/// A city's policy that spoke of one area would hold for things and not for lists.
fn no_areas(text: &str) -> anyhow::Result<()> {
    let read = PolicySet::from_str(text)?;
    for policy in read.policies() {
        let json = policy.to_json()?.to_string();
        if json.contains("\"Area\"") {
            bail!(
                "policy {}: it names an area; give accounts their areas instead",
                policy.annotation("id").unwrap_or_default()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
