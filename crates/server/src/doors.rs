//! The MQTT doors of a city: who may come in, and what their messages become.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use chengmai_model::{Reading, Timestamp};
use chengmai_store::records::tokens::TokenKind;
use chengmai_wire::line_protocol::Precision;
use chengmai_wire::mqtt::{Content, Publish, content};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounts;
use crate::city::City;
use crate::city::sequencer::Refusal;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::ingest::{self, Speaker};
use crate::mqtt::{BrokerUrl, Limits, Message, MqttSink, TakeError, Taken, listen, subscribe};

mod known;

/// Clients that may wait to be accepted: all devices of a city come back at once after a power cut.
const BACKLOG: u32 = 4_096;
/// File handles kept for everything that is not an MQTT connection.
const HANDLES_RESERVED: u64 = 256;
/// Where tokens that came by MQTT were used from: the listener does not tell addresses.
const MQTT: &str = "mqtt";

/// What a sender of readings may do: speak for devices of one area, or for one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    speaker: Speaker,
}

impl MqttSink for City {
    type Permit = Permit;
    type Memo = known::Memo;

    fn authenticate<'a>(
        &'a self,
        _user: Option<&'a str>,
        password: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Option<Permit>> {
        async move {
            let token = std::str::from_utf8(password?).ok()?;
            let found = accounts::by_token(self, token, TokenKind::Api, MQTT).await;
            let (user, token) = found.ok()?;
            let caller = Caller::new(self, user, token).ok()?;
            caller.need(Permission::Ingest).ok()?;
            Some(Permit { speaker: ingest::speaker(self, &caller).ok()? })
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
        known::take(self, *permit, memo, publish, now, readings)
    }

    fn keep(&self, readings: Vec<Reading>) -> BoxFuture<'_, Result<(), TakeError>> {
        async move {
            loop {
                match self.make_durable(readings.clone()).await {
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
            let now = clock::now();
            let outcome = match content(&message.topic, &message.payload) {
                Err(fault) => {
                    self.counters.refuse(fault.code, 1);
                    return Ok(Taken { accepted: 0, refused: 1 });
                }
                Ok(Content::Lines(body)) => {
                    ingest::take_lines(self, permit.speaker, body, Precision::default(), now).await
                }
                Ok(Content::Observations { observations, faults }) => {
                    ingest::take_values(self, permit.speaker, &observations, faults, now).await
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
}

/// Open MQTT doors.
#[derive(Debug)]
pub(crate) struct Doors {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the listener and the subscription that the settings name.
pub(crate) fn open(city: &Arc<City>) -> anyhow::Result<Doors> {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Vec::new();
    if let Some(address) = city.config.mqtt {
        let socket = bind(address).with_context(|| {
            format!("cannot listen on mqtt {address}: is a broker there? Choose --mqtt, or off")
        })?;
        *city.mqtt_address.write() = Some(socket.local_addr()?);
        let counters = Arc::clone(&city.mqtt);
        let sink = Arc::clone(city);
        let stopped = stopped.clone();
        tasks.push(tokio::spawn(async move {
            if let Err(error) = listen(socket, sink, limits(), counters, stopped).await {
                tracing::error!(%error, "the MQTT listener ended");
            }
        }));
    }
    if let Some(url) = &city.config.mqtt_broker {
        let url: BrokerUrl =
            url.parse().map_err(|fault: String| anyhow::anyhow!("--mqtt-broker: {fault}"))?;
        let permit = Permit { speaker: Speaker::EVERYBODY };
        let (sink, counters) = (Arc::clone(city), Arc::clone(&city.mqtt));
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

/// The usual limits, with as many connections as the system gives us file handles for. We ask for
/// all that we may have.
fn limits() -> Limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = Limits::default();
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
    let room = handles.map_or(u64::MAX, |handles| handles.saturating_sub(HANDLES_RESERVED).max(1));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    Limits { connections_max: limits.connections_max.min(room), ..limits }
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

/// Address of the listener and how many connections are open, for the system page.
pub(crate) fn status(city: &City) -> (Option<SocketAddr>, u64) {
    (*city.mqtt_address.read(), city.mqtt.connections.load(Ordering::Relaxed))
}
