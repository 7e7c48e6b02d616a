//! Subscribes to the city's broker with a shared subscription, so that several of us share the load,
//! and acknowledges a message only after its readings are on disk.
//!
//! The session is kept by the broker under a stable client id: what came while we were away, and
//! what we had not acknowledged, is sent again. MQTT 5; no TLS (run a bridge on the machine, or
//! inside the city's own network).

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use rumqttc::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions,
    Packet, Publish, QoS, SessionMode, SubscribeReasonCode,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::resume::NothingUnderWay;
use super::{Message, MqttCounters, MqttSink, TakeError, count};

/// Messages that are not on disk yet; the broker sends no more than that.
const IN_FLIGHT_MAX: u16 = 1024;
/// Largest packet we take.
const PACKET_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// First and longest wait before connecting again, and before offering a message again.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
const KEEP_ALIVE_SECONDS: u16 = 30;
/// All our topics, when the URL names none.
const TOPIC_DEFAULT: &str = "chengmai/v1/#";
const CLIENT_ID_DEFAULT: &str = "chengmai";
/// Name of the group that shares the messages.
const GROUP: &str = "chengmai";
const PORT_DEFAULT: u16 = 1883;

/// Where the city's broker is: `mqtt://user:password@host:1883?topic=a/b/%23&client_id=chengmai-2`.
///
/// `topic` may stand several times and defaults to `chengmai/v1/#`; each is subscribed as
/// `$share/chengmai/...` unless it names a group itself. `client_id` must differ between machines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BrokerUrl {
    host: String,
    port: u16,
    client_id: String,
    credentials: Option<(String, String)>,
    topics: Vec<String>,
}

/// Shows neither name nor password.
impl std::fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mqtt://{}:{} {:?}", self.host, self.port, self.topics)
    }
}

impl std::str::FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
        match uri.scheme_str() {
            Some("mqtt" | "tcp") => {}
            Some(other) => return Err(format!("`{other}://` is not supported; use mqtt://")),
            None => return Err("the URL must start with mqtt://".to_owned()),
        }
        let authority = uri.authority().ok_or("the URL names no host")?;
        let credentials = match authority.as_str().rsplit_once('@') {
            None => None,
            Some((user, _)) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                Some((decoded(name)?, decoded(password)?))
            }
        };
        if !matches!(uri.path(), "" | "/") {
            return Err(format!("`{}` after the host; topics stand as ?topic=", uri.path()));
        }
        let mut url = Self {
            host: uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(PORT_DEFAULT),
            client_id: CLIENT_ID_DEFAULT.to_owned(),
            credentials,
            topics: Vec::new(),
        };
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name {
                _ if value.is_empty() => return Err(format!("parameter `{name}` is empty")),
                "topic" => url.topics.push(shared(&value)),
                "client_id" => url.client_id = value,
                other => return Err(format!("unknown parameter `{other}`; use topic, client_id")),
            }
        }
        if url.topics.is_empty() {
            url.topics.push(shared(TOPIC_DEFAULT));
        }
        Ok(url)
    }
}

/// Why subscribing ended before it was told to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubscribeError {
    /// Readings are not taken any more.
    #[error("readings are not taken any more")]
    Stopped,
}

/// Takes messages from the broker until `stop` turns true, connecting again after every break.
///
/// # Errors
/// When the sink has stopped for good; nothing more is acknowledged then.
pub(crate) async fn subscribe<S: MqttSink>(
    url: BrokerUrl,
    sink: Arc<S>,
    permit: S::Permit,
    counters: Arc<MqttCounters>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), SubscribeError> {
    // Room for every acknowledgement and the subscriptions: queueing one never has to wait, which
    // the task that also drives the connection must not do.
    let room = usize::from(IN_FLIGHT_MAX) * 2 + url.topics.len();
    let (client, events) = AsyncClient::builder(options(&url)).capacity(room).build();
    let mut session = Session {
        url,
        sink: &*sink,
        permit: &permit,
        counters: &counters,
        client,
        events,
        in_flight: FuturesOrdered::new(),
        pause: PAUSE_MIN,
        resume_at: Instant::now(),
    };
    let ended = session.run(&mut stop).await;
    session.leave().await;
    ended
}

/// A message and what came of it.
type Outcome = (Publish, Result<(), TakeError>);

struct Session<'a, S: MqttSink> {
    url: BrokerUrl,
    sink: &'a S,
    permit: &'a S::Permit,
    counters: &'a MqttCounters,
    client: AsyncClient,
    events: EventLoop,
    in_flight: FuturesOrdered<BoxFuture<'a, Outcome>>,
    pause: Duration,
    /// Not before this moment is the connection tried again.
    resume_at: Instant,
}

