//! The receipt of a reported case: a hash for every step on record, each covering all before it, and what shows
//! that each is in the city's signed log. The page's script checks it in the reporter's own browser.
//!
//! What it is not: the steps' own words; a hash says nothing of them. Invariant: what was once in a receipt
//! stays in every later one, but for the proofs, which lead to the newest signed head.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::case::CaseId;
use chengmai_store::error::Error as StoreError;
use chengmai_store::proof::note::base64;
use chengmai_store::proof::{LogReader, Tip, tree};
use chengmai_store::records::proof::Opening;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Language, escape};
use crate::accounts::hex;
use crate::city::proof::unreadable;
use crate::city::{City, blocking};
use crate::http::problem::Answer;

/// The chain of what is on record about a case.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"case": "500103-20261121-00001", "how": "...", "events": [{"seq": 1, "at": "2026-11-21T03:04:05.678Z",
    "digest": "e3b0…", "chain": "9f86…", "leaf": 17, "salt": "0a1b…"}], "log": {"key": "chengmai/50/0a1b2c3d+c74f20a3+ARpc…",
    "checkpoint": "chengmai/50/0a1b2c3d\n40\n…", "proofs": [{"seq": 1, "path": ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]}]}}))]
pub(crate) struct ReceiptJson {
    case: String,
    /// How the chain is computed, and how a step leads to the log.
    how: &'static str,
    events: Vec<LinkJson>,
    /// Absent while the log stands still.
    log: Option<LogJson>,
}

/// One event of the chain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkJson {
    seq: u32,
    at: String,
    /// SHA-256 of the row.
    digest: String,
    /// SHA-256 of the link before and this digest, both in hex.
    chain: String,
    /// Its place in the log.
    leaf: u64,
    /// With it the digest makes the commitment that the log holds.
    salt: String,
}

/// What shows that the steps are in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogJson {
    /// Public key.
    key: String,
    /// The newest signed head.
    checkpoint: String,
    /// From steps to that head. A step of the last second is not under it yet.
    proofs: Vec<PathJson>,
}

/// From one step to the signed head.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PathJson {
    seq: u32,
    /// Hashes in base64.
    path: Vec<String>,
}

const HOW: &str = "chain(0) = sha256(case); chain(n) = sha256(chain(n-1) + digest(n)), all in lower-case hex. \
    commitment = sha256(salt + digest), bytes; entry = \"chengmai/1\\ncase_event\\n\" case \"/\" seq \"\\n\" \
    base64(commitment) \"\\n\"; leaf hash = sha256(0x00 + entry); path and head as in RFC 6962";

/// The receipt: a hash for every step on record, each covering all before it, and the way of each to the log's
/// signed head.
#[utoipa::path(get, path = "/track/{token}/receipt", tag = "citizens", security(()),
    params(("token" = String, Path, example = "0123456789abcdef0123456789abcdef")),
    responses((status = 200, body = ReceiptJson)))]
pub(crate) async fn get_receipt(
    State(city): State<Arc<City>>,
    Path(token): Path<String>,
) -> Answer<Json<ReceiptJson>> {
    let tracked = city.tracked(&token).await?;
    let id = &tracked.case.id;
    let events = city.records.cases().events(id).await?;
    let openings = city.records.proof().of_case(id).await?;
    let chain = chain(id, &openings);
    let links = events.iter().zip(&openings).zip(chain).map(|((event, opening), chain)| LinkJson {
        seq: event.seq,
        at: event.at.to_rfc3339(),
        digest: hex(&opening.digest),
        chain,
        leaf: opening.leaf.number,
        salt: hex(&opening.leaf.salt),
    });
    let events: Vec<LinkJson> = links.collect();
    let log = match city.proof.running() {
        Ok(log) => {
            let (log, key) = (log.clone(), city.proof.key().text());
            let leaves: Vec<(u32, u64)> = events.iter().map(|link| (link.seq, link.leaf)).collect();
            Some(blocking(move || paths(&log, key, &leaves)).await?.map_err(unreadable)?)
        }
        // Said once, when it happened; the chain is there all the same.
        Err(_stopped) => None,
    };
    Ok(Json(ReceiptJson { case: id.to_string(), how: HOW, events, log }))
}

/// From each step that is under the newest signed head to it.
fn paths(log: &LogReader, key: String, leaves: &[(u32, u64)]) -> Result<LogJson, StoreError> {
    let tip: Arc<Tip> = log.tip();
    let mut proofs = Vec::new();
    for &(seq, leaf) in leaves {
        if let Some(path) = log.inclusion(leaf, tip.checkpoint.size)? {
            proofs.push(PathJson { seq, path: path.iter().map(base64).collect() });
        }
    }
    Ok(LogJson { key, checkpoint: tip.note.clone(), proofs })
}

/// Each link covers all before it: whoever kept one notices when anything before it was changed.
fn chain(case: &CaseId, openings: &[Opening]) -> Vec<String> {
    let mut chain = hex(&tree::sha256(&[case.to_string().as_bytes()]));
    let link = |opening: &Opening| {
        chain = hex(&tree::sha256(&[chain.as_bytes(), hex(&opening.digest).as_bytes()]));
        chain.clone()
    };
    openings.iter().map(link).collect()
}

/// The part of a tracking page about it. The script adds a button that checks the receipt here and now.
pub(super) fn section(language: Language, token: &str, steps: u32) -> String {
    let say = |zh, en| language.say(zh, en);
    format!(
        "<section><h2>{}</h2><p>{}</p><p><a href=\"/track/{}/receipt\">{}</a> <span class=\"small\">{} {steps}</span></p>\
         <div id=\"receipt\" data-check=\"{}\" data-right=\"{}\" data-unsigned=\"{}\" data-waiting=\"{}\" data-wrong=\"{}\"></div></section>",
        say("回执", "Receipt"),
        say(
            "每一步都记在一条链上，并写入全市签名的存证日志。保存回执，以后可以核对记录没有被改动。",
            "Every step is on record in a chain and in the city's signed log. Keep the receipt, and you can check later that nothing on record was changed."
        ),
        escape(token),
        say("回执（JSON）", "Receipt (JSON)"),
        say("步数", "steps"),
        say("现在核对", "Check it now"),
        say(
            "核对无误：各步都在签名的存证日志中，步数：",
            "It is right. Steps that are in the signed log: "
        ),
        say(
            "各步都在存证日志中，但此浏览器不能核对签名。步数：",
            "They are in the log, but this browser cannot check its signature. Steps: "
        ),
        say(
            "最近一步尚待签名，请稍后再核对。",
            "The newest step is not signed yet: check again in a moment."
        ),
        say(
            "核对不符！请保存回执并向监督单位反映。",
            "It is NOT right. Keep the receipt and tell the city's supervisor."
        ),
    )
}
