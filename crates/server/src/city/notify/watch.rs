//! Tells subscribers of NGSI-LD of what changed: looks twice a second at what did, holds it against every
//! subscription, and makes messages, which go the way of all messages.
//!
//! Not here: how a message is sent and sent again (`notify`), what a subscription says (`wire::ngsi_ld`).
//! Invariants: a message holds only what its maker may see at that moment; what changed several times between
//! two looks is told once, as it is then; nothing is looked at while nobody subscribes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chengmai_model::{AreaId, AreaPath, DeviceId, Timestamp};
use chengmai_store::records::Result;
use chengmai_store::records::deliveries::{NewDelivery, Recipient};
use chengmai_store::records::ngsi_ld::SubscriptionRow;
use chengmai_wire::ngsi_ld::{
    self as ngsi, Context, Entity, LINK_RELATION, Output, Subscription, Wanted,
};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch::Receiver;

use super::send::{Failure, Posted};
use super::told_to_stop;
use crate::accounts::hex;
use crate::api::ngsi_ld::{View, entity_ids, names_of_kinds};
use crate::city::City;
use crate::city::hub::{LiveEvent, Payload};
use crate::clock;
use crate::http::access::Permission;
use crate::policy::{What, Who};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Streams looked at at once; others wait for the next look.
const STREAMS_MAX: usize = 20_000;
/// Entities of one message.
const TOLD_MAX: usize = 100;
/// Entities that wait for the next message of one subscription.
const WAITING_MAX: usize = 10_000;

/// A subscription that is served.
#[derive(Debug)]
struct Served {
    row: SubscriptionRow,
    read: Subscription,
    context: Context,
    /// What is to be told of, as soon as its maker wants to hear again.
    waiting: BTreeSet<String>,
    told_at: Option<Timestamp>,
}

/// The one that looks.
#[derive(Debug)]
pub(super) struct Watcher {
    city: Arc<City>,
    served: Vec<Served>,
    /// Warnings and cases as they change.
    events: tokio::sync::broadcast::Receiver<LiveEvent>,
}

impl Watcher {
    pub(super) fn new(city: Arc<City>) -> Self {
        let events = city.hub.listen(None).1;
        city.hub.changes.look_anew();
        Self { city, served: Vec::new(), events }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self, mut stop: Receiver<bool>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = told_to_stop(&mut stop) => break,
                _ = look.tick() => {}
            }
            if let Err(error) = Box::pin(self.look()).await {
                tracing::error!(%error, "changes could not be looked at");
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        if self.city.hub.changes.is_stale() {
            self.load().await?;
            self.city.hub.changes.want(!self.served.is_empty());
        }
        let changed = self.changed();
        if self.served.is_empty() {
            return Ok(());
        }
        self.hold_devices(&changed.0).await;
        self.hold_others(&changed.1).await;
        self.tell(clock::now()).await
    }

    /// Reads all subscriptions anew; what waits goes on waiting.
    async fn load(&mut self) -> Result<()> {
        let rows = self.city.records.ngsi_ld().subscriptions(None).await?;
        let mut old: BTreeMap<String, Served> =
            std::mem::take(&mut self.served).into_iter().map(|s| (s.row.id.clone(), s)).collect();
        for row in rows {
            let Some((read, context)) = read(&row) else {
                tracing::error!(id = row.id, "a subscription could not be read");
                continue;
            };
            let kept = old.remove(&row.id);
            let (waiting, told_at) =
                kept.map_or((BTreeSet::new(), row.last_notification), |s| (s.waiting, s.told_at));
            self.served.push(Served { row, read, context, waiting, told_at });
        }
        Ok(())
    }

