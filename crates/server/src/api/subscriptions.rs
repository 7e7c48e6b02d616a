//! Subscriptions: who outside is told of what. Made and changed by administrators and duty officers,
//! inside their own area.
//!
//! Not here: what is sent and when (`city::notify`). Invariant: an answer never holds a secret, nor the
//! part of an address that may be one; a secret of ours is shown once, when it is made.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chengmai_model::{Severity, error};
use chengmai_store::records::deliveries::{NewDelivery, Recipient};
use chengmai_store::records::subscriptions::{Channel, Matter, SubscriptionRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::DeliveryJson;
use crate::accounts::hex;
use crate::city::notify::send::{filled, new_secret};
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem};

/// Longest name, address, list of numbers.
const TEXT_LEN_MAX: usize = 2_000;
/// What an SMS gateway is sent where nothing else is said.
const SMS_TEMPLATE: &str = r#"{"to": "{to}", "text": "{text}"}"#;

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "sub_0123456789abcdef", "name": "排水公司调度", "channel": "email",
    "address": "dispatch@drains.example", "recipients": "", "template": null, "matters": ["arrived", "overdue"],
    "severity_min": 1, "agency": "drain-yz", "area": "500103", "language": "zh", "active": true,
    "stopped": null, "made_by": "duty", "made_at": "2026-11-21T03:04:05.678Z"}))]
pub(crate) struct SubscriptionJson {
    id: String,
    name: String,
    /// `webhook`, `wecom`, `dingtalk`, `sms`, `email`.
    channel: String,
    /// Without what may be a secret: path and query.
    address: String,
    /// Telephone numbers, for `sms`.
    recipients: String,
    /// Body for a gateway for text messages.
    template: Option<String>,
    /// `arrived`, `step`, `returned`, `urged`, `supervised`, `ended`, `due_soon`, `overdue`, `warning`.
    matters: Vec<String>,
    /// Warnings at least so bad, 1 to 4.
    severity_min: u8,
    /// Cases of this agency only.
    agency: Option<String>,
    area: String,
    /// `zh` or `en`.
    language: String,
    active: bool,
    /// Why the program stopped it: the receiver wanted no more.
    stopped: Option<String>,
    made_by: String,
    made_at: String,
}

impl From<SubscriptionRow> for SubscriptionJson {
    fn from(row: SubscriptionRow) -> Self {
        Self {
            address: shown(row.channel, &row.address),
            id: row.id,
            name: row.name,
            channel: row.channel.word().to_owned(),
            recipients: row.recipients,
            template: row.template,
            matters: row.matters.iter().map(|matter| matter.word().to_owned()).collect(),
            severity_min: row.severity_min.number(),
            agency: row.agency,
            area: row.area.code().to_owned(),
            language: row.language,
            active: row.active,
            stopped: row.stopped,
            made_by: row.made_by,
            made_at: row.made_at.to_rfc3339(),
        }
    }
}

/// An address without its path and query: robots of chats have their secret there.
fn shown(channel: Channel, address: &str) -> String {
    if channel == Channel::Email {
        return address.to_owned();
    }
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/…")
}

/// What a subscription is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "排水公司调度", "channel": "email", "address": "dispatch@drains.example",
    "matters": ["arrived", "overdue", "warning"], "severity_min": 3, "agency": "drain-yz", "area": "500103", "language": "zh"}))]
pub(crate) struct SubscriptionBody {
    name: String,
    channel: String,
    /// May be left out of a change: it stays.
    address: Option<String>,
    #[serde(default)]
    recipients: String,
    template: Option<String>,
    /// Of DingTalk: the secret that its robot shows. A webhook's is made here. May be left out of a change.
    secret: Option<String>,
    matters: Vec<String>,
    severity_min: Option<u8>,
    agency: Option<String>,
    area: String,
    #[serde(default)]
    language: String,
    active: Option<bool>,
}

/// A subscription just made, with its secret: shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"subscription": {"id": "sub_0123456789abcdef", "name": "排水公司调度"}, "secret": "whsec_…"}))]
pub(crate) struct MadeSubscription {
    subscription: SubscriptionJson,
    /// Of a webhook: what its messages are signed with.
    secret: Option<String>,
}

fn faulty(what: &str) -> Problem {
    Problem::new(&error::SUBSCRIPTION_FIELD, what)
}

/// The subscriptions of the caller's area and below.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "notifications",
    responses((status = 200, body = Page<SubscriptionJson>)))]
