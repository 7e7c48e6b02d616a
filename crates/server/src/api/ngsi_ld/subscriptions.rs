//! Subscriptions: made, shown, changed and removed by the account whose they are, and seen by nobody else.
//!
//! Not here: who is told when (`city::notify::watch`).

use std::sync::Arc;

use axum::response::Response;
use chengmai_model::{AreaPath, error};
use chengmai_store::records::ngsi_ld::SubscriptionRow;
use chengmai_wire::ngsi_ld::{self as ngsi, Context, Subscription, Wanted, is_uri};
use serde_json::{Map, Value as Json, json};

use super::answer::{self, Ask, Sent, counted, document, done, made, paged, refused, written_in};
use super::{need, not_found};
use crate::accounts::hex;
use crate::city::notify::watch::{self, context_text};
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::Permission;
use crate::http::problem::{Answer, Problem};

/// Whether messages may go there.
async fn check_address(city: &Arc<City>, uri: &str) -> Answer<()> {
    let (asked, text) = (Arc::clone(city), uri.to_owned());
    let judged = blocking(move || asked.outlet.sender.check(&text)).await?;
    judged.map_err(|refused| Problem::new(&error::HOOK_ADDRESS, refused.to_string()))
}

/// A subscription as it is kept: without what only its answer has, and without its context.
fn kept(json: &Json) -> Json {
    let mut json = json.clone();
    if let Some(map) = json.as_object_mut() {
        for own in ["@context", "status", "createdAt", "modifiedAt"] {
            map.remove(own);
        }
        if let Some(Json::Object(notification)) = map.get_mut("notification") {
            for own in [
                "status",
                "timesSent",
                "timesFailed",
                "lastNotification",
                "lastSuccess",
                "lastFailure",
            ] {
                notification.remove(own);
            }
        }
    }
    json
}

pub(super) async fn create(ask: &Ask<'_>, body: &[u8]) -> Answer<Response> {
    need(ask, Permission::NotifyManage)?;
    need(ask, Permission::Read)?;
    ask.takes(&["local"])?;
    let Sent { json, context, said, known } = ask.body(body).await?;
    let read = ngsi::subscription(&json, &context).map_err(refused)?;
    let now = clock::now();
    if read.expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::new(&error::NGSI_BODY, "expiresAt is over"));
    }
    check_address(ask.city, &read.uri).await?;
    let id = read.id.clone().unwrap_or_else(|| {
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        format!("urn:ngsi-ld:Subscription:{}", hex(&bytes))
    });
    let row = SubscriptionRow {
        id: id.clone(),
        made_by: ask.caller.user.name.clone(),
        area: AreaPath::of(&ask.city.areas, ask.caller.area),
        made_at: now,
        changed_at: now,
        body: kept(&json).to_string(),
        context: context_text(&said, &known),
        times_sent: 0,
        times_failed: 0,
        last_notification: None,
        last_success: None,
        last_failure: None,
    };
    ask.city.records.ngsi_ld().add_subscription(&row).await?;
    ask.city.hub.changes.look_anew();
    Ok(made(&format!("subscriptions/{}", answer::escaped(&id))))
}

/// The caller's own subscription of that id.
async fn own(ask: &Ask<'_>, id: &str) -> Answer<(SubscriptionRow, Subscription, Context)> {
    let row = ask.city.records.ngsi_ld().subscription(id).await?;
    let row = row.filter(|row| row.made_by == ask.caller.user.name);
    let row = row.ok_or_else(|| not_found(id))?;
    let (read, context) =
        watch::read(&row).ok_or_else(|| Problem::new(&error::INTERNAL, "unreadable"))?;
    Ok((row, read, context))
}

