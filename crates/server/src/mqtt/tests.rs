//! Listener and subscriber over real sockets, with a sink that a test opens at will. What goes over
//! the wire is compared byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chengmai_model::StreamId;
use futures_util::future::BoxFuture;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait as _, Packet, Qos, SubEntry, SubOpts, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, PubackReasonCode};
use rumqttc::{AsyncClient, Event, MqttOptions, PublishOptions, QoS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::*;

mod hostile;
mod many;
mod telling;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sink whose messages become durable one by one as the test says.
struct Gate {
    /// Takes messages by a look; else every message goes the long way.
    is_quick: bool,
    batches: watch::Sender<Vec<Vec<f64>>>,
    messages: watch::Sender<Vec<Message>>,
    durable: Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
    answer: Result<Taken, TakeError>,
    /// Who followed something; nobody is let unless the test says so.
    ears: parking_lot::Mutex<Vec<Arc<dyn Hears>>>,
    grants: std::sync::atomic::AtomicBool,
}

impl Gate {
    fn new(answer: Result<Taken, TakeError>, is_quick: bool) -> Arc<Self> {
        Arc::new(Self {
            is_quick,
            batches: watch::Sender::new(Vec::new()),
            messages: watch::Sender::new(Vec::new()),
            durable: Semaphore::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            answer,
            ears: parking_lot::Mutex::default(),
            grants: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Waits until that many messages came in all; gives their payloads.
    async fn seen(&self, count: usize) -> Vec<String> {
        let mut messages = self.messages.subscribe();
        let seen = within(messages.wait_for(|messages| messages.len() >= count)).await.unwrap();
        seen.iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned()).collect()
    }
}

impl MqttSink for Gate {
    type Permit = String;
    type Memo = ();

    fn authenticate<'a>(&'a self, papers: &'a Papers) -> BoxFuture<'a, Option<String>> {
        let known = papers.password.as_deref() == Some(b"token");
        Box::pin(async move { known.then(|| papers.user.clone().unwrap_or_default()) })
    }

    fn quick(
        &self,
        _: &String,
        (): &mut (),
        publish: &Publish<'_>,
        at: Timestamp,
        readings: &mut Vec<Reading>,
    ) -> bool {
        let value = std::str::from_utf8(publish.payload).ok().and_then(|text| text.parse().ok());
        let Some(value) = value.filter(|_| self.is_quick) else { return false };
        readings.push(Reading { stream: StreamId(0), at, value });
        true
    }

    /// Durable with one permit, however many readings.
    fn keep(&self, readings: Vec<Reading>) -> BoxFuture<'_, Result<(), TakeError>> {
        Box::pin(async move {
            self.most.fetch_max(readings.len(), Ordering::SeqCst);
            self.batches.send_modify(|batches| {
                batches.push(readings.iter().map(|reading| reading.value).collect());
            });
            self.durable.acquire().await.unwrap().forget();
            self.answer.map(|_| ())
        })
    }

    fn take<'a>(
        &'a self,
        permit: &'a String,
        message: Message,
    ) -> BoxFuture<'a, Result<Taken, TakeError>> {
        assert_eq!(permit, "device");
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.messages.send_modify(|messages| messages.push(message));
            self.durable.acquire().await.unwrap().forget();
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.answer
        })
    }

    fn follow<'a>(
        &'a self,
        _: &'a String,
        ear: Arc<dyn Hears>,
        topics: Vec<(String, bool)>,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        let grants = self.grants.load(Ordering::SeqCst);
        if grants {
            self.ears.lock().push(ear);
        }
        let verdict = move |(topic, at_least_once): (String, bool)| {
            if grants && topic != "no" {
                return Verdict::Granted(at_least_once);
            }
            Verdict::Refused(Why::Forbidden, "E-503 no".to_owned())
        };
        Box::pin(async move { topics.into_iter().map(verdict).collect() })
    }

    fn unfollow(&self, _: u64, topics: &[String]) -> Vec<bool> {
        topics.iter().map(|topic| topic != "no").collect()
    }
}