pub(crate) async fn list_subscriptions(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<SubscriptionJson>>> {
    caller.need(Permission::NotifyManage)?;
    let rows = city.records.subscriptions().list(&[caller.scope_path(None)?]).await?;
    Ok(Json(Page::whole(rows.into_iter().map(SubscriptionJson::from).collect())))
}

/// Make a subscription. Its area must lie inside the caller's.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "notifications",
    request_body = SubscriptionBody, responses((status = 201, body = MadeSubscription)))]
pub(crate) async fn make_subscription(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<SubscriptionBody>,
) -> Answer<(StatusCode, Json<MadeSubscription>)> {
    caller.need(Permission::NotifyManage)?;
    let row = checked(&city, &caller, body, None).await?;
    city.records.subscriptions().insert(&row).await?;
    let secret = row.secret.clone().filter(|_| row.channel == Channel::Webhook);
    let made = MadeSubscription { subscription: row.into(), secret };
    Ok((StatusCode::CREATED, Json(made)))
}

/// The subscription, when it lies in the caller's area.
async fn managed(city: &City, caller: &Caller, id: &str) -> Answer<SubscriptionRow> {
    caller.need(Permission::NotifyManage)?;
    let (found, scope) = (city.records.subscriptions().find(id).await?, caller.scope_path(None)?);
    found
        .filter(|row| scope.contains(&row.area))
        .ok_or_else(|| Problem::not_found(format!("subscription {id}")))
}

/// Change a subscription, start it or stop it. What waits of one that is stopped is given up.
#[utoipa::path(put, path = "/api/v1/subscriptions/{id}", tag = "notifications",
    params(("id" = String, Path, example = "sub_0123456789abcdef")),
    request_body = SubscriptionBody, responses((status = 200, body = SubscriptionJson)))]
pub(crate) async fn change_subscription(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<SubscriptionBody>,
) -> Answer<Json<SubscriptionJson>> {
    let known = managed(&city, &caller, &id).await?;
    let row = checked(&city, &caller, body, Some(known)).await?;
    city.records.subscriptions().update(&row, &caller.user.name, clock::now()).await?;
    Ok(Json(row.into()))
}

/// Remove a subscription with all its messages.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{id}", tag = "notifications",
    params(("id" = String, Path, example = "sub_0123456789abcdef")),
    responses((status = 204, description = "removed")))]
pub(crate) async fn remove_subscription(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let row = managed(&city, &caller, &id).await?;
    city.records.subscriptions().delete(&row.id, &caller.user.name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test message the way all others go. Look at the deliveries for what became of it.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/test", tag = "notifications",
    params(("id" = String, Path, example = "sub_0123456789abcdef")),
    responses((status = 202, body = DeliveryJson)))]
pub(crate) async fn test_subscription(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<DeliveryJson>)> {
    let row = managed(&city, &caller, &id).await?;
    if !row.active {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "the subscription is stopped"));
    }
    let (now, key) = (clock::now(), random(16));
    let message = city.told_in_test(&row.area, now);
    let new = NewDelivery {
        id: format!("msg_{key}"),
        to: Recipient::Subscription(row.id),
        area: row.area,
        what: message.kind.clone(),
        object: String::new(),
        made_at: now,
        body: serde_json::to_string(&message).expect("our own types have text keys"),
    };
    city.records.deliveries().add(&new).await?;
    let made = city.records.deliveries().find(&new.id).await?;
    let made = made.ok_or_else(|| Problem::not_found(format!("delivery {}", new.id)))?;
    Ok((StatusCode::ACCEPTED, Json(made.into())))
}

fn random(bytes: usize) -> String {
    let mut random = vec![0_u8; bytes];
    getrandom::fill(&mut random).expect("the operating system gives random numbers");
    hex(&random)
}

