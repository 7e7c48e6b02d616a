//! Many entities in one request, each with its own outcome.
//!
//! Invariant: what is refused touches nothing else; the readings of all are one commit of the journal.

use axum::Json as JsonAnswer;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chengmai_wire::ngsi_ld as ngsi;
use serde_json::Value as Json;

use super::answer::{Ask, done, problem_json, refused};
use super::write::Writer;
use crate::http::problem::{Answer, Problem};

/// Options of batches.
const OPTIONS: [&str; 7] =
    ["replace", "update", "noOverwrite", "normalized", "concise", "keyValues", "simplified"];

/// What is done with each entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Create,
    /// With what there is, or in its place.
    Upsert {
        update: bool,
    },
    Update {
        overwrite: bool,
    },
    Merge,
    Delete,
}

/// What became of all of them.
#[derive(Debug, Default)]
struct Outcome {
    made: Vec<String>,
    changed: Vec<String>,
    failed: Vec<(String, Json)>,
}

pub(super) async fn run(ask: &Ask<'_>, operation: &str, body: &[u8]) -> Answer<Response> {
    ask.takes(&["options", "format", "local"])?;
    let deed = match operation {
        "create" => Deed::Create,
        "upsert" => Deed::Upsert { update: ask.option(&OPTIONS, "update")? },
        "update" => Deed::Update { overwrite: !ask.option(&OPTIONS, "noOverwrite")? },
        "merge" => Deed::Merge,
        "delete" => Deed::Delete,
        _ => return Err(ask.nowhere()),
    };
    let simplified = ask.option(&OPTIONS, "keyValues")? || ask.option(&OPTIONS, "simplified")?;
    let is_ld = ask.is_ld()?;
    let json = ngsi::json(body).map_err(refused)?;
    let mut writer = Writer::new(ask.view(), ask.caller);
    let mut outcome = Outcome::default();
    if deed == Deed::Delete {
        for id in ngsi::identifiers(&json).map_err(refused)? {
            let done = writer.remove(&id).await.map(|()| false);
            outcome.note(ask, id, done);
        }
    } else {
        for one in ngsi::entities(&json).map_err(refused)? {
            let id = ngsi::said_id(one).unwrap_or_default().to_owned();
            let done = Box::pin(each(ask, &mut writer, deed, (one, is_ld), simplified)).await;
            outcome.note(ask, id, done);
        }
    }
    // What is not on disk is not done: then the whole of it is refused.
    writer.finish().await?;
    Ok(outcome.response(deed))
}

/// Does it with one; whether it is new.
async fn each(
    ask: &Ask<'_>,
    writer: &mut Writer<'_>,
    deed: Deed,
    (json, is_ld): (&Json, bool),
    simplified: bool,
) -> Answer<bool> {
    let sent = ask.terms(json.clone(), is_ld).await?;
    if deed == Deed::Merge {
        let change = ngsi::change(&sent.json, &sent.context, simplified).map_err(refused)?;
        return writer.merge(&change.id.clone(), change).await.map(|()| false);
    }
    if let Deed::Update { overwrite } = deed {
        let new = ngsi::fragment(&sent.json, &sent.context, simplified).map_err(refused)?;
        let updated = writer.append(&new.id.clone(), new, overwrite).await?;
        return match updated.left.first() {
            None => Ok(false),
            Some((name, why)) => Err(Problem::new(
                &chengmai_model::error::NGSI_BODY,
                format!("{}: {why}", sent.context.compact(name)),
            )),
        };
    }
    let entity = ngsi::entity(&sent.json, &sent.context, simplified).map_err(refused)?;
    let id = entity.id.clone();
    let known = writer.view.find(&id).await?;
    match (deed, known) {
        (Deed::Upsert { update: true }, Some(_)) => {
            writer.append(&id, entity, true).await.map(|_updated| false)
        }
        (Deed::Upsert { .. }, Some(known)) if known.is_made() => {
            writer.replace(&id, entity).await.map(|()| false)
        }
        // What the registry says of a device stays; the rest is as it was sent.
        (Deed::Upsert { .. }, Some(_)) => {
            writer.append(&id, entity, true).await.map(|_updated| false)
        }
        _ => writer.create(entity).await.map(|()| true),
    }
}

impl Outcome {
    fn note(&mut self, ask: &Ask<'_>, id: String, done: Answer<bool>) {
        match done {
            Ok(true) => self.made.push(id),
            Ok(false) => self.changed.push(id),
            Err(problem) => self.failed.push((id, problem_json(ask.city, problem))),
        }
    }

    fn response(mut self, deed: Deed) -> Response {
        if self.failed.is_empty() {
            let is_making = matches!(deed, Deed::Create | Deed::Upsert { .. });
            if is_making && !self.made.is_empty() {
                return (StatusCode::CREATED, JsonAnswer(self.made)).into_response();
            }
            return done();
        }
        self.made.append(&mut self.changed);
        let json = ngsi::batch_result(&self.made, self.failed);
        (StatusCode::MULTI_STATUS, JsonAnswer(json)).into_response()
    }
}