/// A running listener.
struct Running {
    gate: Arc<Gate>,
    counters: Arc<MqttCounters>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(answer: Result<Taken, TakeError>, limits: Limits) -> Self {
        Self::with(Gate::new(answer, false), limits).await
    }

    async fn quick(limits: Limits) -> Self {
        Self::with(Gate::new(Ok(Taken { accepted: 1, refused: 0 }), true), limits).await
    }

    async fn with(gate: Arc<Gate>, limits: Limits) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let counters = Arc::new(MqttCounters::default());
        let stop = watch::Sender::new(false);
        let task = listen(
            socket,
            None,
            Arc::clone(&gate),
            limits,
            Arc::clone(&counters),
            Arc::default(),
            stop.subscribe(),
        );
        Self { gate, counters, address, stop, task: tokio::spawn(task) }
    }

    async fn usual() -> Self {
        Self::start(Ok(Taken { accepted: 1, refused: 0 }), Limits::default()).await
    }

    async fn peer(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client that has been welcomed.
    async fn client(&self, version: Version) -> Peer {
        let mut peer = self.peer().await;
        peer.send(connect(version, "token", 60)).await;
        let welcome = peer.frame().await.unwrap();
        assert_eq!(welcome[..1], [0x20]);
        assert_eq!(welcome[3], 0, "the client is welcome");
        peer
    }

    fn count(&self, of: fn(&MqttCounters) -> &AtomicU64) -> u64 {
        of(&self.counters).load(Ordering::SeqCst)
    }

    /// Stops the listener and waits for its end, so that all counters are final.
    async fn end(self) -> Arc<MqttCounters> {
        self.stop.send_replace(true);
        within(self.task).await.unwrap().unwrap();
        assert_eq!(self.counters.connections.load(Ordering::SeqCst), 0);
        self.counters
    }
}

/// The other end of a socket.
struct Peer(TcpStream);

impl Peer {
    async fn send(&mut self, packet: Packet) {
        self.0.write_all(&packet.to_continuous_buffer()).await.unwrap();
    }

    /// The next packet's bytes; `None` at the end of the stream.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        within(async {
            let mut frame = vec![self.0.read_u8().await.ok()?];
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = self.0.read_u8().await.unwrap();
                frame.push(byte);
                length |= usize::from(byte & 0x7F) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let start = frame.len();
            frame.resize(start + length, 0);
            self.0.read_exact(&mut frame[start..]).await.unwrap();
            Some(frame)
        })
        .await
    }

    async fn expect(&mut self, packet: Packet) {
        assert_eq!(self.frame().await, Some(packet.to_continuous_buffer()), "{packet}");
    }

    async fn expect_end(&mut self) {
        assert_eq!(self.frame().await, None, "the connection ends");
    }

    /// Proves that nothing was sent before the answer to a ping.
    async fn expect_silence(&mut self, version: Version) {
        self.0.write_all(&[0xC0, 0]).await.unwrap();
        assert_eq!(self.frame().await, Some(vec![0xD0, 0]), "{version:?} nothing but the ping");
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not hang")
}

const BOTH: [Version; 2] = [Version::V3_1_1, Version::V5_0];

/// Every client has a name of its own.
fn connect(version: Version, password: &str, keep_alive: u16) -> Packet {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    let id = format!("c{}", CLIENTS.fetch_add(1, Ordering::SeqCst));
    connect_as(&id, version, password, keep_alive)
}

fn connect_as(id: &str, version: Version, password: &str, keep_alive: u16) -> Packet {
    match version {
        Version::V5_0 => v5_0::Connect::builder()
            .client_id(id)
            .unwrap()
            .clean_start(true)
            .keep_alive(keep_alive)
            .user_name("device")
            .unwrap()
            .password(password.as_bytes().to_vec())
            .unwrap()
            .build()
            .unwrap()
            .into(),
        _ => v3_1_1::Connect::builder()
            .client_id(id)
            .unwrap()
            .clean_session(true)
            .keep_alive(keep_alive)
            .user_name("device")
            .unwrap()
            .password(password.as_bytes().to_vec())
            .unwrap()
            .build()
            .unwrap()
            .into(),
    }
}

