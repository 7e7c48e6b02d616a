//! A running city: everything its listeners share, and the threads behind it.
//!
//! Way of a reading: listener → [`sequencer`] (durable) → [`brain`] (engine) → [`decisions`]
//! (warnings, cases), [`archive`] (Parquet) and [`hub`] (screens).

use std::sync::Arc;
use std::time::Duration;

use chengmai_engine::case::CaseRules;
use chengmai_engine::{Catalog, Engine};
use chengmai_history::sql::Sql;
use chengmai_history::{HistoryReader, ReadingsQuery, WindowPoint, WindowsQuery};
use chengmai_model::area::AreaHistory;
use chengmai_model::case::Case;
use chengmai_model::city::City as Profile;
use chengmai_model::pack::{CaseType, Pack};
use chengmai_model::{
    AreaId, AreaPath, AreaTree, Order, Reading, StreamId, Text, Timestamp, error,
};
use chengmai_store::records::Records;
use chengmai_store::records::warnings::WarningRow;
use parking_lot::RwLock;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

pub(crate) mod agencies;
pub(crate) mod alerts;
pub(crate) mod archive;
pub(crate) mod areas;
pub(crate) mod backtests;
pub(crate) mod book;
pub(crate) mod brain;
pub(crate) mod changes;
pub(crate) mod citizens;
pub(crate) mod counters;
pub(crate) mod decisions;
pub(crate) mod directory;
pub(crate) mod evaluation;
pub(crate) mod hub;
pub(crate) mod kept;
pub(crate) mod layout;
pub(crate) mod marks;
pub(crate) mod near;
pub(crate) mod news;
pub(crate) mod notify;
pub(crate) mod outlines;
pub(crate) mod outside;
pub(crate) mod past;
pub(crate) mod photos;
pub(crate) mod points;
pub(crate) mod proof;
pub(crate) mod refill;
pub(crate) mod registry;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod rules;
pub(crate) mod sequencer;
pub(crate) mod sight;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod training;
pub(crate) mod transit;
pub(crate) mod triage;

use self::sight::Sight;
use crate::accounts::Locks;
use crate::config::Config;
use crate::doors::Entrances;
use crate::http::admission::Room;
use crate::http::problem::{Answer, Problem};
use crate::http::rate::Limiter;
use crate::mqtt::MqttCounters;
use agencies::Agencies;
use backtests::Backtests;
use book::Book;
use brain::Rate;
use counters::Counters;
use hub::Hub;
use registry::Registry;
use rules::RuleBook;
use sequencer::{Batch, Message, Refusal, RulesChange, StopReason};

/// How long a sender waits for a place in the queue before it is told to come back.
const QUEUE_PATIENCE: Duration = Duration::from_secs(10);

/// How often the same sender may report.
#[derive(Debug)]
pub(crate) struct ReportRates {
    /// From one address, without an account.
    pub(crate) citizens: Limiter,
    /// By an app, for one address.
    pub(crate) apps: Limiter,
    /// Questions what a report may be, while it is written.
    pub(crate) proposals: Limiter,
}

impl Default for ReportRates {
    /// Ten at once and two a minute; an app sixty at once and one a second; questions thirty at once and
    /// one in two seconds. Our defaults.
    fn default() -> Self {
        Self {
            citizens: Limiter::new(10, 30_000),
            apps: Limiter::new(60, 1_000),
            proposals: Limiter::new(30, 2_000),
        }
    }
}

