//! The MQTT doors of a city: who may come in, and what their messages become.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use chengmai_model::{Reading, Timestamp, error};
use chengmai_store::records::tokens::TokenKind;
use chengmai_wire::line_protocol::Precision;
use chengmai_wire::mqtt::{Content, Publish, content};
use chengmai_wire::sensorthings::TOPIC_ROOT;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounts;
use crate::api::sensorthings::{self, Followers, tell};
use crate::city::City;
use crate::city::sequencer::Refusal;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::device;
use crate::http::listener::crowd::{CONNECTIONS_MAX, Crowd};
use crate::ingest::{self, Speaker};
use crate::mqtt::{
    BrokerUrl, Hears, Limits, Message, MqttSink, Names, Papers, TakeError, Taken, Verdict, Why,
    listen, subscribe,
};
use crate::tls::Tls;

mod known;

/// Clients that may wait to be accepted: all devices of a city come back at once after a power cut.
const BACKLOG: u32 = 4_096;
/// File handles kept for everything that is not an MQTT connection.
const HANDLES_RESERVED: u64 = 256;
/// Where tokens that came by MQTT were used from: the listener does not tell addresses.
const MQTT: &str = "mqtt";
/// Of the others, HTTP may take one in so many.
const HTTP_PART: u64 = 4;

/// Where a city's doors are open, and who came in by HTTP.
#[derive(Debug)]
pub(crate) struct Entrances {
    pub(crate) mqtt: RwLock<Option<SocketAddr>>,
    pub(crate) mqtts: RwLock<Option<SocketAddr>>,
    pub(crate) crowd: Arc<Crowd>,
}

impl Default for Entrances {
    fn default() -> Self {
        let crowd = Arc::new(Crowd::new(http_connections_max(handles())));
        Self { mqtt: RwLock::default(), mqtts: RwLock::default(), crowd }
    }
}

/// What somebody who came by MQTT may do.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    /// Speaks for devices of one area, or for one device.
    speaker: Speaker,
    may_ingest: bool,
    /// Who it is, and the hash of the token; nobody for the city's own broker.
    caller: Option<(Arc<Caller>, String)>,
}

/// Stands at the MQTT doors.
#[derive(Debug)]
pub(crate) struct Porter {
    city: Arc<City>,
    followers: Arc<Followers>,
}

impl MqttSink for Porter {
    type Permit = Permit;
    type Memo = known::Memo;

    fn authenticate<'a>(&'a self, papers: &'a Papers) -> BoxFuture<'a, Option<Permit>> {
        async move {
            let city = &*self.city;
            let (found, hash) = match (&papers.password, &papers.device) {
                (Some(token), _) => {
                    let token = std::str::from_utf8(token).ok()?;
                    let found = accounts::by_token(city, token, TokenKind::Api, MQTT).await;
                    (found, accounts::hash_token(token))
                }
                (None, device) => (device::account(city, device.as_deref()?).await, String::new()),
            };
            let (user, token) = found.ok()?;
            let caller = Caller::new(city, user, token).ok()?;
            let may_ingest = caller.need(Permission::Ingest).is_ok();
            if !may_ingest {
                caller.need(Permission::Read).ok()?;
            }
            let speaker = ingest::speaker(city, &caller).ok()?;
            Some(Permit { speaker, may_ingest, caller: Some((Arc::new(caller), hash)) })
        }
        .boxed()
    }

    fn quick(
        &self,
        permit: &Permit,
        memo: &mut known::Memo,
        publish: &Publish<'_>,
        now: Timestamp,
        readings: &mut Vec<Reading>,
    ) -> bool {
        permit.may_ingest && known::take(&self.city, permit.speaker, memo, publish, now, readings)
    }

    fn keep(&self, readings: Vec<Reading>) -> BoxFuture<'_, Result<(), TakeError>> {
        async move {
            loop {
                match self.city.make_durable(readings.clone()).await {
                    // Turning thousands of devices away would only bring them back at once: they
                    // wait, and nothing more is read from them.
                    Err(Refusal::Overloaded) => {}
                    Err(Refusal::Stopped) => return Err(TakeError::Stopped),
                    Ok(()) => return Ok(()),
                }
            }
        }
        .boxed()
    }

    fn take<'a>(
        &'a self,
        permit: &'a Permit,
        message: Message,
    ) -> BoxFuture<'a, Result<Taken, TakeError>> {
        async move {
            let (city, now) = (&*self.city, clock::now());
            if let (true, Some((caller, _))) =
                (message.topic.starts_with(TOPIC_ROOT), &permit.caller)
            {
                return self.make(caller, &message).await;
            }
            let outcome = match content(&message.topic, &message.payload) {
                Err(fault) => {
                    city.counters.refuse(fault.code, 1);
                    return Ok(Taken { accepted: 0, refused: 1 });
                }
                Ok(Content::Lines(body)) => {
                    ingest::take_lines(city, permit.speaker, body, Precision::default(), now).await
                }
                Ok(Content::Observations { observations, faults }) => {
                    ingest::take_values(city, permit.speaker, &observations, faults, now).await
                }
            };
            let outcome = outcome.map_err(|refusal| match refusal {
                Refusal::Stopped => TakeError::Stopped,
                Refusal::Overloaded => TakeError::Overloaded,
            })?;
            Ok(Taken { accepted: outcome.accepted, refused: outcome.refused })
        }
        .boxed()
    }

    fn may_send(&self, permit: &Permit) -> bool {
        permit.may_ingest
    }

    fn follow<'a>(
        &'a self,
        permit: &'a Permit,
        ear: Arc<dyn Hears>,
        topics: Vec<(String, bool)>,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            match &permit.caller {
                Some((caller, token)) => self.followers.follow(caller, token, ear, topics).await,
                None => vec![Verdict::Refused(Why::Forbidden, String::new()); topics.len()],
            }
        }
        .boxed()
    }

    fn unfollow(&self, ear: u64, topics: &[String]) -> Vec<bool> {
        self.followers.unfollow(ear, topics)
    }

    fn leave(&self, ear: u64) {
        self.followers.leave(ear);
    }
}

