//! Contexts that clients gave, so that names can be made whole without asking the network.
//!
//! A context is its maker's: seen in their area, below and above it. Only somebody of the whole city may say
//! what stands at an address of somebody else's, since that changes what names mean for everybody.

use axum::response::Response;
use chengmai_model::error;
use chengmai_store::records::ngsi_ld::ContextRow;
use chengmai_wire::ngsi_ld::{CONTEXT_BYTES_MAX, CORE_URL, Missing, Wanted, is_core, is_uri};
use serde_json::{Value as Json, json};

use super::answer::{Ask, done, made, plain, refused};
use super::{need, not_found};
use crate::accounts::hex;
use crate::clock;
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// Whether the caller may use it.
pub(super) fn sees(ask: &Ask<'_>, row: &ContextRow) -> bool {
    let own = &ask.caller.user.area;
    row.area.contains(own) || own.contains(&row.area)
}

/// The address of a context.
fn address(ask: &Ask<'_>, row: &ContextRow) -> String {
    row.url.clone().unwrap_or_else(|| ask.at(&format!("jsonldContexts/{}", row.id)))
}

fn details(ask: &Ask<'_>, row: &ContextRow) -> Json {
    json!({"URL": address(ask, row), "localId": row.id, "kind": "Hosted",
        "timestamp": row.made_at.to_rfc3339()})
}

pub(super) async fn list(ask: &Ask<'_>) -> Answer<Response> {
    ask.takes(&["details", "kind"])?;
    let kind = ask.parameter("kind").unwrap_or("Hosted");
    if !["Hosted", "Cached", "ImplicitlyCreated"].contains(&kind) {
        let detail = "kind is Hosted, Cached or ImplicitlyCreated";
        return Err(Problem::new(&error::NGSI_QUERY, detail));
    }
    let is_detailed = ask.parameter("details") == Some("true");
    let mut all: Vec<Json> = Vec::new();
    // Nothing is fetched and nothing made on the side, so all there are are given.
    if kind == "Hosted" {
        let rows = ask.city.records.ngsi_ld().contexts().await?;
        let rows = rows.iter().filter(|row| sees(ask, row));
        all.extend(
            rows.map(|row| if is_detailed { details(ask, row) } else { json!(address(ask, row)) }),
        );
    }
    Ok(plain(&Json::Array(all)))
}

async fn find(ask: &Ask<'_>, id: &str) -> Answer<ContextRow> {
    let own = ask.at("jsonldContexts/");
    let row = ask.city.records.ngsi_ld().context(id.strip_prefix(&own).unwrap_or(id)).await?;
    row.filter(|row| sees(ask, row)).ok_or_else(|| not_found(id))
}

pub(super) async fn retrieve(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    ask.takes(&["details"])?;
    if is_core(id) {
        // Its text is the standard's; what its terms stand for is built in.
        return Ok(plain(&json!({"@context": CORE_URL})));
    }
    let row = find(ask, id).await?;
    if ask.parameter("details") == Some("true") {
        return Ok(plain(&details(ask, &row)));
    }
    Ok(plain(&serde_json::from_str(&row.body).unwrap_or_default()))
}

pub(super) async fn add(ask: &Ask<'_>, body: &[u8]) -> Answer<Response> {
    need(ask, Permission::DeviceManage)?;
    ask.takes(&["url"])?;
    ask.is_ld()?;
    if body.len() > CONTEXT_BYTES_MAX {
        let detail = format!("more than {CONTEXT_BYTES_MAX} bytes");
        return Err(Problem::new(&error::NGSI_BODY, detail));
    }
    let json = chengmai_wire::ngsi_ld::json(body).map_err(refused)?;
    let context = json.get("@context").filter(|context| !context.is_null());
    let context = context.ok_or_else(|| Problem::new(&error::NGSI_BODY, "@context is missing"))?;
    let url = ask.parameter("url").map(str::to_owned);
    if let Some(url) = &url {
        let is_elsewhere = is_uri(url) && !is_core(url) && !url.starts_with(&ask.at(""));
        if !is_elsewhere {
            return Err(Problem::new(
                &error::NGSI_BODY,
                format!("{url} is no address of a context"),
            ));
        }
        if ask.caller.user.area != ask.city.root_path() {
            let detail = "what stands at an address is said by the whole city's centre";
            return Err(Problem::new(&error::FORBIDDEN, detail));
        }
    }
    // One that names others that are not here is kept all the same: they may come later.
    match chengmai_wire::ngsi_ld::Context::build(
        Wanted::Json(context),
        &std::collections::BTreeMap::new(),
    ) {
        Err(Missing::Fault(fault)) => return Err(refused(fault)),
        Ok(_) | Err(Missing::Url(_)) => {}
    }
    let mut id = [0_u8; 16];
    getrandom::fill(&mut id).expect("the operating system gives random numbers");
    let row = ContextRow {
        id: hex(&id),
        url,
        area: ask.caller.user.area.clone(),
        made_at: clock::now(),
        body: json!({"@context": context}).to_string(),
    };
    ask.city.records.ngsi_ld().add_context(&row, &ask.caller.user.name).await?;
    Ok(made(&format!("jsonldContexts/{}", row.id)))
}

pub(super) async fn remove(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    need(ask, Permission::DeviceManage)?;
    ask.takes(&["reload"])?;
    if ask.parameter("reload") == Some("true") {
        return Err(Problem::new(
            &error::NGSI_NOT_SUPPORTED,
            "nothing is fetched, so nothing anew",
        ));
    }
    let row = find(ask, id).await?;
    if !ask.caller.user.area.contains(&row.area) {
        return Err(Problem::new(&error::FORBIDDEN, "the context is of an area above yours"));
    }
    ask.city.records.ngsi_ld().remove_context(&row.id).await?;
    Ok(done())
}