/// A subscription from what was asked for; what a change leaves out stays as it was.
async fn checked(
    city: &Arc<City>,
    caller: &Caller,
    body: SubscriptionBody,
    known: Option<SubscriptionRow>,
) -> Answer<SubscriptionRow> {
    let channel = Channel::from_word(&body.channel).ok_or_else(|| faulty("channel"))?;
    let known_channel = known.as_ref().map(|row| row.channel);
    let kept = known.as_ref().filter(|row| row.channel == channel);
    let some = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let address = some(body.address).or_else(|| kept.map(|row| row.address.clone()));
    let address = address.ok_or_else(|| faulty("address"))?;
    let name = body.name.trim().to_owned();
    let too_long =
        [&name, &address, &body.recipients].into_iter().any(|t| t.chars().count() > TEXT_LEN_MAX);
    if name.is_empty() || name.contains(char::is_control) || too_long {
        return Err(faulty("name"));
    }
    let matters = body.matters.iter().map(|word| Matter::from_word(word));
    let matters: Option<Vec<Matter>> = matters.collect();
    let matters = matters.filter(|matters| !matters.is_empty()).ok_or_else(|| faulty("matters"))?;
    let severity = Severity::new(body.severity_min.unwrap_or(1));
    let severity_min = severity.ok_or_else(|| faulty("severity_min"))?;
    let area = caller.scope_path(Some(body.area.trim()).filter(|code| !code.is_empty()))?;
    let agency = some(body.agency);
    if agency.as_ref().is_some_and(|id| city.agencies.get(id).is_none()) {
        return Err(faulty("agency"));
    }
    check_address(city, channel, &address).await?;
    let template = template(channel, some(body.template), &body.recipients)?;
    let given = some(body.secret).or_else(|| kept.and_then(|row| row.secret.clone()));
    let secret = match channel {
        Channel::Webhook if known_channel == Some(channel) => kept.and_then(|r| r.secret.clone()),
        Channel::Webhook => Some(new_secret()),
        Channel::Dingtalk => given,
        Channel::Wecom | Channel::Sms | Channel::Email => None,
    };
    let now = clock::now();
    Ok(SubscriptionRow {
        id: known.as_ref().map_or_else(|| format!("sub_{}", random(8)), |row| row.id.clone()),
        name,
        channel,
        address,
        recipients: body.recipients.trim().to_owned(),
        template,
        secret,
        matters,
        severity_min,
        agency,
        area,
        language: if body.language == "en" { "en" } else { "zh" }.to_owned(),
        active: body.active.unwrap_or(true),
        stopped: None,
        made_by: known.as_ref().map_or_else(|| caller.user.name.clone(), |r| r.made_by.clone()),
        made_at: known.as_ref().map_or(now, |row| row.made_at),
    })
}

/// Whether messages can go there.
async fn check_address(city: &Arc<City>, channel: Channel, address: &str) -> Answer<()> {
    if channel == Channel::Email {
        if city.outlet.mailer.is_none() {
            return Err(Problem::new(&error::NO_MAIL, ""));
        }
        let parsed = address.parse::<lettre::Address>();
        return parsed.map(|_address| ()).map_err(|_bad| faulty("address"));
    }
    let (asked, text) = (Arc::clone(city), address.to_owned());
    let judged = blocking(move || asked.outlet.sender.check(&text)).await?;
    judged.map_err(|refused| Problem::new(&error::HOOK_ADDRESS, refused.to_string()))
}

/// The body for a gateway; only it has one, and needs telephone numbers.
fn template(channel: Channel, given: Option<String>, numbers: &str) -> Answer<Option<String>> {
    if channel != Channel::Sms {
        return Ok(None);
    }
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ',' | ' ');
    if numbers.trim().is_empty() || !numbers.chars().all(is_number) {
        return Err(faulty("recipients"));
    }
    let template = given.unwrap_or_else(|| SMS_TEMPLATE.to_owned());
    let fits = template.chars().count() <= TEXT_LEN_MAX
        && template.contains("{text}")
        && filled(&template, "", "").is_some();
    if fits { Ok(Some(template)) } else { Err(faulty("template")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_a_secret() {
        for (channel, address, expected) in [
            (
                Channel::Wecom,
                "https://qyapi.example/cgi-bin/send?key=SECRET",
                "https://qyapi.example/…",
            ),
            (Channel::Webhook, "https://h.example:8443/T0/SECRET", "https://h.example:8443/…"),
            (Channel::Webhook, "https://h.example?SECRET", "https://h.example/…"),
            (Channel::Email, "duty@city.example", "duty@city.example"),
        ] {
            assert_eq!(shown(channel, address), expected);
        }
    }

    #[test]
    fn a_template_is_json_with_a_place_for_the_words() {
        let made = |text: &str| template(Channel::Sms, Some(text.to_owned()), "138,139").is_ok();
        assert!(made(SMS_TEMPLATE) && made(r#"["{text}"]"#));
        assert!(!made("{text}") && !made(r#"{"to":"{to}"}"#));
        assert!(template(Channel::Sms, None, "").is_err());
        assert_eq!(template(Channel::Email, None, "").unwrap(), None);
    }
}