/// What every listener and handler sees of the city.
#[derive(Debug)]
pub(crate) struct City {
    pub(crate) config: Config,
    pub(crate) areas: Arc<AreaTree>,
    pub(crate) outlines: Arc<outlines::Outlines>,
    /// Areas of other days than today.
    pub(crate) area_history: Arc<AreaHistory>,
    /// As they were read; rules that were enabled since stand in `rules`.
    pub(crate) packs: Vec<Pack>,
    pub(crate) rules: RuleBook,
    pub(crate) backtests: Arc<Backtests>,
    pub(crate) profile: Profile,
    pub(crate) registry: Arc<RwLock<Registry>>,
    pub(crate) points: Arc<points::Points>,
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) history: HistoryReader,
    pub(crate) sql: Sql,
    pub(crate) records: Records,
    pub(crate) agencies: Arc<Agencies>,
    pub(crate) case_rules: Arc<CaseRules>,
    pub(crate) photos: photos::Photos,
    pub(crate) proof: Arc<proof::ProofLog>,
    pub(crate) outlet: notify::Outlet,
    pub(crate) locks: Arc<Locks>,
    pub(crate) report_rate: ReportRates,
    pub(crate) hub: Arc<Hub>,
    pub(crate) book: Arc<Book>,
    pub(crate) triage: Arc<triage::Triage>,
    pub(crate) transit: transit::Transit,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rate: Arc<Rate>,
    pub(crate) room: Room,
    pub(crate) stop_reason: StopReason,
    pub(crate) started_at: Timestamp,
    pub(crate) mqtt: Arc<MqttCounters>,
    pub(crate) entrances: Entrances,
    sequencer: mpsc::Sender<Message>,
}

impl City {
    /// Resolves when the readings are on disk.
    ///
    /// # Errors
    /// When the city does not take readings.
    pub(crate) async fn make_durable(&self, readings: Vec<Reading>) -> Result<(), Refusal> {
        let (done, wait) = oneshot::channel();
        let mark = marks::Mark::of(&readings);
        let message = Message::Batch(Batch { readings, mark, done });
        self.send(message).await?;
        wait.await.unwrap_or(Err(Refusal::Stopped))
    }