impl Porter {
    /// Makes an entity of SensorThings that was published.
    async fn make(&self, caller: &Arc<Caller>, message: &Message) -> Result<Taken, TakeError> {
        let made = sensorthings::publish(&self.city, caller, &message.topic, &message.payload);
        match made.await {
            Ok(()) => Ok(Taken { accepted: 1, refused: 0 }),
            Err(problem) if problem.code.number == error::STOPPED.number => Err(TakeError::Stopped),
            Err(problem)
                if problem.code.status == error::OVERLOADED.status
                    || problem.code.status >= 500 =>
            {
                Err(TakeError::Overloaded)
            }
            Err(_) => Ok(Taken { accepted: 0, refused: 1 }),
        }
    }
}

/// Open MQTT doors.
#[derive(Debug)]
pub(crate) struct Doors {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the listeners and the subscription that the settings name.
pub(crate) fn open(city: &Arc<City>, tls: Option<&Arc<Tls>>) -> anyhow::Result<Doors> {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Vec::new();
    let names = Arc::new(Names::default());
    let followers = Arc::new(Followers::new(city));
    tasks.push(tokio::spawn(tell(Arc::clone(&followers), stopped.clone())));
    let porter = Arc::new(Porter { city: Arc::clone(city), followers });
    let (plain, secure) = (&city.entrances.mqtt, &city.entrances.mqtts);
    for (flag, address, tls, open) in [
        ("--mqtt", city.config.mqtt, None, plain),
        ("--mqtts", city.config.mqtts, tls.cloned(), secure),
    ] {
        let Some(address) = address else { continue };
        let socket = bind(address).with_context(|| {
            format!("cannot listen on {flag} {address}: is a broker there? Choose another, or off")
        })?;
        *open.write() = Some(socket.local_addr()?);
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "MQTT is spoken in the clear to other machines: give --mqtts instead");
        }
        let (sink, counters) = (Arc::clone(&porter), Arc::clone(&city.mqtt));
        let (names, stopped) = (Arc::clone(&names), stopped.clone());
        tasks.push(tokio::spawn(async move {
            let served = listen(socket, tls, sink, limits(), counters, names, stopped).await;
            if let Err(error) = served {
                tracing::error!(%error, "an MQTT listener ended");
            }
        }));
    }
    if let Some(url) = &city.config.mqtt_broker {
        let url: BrokerUrl =
            url.parse().map_err(|fault: String| anyhow::anyhow!("--mqtt-broker: {fault}"))?;
        let permit = Permit { speaker: Speaker::EVERYBODY, may_ingest: true, caller: None };
        let (sink, counters) = (Arc::clone(&porter), Arc::clone(&city.mqtt));
        tasks.push(tokio::spawn(async move {
            if let Err(error) = subscribe(url, sink, permit, counters, stopped).await {
                tracing::error!(%error, "the subscription to the broker ended");
            }
        }));
    }
    Ok(Doors { stop, tasks })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The usual limits, with as many connections as the system gives us file handles for.
fn limits() -> Limits {
    let limits = Limits::default();
    let room = handles().saturating_sub(HANDLES_RESERVED).max(1);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    Limits { connections_max: limits.connections_max.min(room), ..limits }
}

fn http_connections_max(handles: u64) -> u32 {
    let part = handles.saturating_sub(HANDLES_RESERVED) / HTTP_PART;
    u32::try_from(part).map_or(CONNECTIONS_MAX, |part| part.clamp(1, CONNECTIONS_MAX))
}

/// File handles that we may have. We ask for all that the system allows.
fn handles() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    let handles = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => before.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file handles cannot be raised");
            before.current
        }
    };
    // None means that there is no limit.
    handles.unwrap_or(u64::MAX)
}

impl Doors {
    /// Takes nothing new and waits until what is in flight is acknowledged.
    pub(crate) async fn close(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("an MQTT door panicked");
            }
        }
    }
}

/// Addresses of the listeners, plain and inside TLS, and how many connections are open, for the system
/// page.
pub(crate) fn status(city: &City) -> (Option<SocketAddr>, Option<SocketAddr>, u64) {
    let open = city.mqtt.connections.load(Ordering::Relaxed);
    (*city.entrances.mqtt.read(), *city.entrances.mqtts.read(), open)
}