fn publish(version: Version, qos: Qos, id: u16, dup: bool) -> Packet {
    let (topic, payload) = ("chengmai/v1/m1/methane", format!("{id}"));
    if version == Version::V5_0 {
        let packet = v5_0::Publish::builder().topic_name(topic).unwrap().qos(qos).dup(dup);
        return packet.packet_id(id).payload(payload).build().unwrap().into();
    }
    let packet = v3_1_1::Publish::builder().topic_name(topic).unwrap().qos(qos).dup(dup);
    packet.packet_id(id).payload(payload).build().unwrap().into()
}

fn acknowledged(version: Version, id: u16) -> Packet {
    packets::acknowledge(version, id, false, false).unwrap()
}

#[tokio::test]
async fn a_message_is_acknowledged_in_order_and_only_after_it_is_durable() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.client(version).await;
        for id in 1..=3 {
            client.send(publish(version, Qos::AtLeastOnce, id, false)).await;
        }
        assert_eq!(running.gate.seen(3).await, ["1", "2", "3"], "the next is read before");
        client.expect_silence(version).await;
        running.gate.durable.add_permits(2);
        client.expect(acknowledged(version, 1)).await;
        client.expect(acknowledged(version, 2)).await;
        client.expect_silence(version).await;
        running.gate.durable.add_permits(1);
        client.expect(acknowledged(version, 3)).await;
        assert_eq!(running.end().await.messages.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn exactly_once_is_confirmed_after_it_is_durable_even_when_repeated_before() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.client(version).await;
        client.send(publish(version, Qos::ExactlyOnce, 7, false)).await;
        running.gate.seen(1).await;
        client.send(publish(version, Qos::ExactlyOnce, 7, true)).await;
        client.expect_silence(version).await;
        running.gate.durable.add_permits(1);
        client.expect(packets::acknowledge(version, 7, true, false).unwrap()).await;
        // Confirmed by now, so a repeat is confirmed at once and not taken twice.
        client.send(publish(version, Qos::ExactlyOnce, 7, true)).await;
        client.expect(packets::acknowledge(version, 7, true, false).unwrap()).await;
        let release: Packet = match version {
            Version::V5_0 => v5_0::Pubrel::builder().packet_id(7u16).build().unwrap().into(),
            _ => v3_1_1::Pubrel::builder().packet_id(7u16).build().unwrap().into(),
        };
        client.send(release).await;
        client.expect(packets::complete(version, 7).unwrap()).await;
        assert_eq!(running.gate.seen(1).await, ["7"]);
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_counted() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.peer().await;
        client.send(connect(version, "guess", 60)).await;
        client.expect(packets::refuse(version, packets::Refusal::Credentials).unwrap()).await;
        client.expect_end().await;
        assert_eq!(running.end().await.unauthorised.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn nobody_can_subscribe() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.client(version).await;
        let entries = || vec![SubEntry::new("chengmai/#", SubOpts::new()).unwrap()];
        let subscribe: Packet = if version == Version::V5_0 {
            let packet = v5_0::Subscribe::builder().packet_id(1u16).entries(entries());
            packet.build().unwrap().into()
        } else {
            let packet = v3_1_1::Subscribe::builder().packet_id(1u16).entries(entries());
            packet.build().unwrap().into()
        };
        client.send(subscribe).await;
        let refusal = client.frame().await.unwrap();
        let code = if version == Version::V5_0 { 0x87 } else { 0x80 };
        assert_eq!((refusal[0], refusal.last()), (0x90, Some(&code)));
        client.expect_silence(version).await;
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_connection_and_is_counted() {
    let limits = Limits { packet_bytes_max: 64, ..Limits::default() };
    let running = Running::start(Ok(Taken::default()), limits).await;
    let hello = connect(Version::V3_1_1, "token", 60).to_continuous_buffer();
    let publish = publish(Version::V3_1_1, Qos::AtLeastOnce, 1, false).to_continuous_buffer();
    let unnumbered = [0x34, 5, 0, 1, b'a', 0, 0];
    let cases: [(&str, &[&[u8]]); 7] = [
        ("an exactly-once message of number 0, twice", &[&hello, &unnumbered, &unnumbered]),
        ("a message before the CONNECT", &[&publish]),
        ("another protocol", &[b"GET / HTTP/1.1\r\n\r\n"]),
        ("a second CONNECT", &[&hello, &hello]),
        ("a packet type of servers", &[&hello, &[0x20, 2, 0, 0]]),
        ("a length without end", &[&hello, &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]]),
        ("a packet over the limit", &[&hello, &[0x30, 65]]),
    ];
    for (number, (name, bytes)) in (1..).zip(cases) {
        let mut peer = running.peer().await;
        peer.0.write_all(&bytes.concat()).await.unwrap();
        while let Some(frame) = peer.frame().await {
            assert_eq!(frame[0], 0x20, "{name}: at most the welcome comes first");
        }
        let malformed = || running.count(|c| &c.malformed);
        assert_eq!(malformed(), number, "{name}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_message_that_is_not_taken_is_not_acknowledged() {
    for version in BOTH {
        let running = Running::start(Err(TakeError::Overloaded), Limits::default()).await;
        let mut client = running.client(version).await;
        client.send(publish(version, Qos::AtLeastOnce, 1, false)).await;
        running.gate.durable.add_permits(1);
        if version == Version::V5_0 {
            client
                .expect(packets::farewell(version, packets::Farewell::Busy).unwrap().unwrap())
                .await;
        }
        client.expect_end().await;
        assert_eq!(running.end().await.turned_away.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_message_refused_for_good_is_taken_off_the_senders_hands() {
    let refused = Ok(Taken { accepted: 0, refused: 2 });
    for version in BOTH {
        let running = Running::start(refused, Limits::default()).await;
        running.gate.durable.add_permits(1);
        let mut client = running.client(version).await;
        client.send(publish(version, Qos::AtLeastOnce, 1, false)).await;
        let expected: Packet = match version {
            Version::V5_0 => v5_0::Puback::builder()
                .packet_id(1u16)
                .reason_code(PubackReasonCode::PayloadFormatInvalid)
                .build()
                .unwrap()
                .into(),
            _ => acknowledged(version, 1),
        };
        client.expect(expected).await;
    }
}

#[tokio::test]
async fn a_silent_client_is_let_go_after_its_keep_alive() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.peer().await;
        client.send(connect(version, "token", 1)).await;
        assert_eq!(client.frame().await.unwrap()[0], 0x20);
        if version == Version::V5_0 {
            assert_eq!(client.frame().await, Some(vec![0xE0, 1, 0x8D]), "keep alive timeout");
        }
        client.expect_end().await;
        assert_eq!(running.end().await.silent.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn one_connection_has_a_bounded_number_of_messages_in_flight() {
    let limits = Limits { in_flight_max: 2, ..Limits::default() };
    let running = Running::start(Ok(Taken { accepted: 1, refused: 0 }), limits).await;
    let mut client = running.client(Version::V3_1_1).await;
    for id in 1..=20 {
        client.send(publish(Version::V3_1_1, Qos::AtLeastOnce, id, false)).await;
    }
    running.gate.seen(2).await;
    for id in 1..=20 {
        running.gate.durable.add_permits(1);
        client.expect(acknowledged(Version::V3_1_1, id)).await;
    }
    assert_eq!(running.gate.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_counted() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let running = Running::start(Ok(Taken::default()), limits).await;
    let mut first = running.client(Version::V5_0).await;
    let mut second = running.peer().await;
    second.expect_end().await;
    first.expect_silence(Version::V5_0).await;
    assert_eq!(running.count(|c| &c.over_limit), 1);
}

#[tokio::test]
async fn stopping_acknowledges_what_was_taken_and_says_farewell() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.client(version).await;
        client.send(publish(version, Qos::AtLeastOnce, 1, false)).await;
        running.gate.seen(1).await;
        running.stop.send_replace(true);
        running.gate.durable.add_permits(1);
        client.expect(acknowledged(version, 1)).await;
        if version == Version::V5_0 {
            assert_eq!(client.frame().await, Some(vec![0xE0, 1, 0x8B]), "shutting down");
        }
        client.expect_end().await;
        running.end().await;
    }
}

#[tokio::test]
async fn an_unmodified_client_library_sends_a_thousand_messages() {
    let running = Running::usual().await;
    running.gate.durable.add_permits(1_000);
    let mut options = MqttOptions::new("rumqttc", ("127.0.0.1", running.address.port()));
    options.set_credentials("device", "token");
    let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
    let sending = tokio::spawn(async move {
        for number in 0..1_000 {
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client.publish("chengmai/v1/m1/methane", format!("{number}"), options).await.unwrap();
        }
        client
    });
    let mut acknowledged = 0;
    while acknowledged < 1_000 {
        let event = within(events.poll()).await.unwrap();
        acknowledged += u32::from(matches!(event, Event::Incoming(rumqttc::Packet::PubAck(_))));
    }
    sending.await.unwrap();
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(running.gate.seen(1_000).await, expected);
}

/// A broker of one client that a test plays by hand.
struct Broker {
    socket: TcpListener,
    gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), subscriber::SubscribeError>>,
}

impl Broker {
    async fn start(answer: Result<Taken, TakeError>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let url: BrokerUrl = format!("mqtt://a:b@127.0.0.1:{port}").parse().unwrap();
        let (gate, stop) = (Gate::new(answer, false), watch::Sender::new(false));
        let task = tokio::spawn(subscribe(
            url,
            Arc::clone(&gate),
            "device".to_owned(),
            Arc::new(MqttCounters::default()),
            stop.subscribe(),
        ));
        Self { socket, gate, stop, task }
    }

    /// Lets the subscriber in and grants its subscription.
    async fn accept(&self, session_present: bool) -> Peer {
        let mut peer = Peer(within(self.socket.accept()).await.unwrap().0);
        assert_eq!(peer.frame().await.unwrap()[0], 0x10, "CONNECT");
        let connack = v5_0::Connack::builder()
            .session_present(session_present)
            .reason_code(ConnectReasonCode::Success);
        peer.send(connack.build().unwrap().into()).await;
        let subscribe = peer.frame().await.unwrap();
        assert_eq!(subscribe[0], 0x82, "SUBSCRIBE");
        let topic = b"$share/chengmai/chengmai/v1/#";
        assert!(subscribe.windows(topic.len()).any(|part| part == topic));
        peer.0.write_all(&[0x90, 4, subscribe[2], subscribe[3], 0, 1]).await.unwrap();
        peer
    }
}

#[tokio::test]
async fn the_subscriber_acknowledges_only_what_is_durable_on_this_connection() {
    let broker = Broker::start(Ok(Taken { accepted: 1, refused: 0 })).await;
    let mut peer = broker.accept(false).await;
    for id in 1..=2 {
        peer.send(publish(Version::V5_0, Qos::AtLeastOnce, id, false)).await;
    }
    assert_eq!(broker.gate.seen(2).await, ["1", "2"]);
    broker.gate.durable.add_permits(1);
    peer.expect(acknowledged(Version::V5_0, 1)).await;
    drop(peer);
    // The same packet id now means another message: what is still on its way must not confirm it.
    let mut peer = broker.accept(true).await;
    peer.send(publish(Version::V5_0, Qos::AtLeastOnce, 2, true)).await;
    assert_eq!(broker.gate.seen(3).await, ["1", "2", "2"]);
    broker.gate.durable.add_permits(1);
    peer.expect(acknowledged(Version::V5_0, 2)).await;
    broker.stop.send_replace(true);
    assert_eq!(peer.frame().await.unwrap()[0], 0xE0, "DISCONNECT");
    within(broker.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_subscriber_ends_without_acknowledging_when_the_sink_has_stopped() {
    let broker = Broker::start(Err(TakeError::Stopped)).await;
    let mut peer = broker.accept(false).await;
    peer.send(publish(Version::V5_0, Qos::AtLeastOnce, 1, false)).await;
    broker.gate.seen(1).await;
    broker.gate.durable.add_permits(1);
    assert_eq!(peer.frame().await.unwrap()[0], 0xE0, "DISCONNECT and no acknowledgement");
    assert!(within(broker.task).await.unwrap().is_err());
}