    async fn send(&self, message: Message) -> Result<(), Refusal> {
        let sent = self.sequencer.send_timeout(message, QUEUE_PATIENCE).await;
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Refusal::Overloaded,
            SendTimeoutError::Closed(_) => Refusal::Stopped,
        })
    }

    /// Other rules for the engine, in order with the readings. The journal frame after which they
    /// hold; nothing when the city does not take them.
    pub(crate) async fn change_rules(&self, catalog: Catalog) -> Option<u64> {
        let (done, wait) = oneshot::channel();
        let change = RulesChange { catalog: Box::new(catalog), done };
        self.send(Message::Rules(change)).await.ok()?;
        wait.await.ok().flatten()
    }

    /// Resolves when every registration made so far is on disk.
    pub(crate) async fn registrations_durable(&self) -> Answer<()> {
        let (done, wait) = oneshot::channel();
        let outcome = match self.send(Message::Registered(done)).await {
            Ok(()) => wait.await.unwrap_or(Err(Refusal::Stopped)),
            Err(refusal) => Err(refusal),
        };
        outcome.map_err(|refusal| crate::api::readings::stopped(self, refusal))
    }

    /// Resolves when orders are on disk, in one commit; the engine follows them a moment later.
    pub(crate) async fn orders(&self, orders: Vec<Order>) -> Answer<()> {
        let (done, wait) = oneshot::channel();
        let outcome = match self.send(Message::Orders(orders, done)).await {
            Ok(()) => wait.await.unwrap_or(Err(Refusal::Stopped)),
            Err(refusal) => Err(refusal),
        };
        outcome.map_err(|refusal| crate::api::readings::stopped(self, refusal))
    }

    /// `重庆市 / 渝中区 / …`.
    pub(crate) fn path_names(&self, area: AreaId) -> String {
        path_names(&self.areas, area)
    }

    /// The name of a kind; its id for one that no pack declares.
    pub(crate) fn kind_name(&self, id: &str) -> Text {
        let kinds = self.packs.iter().flat_map(|p| &p.kinds);
        kinds.into_iter().find(|k| k.id == id).map_or_else(|| Text::new(id, id), |k| k.name.clone())
    }

    /// The name of an area by its code; the code itself when there is none.
    pub(crate) fn area_name(&self, code: &str) -> String {
        let area = self.areas.find(code);
        area.map_or_else(|| code.to_owned(), |a| self.areas.get(a).row.name.clone())
    }

    /// The path of the whole city.
    pub(crate) fn root_path(&self) -> AreaPath {
        AreaPath::of(&self.areas, AreaId::ROOT)
    }

    /// The case type with that id.
    pub(crate) fn case_type(&self, id: &str) -> Answer<&CaseType> {
        let mut types = self.packs.iter().flat_map(|p| &p.case_types);
        types
            .find(|t| t.id == id)
            .ok_or_else(|| Problem::new(&error::NO_STANDARD_ROW, format!("case type {id}")))
    }

    /// The row of the filing standard that a rule cites when it files by itself.
    pub(crate) fn proposed_row(&self, rule: &str) -> usize {
        let engine = self.engine.read();
        let found = engine.catalog().find_rule(rule);
        found.map_or(0, |r| engine.catalog().rules()[usize::from(r)].files_row)
    }

    /// The agency asked for, if it may be asked, or the one that answers for this type of case at the
    /// place, by what is said of it.
    pub(crate) fn agency_for(
        &self,
        asked: Option<&str>,
        type_id: &str,
        words: &str,
        area: &AreaPath,
    ) -> Answer<Option<String>> {
        if let Some(id) = asked.filter(|a| !a.is_empty()) {
            return self.known_agency(id, area).map(|()| Some(id.to_owned()));
        }
        let found = self.case_rules.responsible(type_id, words, area);
        Ok(found.map(|found| found.agency.to_owned()))
    }

    /// Goes on only when the agency exists and looks after the area.
    pub(crate) fn known_agency(&self, id: &str, area: &AreaPath) -> Answer<()> {
        let known = self.agencies.get(id).is_some_and(|a| a.area.contains(area));
        if known {
            return Ok(());
        }
        Err(Problem::new(&error::NO_AGENCY, format!("agency {id} in {}", area.code())))
    }

    /// Tells the screens how a warning stands.
    pub(crate) fn publish_warning(&self, row: &WarningRow) {
        decisions::publish_warning(&self.hub, &self.book, &self.areas, row);
    }

    /// Tells the screens how a case stands.
    pub(crate) fn publish_case(&self, case: &Case) {
        decisions::publish_case(&self.hub, &self.book, self.shown(), case);
    }

    /// Readings of some streams of a device that were measured within an area, oldest first: hot tail
    /// and history together, the newest `limit`.
    pub(crate) async fn device_readings(
        &self,
        scope: AreaId,
        device: String,
        streams: Vec<(StreamId, String)>,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Answer<Vec<Reading>> {
        let (history, sight) = (self.history.clone(), Sight::new(self, scope));
        let query = move || {
            let streams: Vec<(StreamId, &str)> =
                streams.iter().map(|(id, kind)| (*id, kind.as_str())).collect();
            let (device, streams) = (device.as_str(), streams.as_slice());
            sight.of(device, |within| {
                history.readings(&ReadingsQuery { device, streams, from, to, limit, within })
            })
        };
        blocking(query).await?.map_err(|error| internal(&error))
    }

    /// Closed windows of an indicator over an area, oldest first.
    pub(crate) async fn indicator_windows(
        &self,
        indicator: String,
        area: String,
        from: Timestamp,
        to: Timestamp,
    ) -> Answer<Vec<WindowPoint>> {
        let history = self.history.clone();
        let query =
            move || history.windows(&WindowsQuery { indicator: &indicator, area: &area, from, to });
        blocking(query).await?.map_err(|error| internal(&error))
    }
}

pub(crate) fn path_names(areas: &AreaTree, area: AreaId) -> String {
    let names: Vec<&str> =
        areas.path(area).into_iter().map(|a| areas.get(a).row.name.as_str()).collect();
    names.join(" / ")
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error))
}

/// An error of our own: logged here once, told to the caller by number only.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a request failed inside the program");
    Problem::new(&error::INTERNAL, "")
}