/// A subscription as it is shown. Its names are as its own context has them.
fn shown(row: &SubscriptionRow, read: &Subscription, system: bool) -> Json {
    let mut json: Json = serde_json::from_str(&row.body).unwrap_or_default();
    let is_over = read.expires_at.is_some_and(|at| at <= clock::now());
    let status = match (read.is_active, is_over) {
        (_, true) => "expired",
        (false, _) => "paused",
        (true, false) => "active",
    };
    json["id"] = json!(row.id);
    json["type"] = json!("Subscription");
    json["status"] = json!(status);
    json["isActive"] = json!(read.is_active);
    if system {
        json["createdAt"] = json!(row.made_at.to_rfc3339());
        json["modifiedAt"] = json!(row.changed_at.to_rfc3339());
    }
    let notification = &mut json["notification"];
    let has_failed = row.last_failure > row.last_success;
    notification["status"] = json!(if has_failed { "failed" } else { "ok" });
    notification["timesSent"] = json!(row.times_sent);
    notification["timesFailed"] = json!(row.times_failed);
    for (name, at) in [
        ("lastNotification", row.last_notification),
        ("lastSuccess", row.last_success),
        ("lastFailure", row.last_failure),
    ] {
        if let Some(at) = at {
            notification[name] = json!(at.to_rfc3339());
        }
    }
    json
}

pub(super) async fn list(ask: &Ask<'_>) -> Answer<Response> {
    let media = ask.media(false)?;
    ask.takes(&["limit", "offset", "count", "options", "local", "pageSize"])?;
    let context = ask.linked().await?;
    let query = ngsi::entity_query(&ask.pairs, &context, &[]).map_err(refused)?;
    let rows = ask.city.records.ngsi_ld().subscriptions(Some(&ask.caller.user.name)).await?;
    let all = rows.len();
    let page = rows.iter().skip(query.offset).take(query.limit);
    let shown = page
        .filter_map(|row| watch::read(row).map(|(read, _)| shown(row, &read, query.output.system)));
    let terms = written_in(&context, media);
    let mut response = document(shown.collect(), &terms, media);
    counted(&mut response, query.count.then_some(all));
    let more = all > query.offset.saturating_add(query.limit) && query.limit > 0;
    paged(ask, &mut response, query.offset, query.limit, more);
    Ok(response)
}

pub(super) async fn retrieve(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    let media = ask.media(false)?;
    ask.takes(&["options", "local"])?;
    let system = ask.option(&["sysAttrs"], "sysAttrs")?;
    let (row, read, context) = own(ask, id).await?;
    Ok(document(shown(&row, &read, system), &written_in(&context, media), media))
}

pub(super) async fn change(ask: &Ask<'_>, id: &str, body: &[u8]) -> Answer<Response> {
    need(ask, Permission::NotifyManage)?;
    ask.takes(&["local"])?;
    let (row, _, _) = own(ask, id).await?;
    let sent = ask.query_body(body).await?;
    let Json::Object(changes) = kept(&sent.json) else {
        return Err(Problem::new(&error::NGSI_BODY, "an object is expected"));
    };
    let old: Json = serde_json::from_str(&row.body).unwrap_or_default();
    let mut whole: Map<String, Json> = old.as_object().cloned().unwrap_or_default();
    for (name, value) in changes {
        if value.is_null() || value.as_str() == Some(ngsi::NULL) {
            whole.remove(&name);
        } else {
            whole.insert(name, value);
        }
    }
    if whole.get("id").and_then(Json::as_str).is_some_and(|said| said != id || !is_uri(said)) {
        return Err(Problem::new(&error::NGSI_BODY, "the id stays"));
    }
    let whole = Json::Object(whole);
    // Terms of the change hold for all of it, where it brings any.
    let (context, text) = if sent.said.is_null() {
        let kept: Json = serde_json::from_str(&row.context).unwrap_or_default();
        let known = kept["known"].as_object().into_iter().flatten();
        let known = known.map(|(url, text)| (url.clone(), text.clone())).collect();
        let built = Context::build(Wanted::Json(&kept["context"]), &known).unwrap_or_default();
        (built, row.context.clone())
    } else {
        (sent.context, context_text(&sent.said, &sent.known))
    };
    let read = ngsi::subscription(&whole, &context).map_err(refused)?;
    check_address(ask.city, &read.uri).await?;
    let records = ask.city.records.ngsi_ld();
    records.change_subscription(id, &whole.to_string(), &text, clock::now()).await?;
    ask.city.hub.changes.look_anew();
    Ok(done())
}

pub(super) async fn remove(ask: &Ask<'_>, id: &str) -> Answer<Response> {
    need(ask, Permission::NotifyManage)?;
    ask.takes(&["local"])?;
    let (row, _, _) = own(ask, id).await?;
    ask.city.records.ngsi_ld().remove_subscription(&row.id).await?;
    ask.city.hub.changes.look_anew();
    Ok(done())
}
