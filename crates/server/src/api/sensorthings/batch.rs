//! Many requests in one: each with its own answer, or a set of changes of which all are done or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use chengmai_model::error;
use chengmai_wire::sensorthings::{self as sta, Reply, Request};
use serde_json::{Value as Json, json};

use super::change::Change;
use super::change_set::ChangeSet;
use super::read::View;
use super::{ROOT, Said, change, counted, create_observations, delete, get, post, refused};
use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::problem::{Answer, Problem};

/// Marks the parts of a batch's answer; it occurs in no JSON that we write.
const BOUNDARY: &str = "chengmai_batch_answer";

/// Who asks, where, and what earlier requests made: their ids with the addresses below the root.
struct Batch<'a> {
    city: &'a Arc<City>,
    caller: &'a Caller,
    base: &'a str,
    made: BTreeMap<String, String>,
}

/// Does several requests, one after the other.
pub(super) async fn batch(
    city: &Arc<City>,
    caller: &Caller,
    base: &str,
    content_type: &str,
    body: &[u8],
) -> Answer<Response> {
    let in_parts = content_type.starts_with("multipart/");
    let requests = if in_parts {
        sta::decode_batch_multipart(content_type, body).map_err(refused)?
    } else {
        sta::decode_batch_json(body).map_err(refused)?
    };
    let mut batch = Batch { city, caller, base, made: BTreeMap::new() };
    let mut replies = Vec::with_capacity(requests.len());
    for group in requests.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        match group {
            [single] if single.group.is_none() => {
                let said = counted(city, Box::pin(batch.one(single, None)).await);
                replies.push(reply(single, said));
            }
            set => {
                let told = Box::pin(batch.together(set)).await;
                // In parts, a set that was not done has one answer.
                let one = in_parts && told.iter().any(|reply| reply.status >= 400);
                replies.extend(
                    told.into_iter()
                        .filter(|reply| !one || reply.status != 424)
                        .map(|reply| if one { Reply { group: None, ..reply } } else { reply }),
                );
            }
        }
    }
    if in_parts {
        let kind = format!("multipart/mixed; boundary={BOUNDARY}");
        let text = sta::encode_batch_multipart(&replies, BOUNDARY);
        return Ok(([(header::CONTENT_TYPE, kind)], text).into_response());
    }
    Ok(JsonAnswer(sta::encode_batch_json(&replies)).into_response())
}

impl Batch<'_> {
    /// All requests of a set, or none of them.
    async fn together(&mut self, requests: &[Request]) -> Vec<Reply> {
        let before = self.made.clone();
        match self.try_together(requests).await {
            Ok(replies) => replies,
            Err((failed, problem)) => {
                self.made = before;
                let failure = Err::<(), Problem>(problem);
                let problem = match counted(self.city, failure) {
                    Ok(()) => Problem::new(&error::INTERNAL, ""),
                    Err(problem) => problem,
                };
                let mut problem = Some(problem);
                let answer = |(place, request): (usize, &Request)| {
                    let own = (place == failed).then(|| problem.take()).flatten();
                    let other = || {
                        let detail = format!("request {}", requests[failed].id);
                        Problem::new(&error::STA_CHANGE_SET, detail)
                    };
                    reply(request, Err(own.unwrap_or_else(other)))
                };
                requests.iter().enumerate().map(answer).collect()
            }
        }
    }

    /// Where it failed and why, if it did.
    async fn try_together(&mut self, requests: &[Request]) -> Result<Vec<Reply>, (usize, Problem)> {
        let set = ChangeSet::begin(self.city).await.map_err(|problem| (0, problem))?;
        let mut all = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            let said = self.one(request, Some(&set)).await.map_err(|problem| (place, problem))?;
            all.push(said);
        }
        let last = requests.len().saturating_sub(1);
        let named = set.commit(self.city, self.caller).await.map_err(|problem| (last, problem))?;
        for said in &mut all {
            if let Said::Made(location) = said
                && let Some((head, rest)) = location.split_once('(')
                && let Some(id) = named.get(rest.trim_end_matches(')'))
            {
                *location = format!("{head}({id})");
            }
        }
        Ok(requests.iter().zip(all).map(|(request, said)| reply(request, Ok(said))).collect())
    }

    async fn one(&mut self, request: &Request, set: Option<&ChangeSet>) -> Answer<Said> {
        let (path, query) = request.address(ROOT);
        let path = self.resolved(path.trim_matches('/'));
        let body = self.referred(&request.body);
        let view = View::new(self.city, self.caller).within(set);
        let said = match (request.method.as_str(), path.as_str()) {
            ("GET", _) if set.is_some() => {
                Err(Problem::new(&error::STA_BODY, "questions stand outside a change set"))
            }
            ("GET", path) => {
                self.caller.need(Permission::Read)?;
                get(&view, self.base, path, &query).await
            }
            ("POST", "CreateObservations") if set.is_none() => {
                self.caller.need(Permission::Ingest)?;
                create_observations(&view, self.base, &body).await.map(Said::Json)
            }
            ("POST", path) => post(&view, self.base, path, &body).await,
            ("PATCH", path) if request.content_type.contains("json-patch") => {
                change(&view, path, Change::Steps, &body).await
            }
            ("PATCH", path) => change(&view, path, Change::Merge, &body).await,
            ("PUT", path) => change(&view, path, Change::Replace, &body).await,
            ("DELETE", path) => delete(&view, path, &query).await,
            (method, _) => Err(Problem::new(&error::STA_BODY, format!("{method} in a batch"))),
        }?;
        if let Said::Made(location) = &said {
            let below = location.rsplit_once('/').map_or(location.as_str(), |(_, below)| below);
            self.made.insert(request.id.clone(), below.to_owned());
        }
        Ok(said)
    }

    /// An address that begins with what an earlier request made.
    fn resolved(&self, path: &str) -> String {
        let known = path.strip_prefix('$').and_then(|rest| {
            let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            Some(format!("{}{rest}", self.made.get(name)?))
        });
        known.unwrap_or_else(|| path.to_owned())
    }

    /// A body with the ids of what earlier requests made. One that is no JSON is refused where it is read.
    fn referred(&self, body: &[u8]) -> Vec<u8> {
        if self.made.is_empty() || !body.contains(&b'$') {
            return body.to_vec();
        }
        let Ok(mut json) = sta::json(body) else { return body.to_vec() };
        let known = |name: &str| {
            let path = sta::path(self.made.get(name)?).ok()?;
            path.steps.first()?.id.as_ref().map(sta::Id::to_json)
        };
        sta::referred(&mut json, &known);
        json.to_string().into_bytes()
    }
}

fn reply(request: &Request, said: Answer<Said>) -> Reply {
    let (status, location, body): (u16, Option<String>, Option<Json>) = match said {
        Ok(Said::Json(json)) => (200, None, Some(json)),
        Ok(Said::Words(words)) => (200, None, Some(words.into())),
        Ok(Said::Made(location)) => (201, Some(location), None),
        Ok(Said::Done) => (200, None, None),
        Ok(Said::Empty) => (204, None, None),
        Err(problem) => {
            let text = format!("{} {}: {}", problem.code.label(), problem.code.en, problem.detail);
            (problem.code.status, None, Some(json!({"code": problem.code.status, "message": text})))
        }
    };
    Reply { id: request.id.clone(), status, location, body, group: request.group.clone() }
}