    /// Devices that had readings, with the kinds of these, and other entities, with the attributes that changed.
    fn changed(&mut self) -> (BTreeMap<DeviceId, Vec<u16>>, BTreeMap<String, Vec<String>>) {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    names.extend(entity_of(&event).map(|id| (id, Vec::new())));
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(_empty_or_closed) => break,
            }
        }
        let changes = &self.city.hub.changes;
        for (id, attributes) in changes.take_entities() {
            names.entry(id).or_default().extend(attributes);
        }
        let registry = self.city.registry.read();
        let mut devices: BTreeMap<DeviceId, Vec<u16>> = BTreeMap::new();
        for stream in changes.take_streams(STREAMS_MAX) {
            if registry.kind_of(stream.0).is_none() {
                continue;
            }
            let entry = registry.stream(stream);
            devices.entry(entry.device).or_default().push(entry.kind);
        }
        (devices, names)
    }

    /// Holds devices against all subscriptions.
    async fn hold_devices(&mut self, changed: &BTreeMap<DeviceId, Vec<u16>>) {
        let ids: Vec<DeviceId> = changed.keys().copied().collect();
        for some in ids.chunks(1_000) {
            let city = Arc::clone(&self.city);
            let view = View::new(&city, AreaId::ROOT);
            let Ok(known) = view.devices(some).await else { continue };
            for (device, entity) in known {
                let kinds = changed.get(&device).map(Vec::as_slice).unwrap_or_default();
                let names = names_of_kinds(&city.registry.read(), &entity, kinds);
                self.hold(&entity, &names);
            }
        }
    }

    async fn hold_others(&mut self, changed: &BTreeMap<String, Vec<String>>) {
        for (id, names) in changed {
            let city = Arc::clone(&self.city);
            let view = View::new(&city, AreaId::ROOT);
            if let Ok(Some(known)) = view.find(id).await {
                self.hold(&known.shown, names);
            }
        }
    }

    /// Notes an entity for those who want to be told of it. What they may see is asked when they are told.
    fn hold(&mut self, entity: &Entity, names: &[String]) {
        for one in &mut self.served {
            let names = Some(names).filter(|names| !names.is_empty());
            if one.read.is_active
                && one.waiting.len() < WAITING_MAX
                && one.read.holds(entity, names)
            {
                one.waiting.insert(entity.id.clone());
            }
        }
    }

    /// Makes messages for those who want to hear now.
    async fn tell(&mut self, now: Timestamp) -> Result<()> {
        for one in &mut self.served {
            let is_over = one.read.expires_at.is_some_and(|at| at <= now);
            if !one.read.is_active || is_over {
                one.waiting.clear();
                continue;
            }
            let is_quiet = one.told_at.is_some_and(|at| now.since(at) < one.read.throttling_ms);
            if one.waiting.is_empty() || is_quiet {
                continue;
            }
            let Some(scope) = scope(&self.city, &one.row).await? else {
                one.waiting.clear();
                continue;
            };
            while !one.waiting.is_empty() {
                let ids: Vec<String> = one.waiting.iter().take(TOLD_MAX).cloned().collect();
                one.waiting.retain(|id| !ids.contains(id));
                let data = one.data(&self.city, scope, &ids).await;
                if !data.is_empty() {
                    one.message(&self.city, data, now).await?;
                    one.told_at = Some(now);
                }
                if one.read.throttling_ms > 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Served {
    /// Entities as they are told: as their maker sees them now.
    async fn data(&self, city: &Arc<City>, scope: AreaId, ids: &[String]) -> Vec<Json> {
        let view = View::new(city, scope);
        let output = Output { form: self.read.form, system: self.read.system, ..Output::default() };
        let context = self.spoken();
        let mut data = Vec::with_capacity(ids.len());
        for id in ids {
            let known = view.find(id).await.ok().flatten();
            let told = known.filter(|known| self.read.holds(&known.shown, None));
            data.extend(
                told.map(|known| {
                    ngsi::entity_json(&self.read.told(known.shown), &context, &output)
                }),
            );
        }
        data
    }

    /// The context of a message: one that no address explains cannot stand in a header.
    fn spoken(&self) -> Context {
        let fits = self.read.is_ld || self.context.link().is_some();
        if fits { self.context.clone() } else { Context::default() }
    }

    async fn message(&self, city: &City, data: Vec<Json>, now: Timestamp) -> Result<()> {
        let key = random();
        let id = format!("urn:ngsi-ld:Notification:{key}");
        let mut body = ngsi::notification(&id, &self.row.id, now, data);
        if self.read.is_ld {
            body["@context"] = self.context.said();
        }
        let message = NewDelivery {
            id: format!("msg_{key}"),
            to: Recipient::Program(self.row.id.clone()),
            area: self.row.area.clone(),
            what: "ngsi.notification".to_owned(),
            object: self.row.id.clone(),
            made_at: now,
            body: body.to_string(),
        };
        city.records.ngsi_ld().noted(&self.row.id, now).await?;
        city.records.deliveries().add(&message).await
    }
}

fn random() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    hex(&bytes)
}

/// A subscription and its context from their texts.
pub(crate) fn read(row: &SubscriptionRow) -> Option<(Subscription, Context)> {
    let said: Json = serde_json::from_str(&row.context).ok()?;
    let known = said["known"].as_object()?.iter();
    let known = known.map(|(url, text)| (url.clone(), text.clone())).collect();
    let context = Context::build(Wanted::Json(&said["context"]), &known).ok()?;
    let body: Json = serde_json::from_str(&row.body).ok()?;
    let read = ngsi::subscription(&body, &context).ok()?;
    Some((read, context))
}

/// What a subscription's maker may see now; none when they may see nothing any more.
async fn scope(city: &City, row: &SubscriptionRow) -> Result<Option<AreaId>> {
    let Some(user) = city.records.users().find(&row.made_by).await? else { return Ok(None) };
    let who = Who {
        user: &user,
        home: &user.area,
        second_factor: false,
        emergency: false,
        program: true,
    };
    let may = |permission| {
        city.locks.policies.decide(who, permission, What::in_area(&user.area)).is_allowed
    };
    if !may(Permission::Read) || !may(Permission::NotifyManage) {
        return Ok(None);
    }
    // What they saw when they made it, and still see.
    let path: Option<&AreaPath> = if row.area.contains(&user.area) {
        Some(&user.area)
    } else {
        user.area.contains(&row.area).then_some(&row.area)
    };
    Ok(path.and_then(|path| city.areas.find(path.code())))
}

/// The entity that an event is about.
fn entity_of(event: &LiveEvent) -> Option<String> {
    let (text, ids) = match &*event.payload {
        Payload::Warning(text) => (text, entity_ids::WARNING),
        Payload::Case(text) => (text, entity_ids::CASE),
        Payload::Tick { .. } => return None,
    };
    let json: Json = serde_json::from_str(text).ok()?;
    Some(format!("{ids}{}", json["id"].as_str()?))
}

impl City {
    /// A message as it goes out, with the address and the headers that its subscription has now.
    pub(super) async fn posted(
        &self,
        id: &str,
        body: &str,
    ) -> Result<std::result::Result<Posted, Failure>> {
        let never = |why: &str| Ok(Err(Failure::Never(why.to_owned())));
        let Some(row) = self.records.ngsi_ld().subscription(id).await? else {
            return never("the subscription is gone");
        };
        let Some((read, context)) = read(&row).filter(|(read, _)| read.is_active) else {
            return never("the subscription is paused");
        };
        if scope(self, &row).await?.is_none() {
            return never("its maker may not see it any more");
        }
        let mut headers = read.headers;
        let kind = if read.is_ld { "application/ld+json" } else { "application/json" };
        if !read.is_ld {
            let url = context.link().unwrap_or(ngsi::CORE_URL);
            let link = format!("<{url}>; rel=\"{LINK_RELATION}\"; type=\"application/ld+json\"");
            headers.push(("Link".to_owned(), link));
        }
        Ok(Ok(Posted { url: read.uri, kind, headers, body: body.to_owned() }))
    }
}

/// How a subscription is kept: its context with all texts that were needed for it.
pub(crate) fn context_text(context: &Json, known: &BTreeMap<String, Json>) -> String {
    json!({"context": context, "known": known}).to_string()
}