impl<S: MqttSink> Session<'_, S> {
    async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), SubscribeError> {
        loop {
            let room = self.in_flight.len() < usize::from(IN_FLIGHT_MAX);
            let resume_at = self.resume_at;
            let event = async {
                tokio::time::sleep_until(resume_at).await;
                self.events.poll().await
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                Some((publish, result)) = self.in_flight.next() => {
                    result.map_err(|_| SubscribeError::Stopped)?;
                    self.acknowledge(&publish);
                }
                event = event, if room => match event {
                    Ok(Event::Incoming(packet)) => self.received(packet),
                    Ok(_) => {}
                    Err(error) => self.broken(&error),
                },
            }
        }
    }

    fn received(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(connack) if connack.code == ConnectReturnCode::Success => {
                count(&self.counters.broker_connects);
                self.pause = PAUSE_MIN;
                tracing::info!(broker = ?self.url, "connected to the broker");
                // Also in a resumed session: the topics may have changed since.
                for topic in &self.url.topics {
                    if let Err(error) = self.client.try_subscribe(topic, QoS::AtLeastOnce) {
                        tracing::error!(topic, error = %error, "cannot subscribe");
                    }
                }
            }
            Packet::SubAck(suback) => {
                for (topic, code) in self.url.topics.iter().zip(&suback.return_codes) {
                    if !matches!(code, SubscribeReasonCode::Success(_)) {
                        tracing::error!(topic, code = ?code, "the broker refuses the subscription");
                    }
                }
            }
            Packet::Publish(publish) => {
                count(&self.counters.messages);
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let message = Message { topic, payload: publish.payload.clone() };
                let taking = take(self.sink, self.permit, message);
                self.in_flight.push_back(taking.map(|result| (publish, result)).boxed());
            }
            _ => {}
        }
    }

    fn acknowledge(&self, publish: &Publish) {
        if let Err(error) = self.client.try_ack(publish) {
            // The broker sends it again with the next connection.
            tracing::error!(error = %error, "cannot queue an acknowledgement");
        }
    }

    /// The connection broke. The broker gives packet ids anew, so acknowledging what was in flight
    /// could acknowledge another message; all of it is sent again and recognised as repeated.
    fn broken(&mut self, error: &ConnectionError) {
        tracing::warn!(broker = ?self.url, error = %error, pause = ?self.pause, "no broker");
        self.in_flight = FuturesOrdered::new();
        self.resume_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// Acknowledges what is durable by now and says goodbye. What is not durable stays with the
    /// broker.
    async fn leave(&mut self) {
        let farewell = async {
            while let Some(Some((publish, Ok(())))) = self.in_flight.next().now_or_never() {
                self.acknowledge(&publish);
            }
            self.client.try_disconnect().ok();
            while self.events.poll().await.is_ok() {}
        };
        tokio::time::timeout(PAUSE_MAX / 10, farewell).await.ok();
    }
}

/// Offers a message until the sink takes it: the broker has no way to be told "later".
async fn take<S: MqttSink>(
    sink: &S,
    permit: &S::Permit,
    message: Message,
) -> Result<(), TakeError> {
    let mut pause = PAUSE_MIN;
    loop {
        match sink.take(permit, message.clone()).await {
            Ok(_) => return Ok(()),
            Err(TakeError::Stopped) => return Err(TakeError::Stopped),
            Err(TakeError::Overloaded) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn options(url: &BrokerUrl) -> MqttOptions {
    let mut options = MqttOptions::new(&url.client_id, (url.host.clone(), url.port));
    if let Some((name, password)) = &url.credentials {
        options.set_credentials(name.clone(), password.clone());
    }
    options
        .set_session_mode(SessionMode::Persistent)
        .set_ack_mode(AckMode::Manual)
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_receive_maximum(Some(IN_FLIGHT_MAX))
        .set_max_packet_size(Some(PACKET_BYTES_MAX));
    let nothing_under_way = NothingUnderWay::new(&options);
    options.set_session_store(nothing_under_way);
    options
}

fn shared(topic: &str) -> String {
    if topic.starts_with("$share/") { topic.to_owned() } else { format!("$share/{GROUP}/{topic}") }
}

/// Resolves `%23` and its like.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let byte = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .ok_or("a `%` that is not followed by two hex digits")?;
        bytes.push(byte);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::BrokerUrl;

    fn check(url: &str, expected: &str) {
        let found = match url.parse::<BrokerUrl>() {
            Ok(u) => {
                format!("{} {} {} {:?} {:?}", u.host, u.port, u.client_id, u.credentials, u.topics)
            }
            Err(reason) => format!("! {reason}"),
        };
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn a_url_names_broker_credentials_and_topics() {
        check(
            "mqtt://broker.city",
            "broker.city 1883 chengmai None [\"$share/chengmai/chengmai/v1/#\"]",
        );
        check(
            "mqtt://gas:p%40ss%3Aword@10.0.0.1:11883?topic=a/%23&topic=$share/g/b&client_id=c2",
            "10.0.0.1 11883 c2 Some((\"gas\", \"p@ss:word\")) [\"$share/chengmai/a/#\", \"$share/g/b\"]",
        );
        check("mqtt://[::1]:1884/", "::1 1884 chengmai None [\"$share/chengmai/chengmai/v1/#\"]");
    }

    #[test]
    fn a_bad_url_is_refused_with_its_reason() {
        check("mqtts://broker", "! `mqtts://` is not supported; use mqtt://");
        check("broker:1883", "! the URL must start with mqtt://");
        check("mqtt://broker/a/b", "! `/a/b` after the host; topics stand as ?topic=");
        check("mqtt://broker?qos=1", "! unknown parameter `qos`; use topic, client_id");
        check("mqtt://broker?topic=", "! parameter `topic` is empty");
        check("mqtt://broker?topic=%2", "! a `%` that is not followed by two hex digits");
    }

    #[test]
    fn credentials_are_not_shown() {
        let url: BrokerUrl = "mqtt://gas:secret@broker".parse().unwrap();
        let shown = format!("{url:?}");
        assert!(!shown.contains("secret") && !shown.contains("gas"), "{shown}");
    }
}
