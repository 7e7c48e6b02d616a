//! One MQTT connection: bytes to the protocol library, its events back to bytes, messages to the
//! sink, and acknowledgements in the order of the messages once each is durable.
//!
//! Reading goes on while messages are on their way to disk, up to a limit; at the limit we stop
//! reading and TCP slows the sender down.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{self, Version, role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::packets::{self, Connect, Farewell, Inbound, Refusal};
use super::{Limits, MqttCounters, MqttSink, TakeError, Taken, count};

/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;
/// How long we go on reading after our last word, so that it is not lost to a reset.
const LINGER: Duration = Duration::from_millis(500);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By its client.
    ByClient,
    /// The socket broke.
    Broken,
    /// Nothing came within the keep-alive time, or our answer was not read.
    Silent,
    /// A packet broke the protocol or a limit.
    Malformed,
    /// The CONNECT was refused.
    Refused,
    /// The sink takes nothing now.
    TurnedAway,
    /// We stop.
    Stopping,
}

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self::Broken
    }
}

impl From<MqttError> for Ended {
    fn from(_: MqttError) -> Self {
        Self::Malformed
    }
}

/// A message on its way: its packet id when it is to be acknowledged, and what came of it.
struct Outcome {
    id: Option<u16>,
    exactly_once: bool,
    result: Result<Taken, TakeError>,
}

type InFlight<'a> = FuturesOrdered<BoxFuture<'a, Outcome>>;

/// Serves one connection to its end.
pub(super) async fn serve<S: MqttSink>(
    stream: TcpStream,
    sink: &S,
    limits: Limits,
    counters: &MqttCounters,
    stop: watch::Receiver<bool>,
) -> Ended {
    let mut wire = Wire::new(stream, limits);
    let mut stop = stop;
    let ended = match run(&mut wire, sink, counters, &mut stop).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    };
    match &ended {
        Ended::Malformed => count(&counters.malformed),
        Ended::Silent => count(&counters.silent),
        Ended::Refused => count(&counters.unauthorised),
        Ended::TurnedAway => count(&counters.turned_away),
        Ended::ByClient | Ended::Broken | Ended::Stopping => {}
    }
    wire.close(&ended).await;
    ended
}

async fn run<S: MqttSink>(
    wire: &mut Wire,
    sink: &S,
    counters: &MqttCounters,
    stop: &mut watch::Receiver<bool>,
) -> Result<std::convert::Infallible, Ended> {
    let greeting = timeout(wire.limits.patience, greet(wire, sink));
    let permit = tokio::select! {
        // Nothing was taken yet and the welcome may be half written: no last word.
        _ = stop.wait_for(|stop| *stop) => return Err(Ended::Broken),
        greeted = greeting => greeted.map_err(|_| Ended::Silent)??,
    };
    count(&counters.connected);
    let mut in_flight = InFlight::new();
    let ended = exchange(wire, sink, &permit, counters, &mut in_flight, stop).await;
    if let Err(Ended::Stopping) = ended {
        // What was taken is still acknowledged; the listener sets the time limit.
        while let Some(outcome) = in_flight.next().await {
            wire.acknowledge(&outcome)?;
        }
    } else {
        // A sender of quality of service 0 says goodbye at once and never sends again: what came
        // in whole is still taken, though nobody hears of it.
        let rest = async { while in_flight.next().await.is_some() {} };
        timeout(wire.limits.patience, rest).await.ok();
    }
    ended
}

/// Reads the CONNECT and answers it.
async fn greet<S: MqttSink>(wire: &mut Wire, sink: &S) -> Result<S::Permit, Ended> {
    let connect = loop {
        match wire.next_packet()? {
            Some(Inbound::Connect(connect)) => break connect,
            Some(_) => return Err(Ended::Malformed),
            None => wire.read().await?,
        }
    };
    wire.version = connect.version;
    let Connect { client_id_empty, clean, .. } = connect;
    let refusal = if connect.enhanced {
        Some(Refusal::Method)
    } else if client_id_empty && !clean && connect.version != Version::V5_0 {
        Some(Refusal::ClientId)
    } else {
        None
    };
    let permit = match refusal {
        Some(refusal) => Err(refusal),
        None => sink
            .authenticate(connect.user.as_deref(), connect.password.as_deref())
            .await
            .ok_or(Refusal::Credentials),
    };
    match permit {
        Ok(permit) => {
            let id = client_id_empty
                .then(|| format!("chengmai-{}", &crate::accounts::random_token()[3..23]));
            wire.send(packets::welcome(connect.version, wire.limits.in_flight_max, id)?)?;
            wire.flush().await?;
            Ok(permit)
        }
        Err(refusal) => {
            wire.send(packets::refuse(connect.version, refusal)?).ok();
            Err(Ended::Refused)
        }
    }
}

/// Messages in, acknowledgements out, until something ends it.
async fn exchange<'a, S: MqttSink>(
    wire: &mut Wire,
    sink: &'a S,
    permit: &'a S::Permit,
    counters: &MqttCounters,
    in_flight: &mut InFlight<'a>,
    stop: &mut watch::Receiver<bool>,
) -> Result<std::convert::Infallible, Ended> {
    let in_flight_max = usize::from(wire.limits.in_flight_max);
    loop {
        while in_flight.len() < in_flight_max
            && let Some(inbound) = wire.next_packet()?
        {
            if let Some(message) = answer(wire, inbound)? {
                count(&counters.messages);
                let (id, exactly_once, message) = message;
                let taking = sink.take(permit, message);
                in_flight.push_back(
                    taking.map(move |result| Outcome { id, exactly_once, result }).boxed(),
                );
            }
        }
        // Everything that is durable by now is acknowledged with one write.
        while let Some(Some(outcome)) = in_flight.next().now_or_never() {
            wire.acknowledge(&outcome)?;
        }
        wire.flush().await?;
        let room = in_flight.len() < in_flight_max;
        if room && wire.has_packet() {
            continue;
        }
        let deadline = wire.deadline;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Err(Ended::Stopping),
            Some(outcome) = in_flight.next() => {
                wire.acknowledge(&outcome)?;
                if !room {
                    wire.heard();
                }
            }
            read = wire.read(), if room => read?,
            () = tokio::time::sleep_until(deadline), if room => {
                wire.timer_fired();
                return Err(Ended::Silent);
            }
        }
    }
}

type Received = (Option<u16>, bool, super::Message);

/// Answers a packet, or gives the message it carries.
fn answer(wire: &mut Wire, inbound: Inbound) -> Result<Option<Received>, Ended> {
    let version = wire.version;
    match inbound {
        Inbound::Publish { id, exactly_once, message } => {
            if exactly_once && let Some(id) = id {
                wire.unconfirmed.push(id);
            }
            return Ok(Some((id, exactly_once, message)));
        }
        Inbound::Release { id } => wire.send(packets::complete(version, id)?)?,
        Inbound::Subscribe { id, filters } => {
            wire.send(packets::refuse_filters(version, id, filters)?)?;
        }
        Inbound::Unsubscribe { id, filters } => {
            wire.send(packets::unsubscribed(version, id, filters)?)?;
        }
        Inbound::Disconnect => return Err(Ended::ByClient),
        Inbound::Connect(_) => return Err(Ended::Malformed),
        Inbound::Other => {}
    }
    Ok(None)
}

/// The socket, the protocol's state, and bytes between them.
struct Wire {
    stream: TcpStream,
    protocol: mqtt::Connection<role::Server>,
    version: Version,
    limits: Limits,
    received: BytesMut,
    /// True when `received` may hold another packet.
    fresh: bool,
    outgoing: Vec<u8>,
    /// Exactly-once messages that are not durable yet.
    unconfirmed: Vec<u16>,
    keep_alive: Duration,
    deadline: Instant,
}

impl Wire {
    fn new(stream: TcpStream, limits: Limits) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(limits.packet_bytes_max);
        let mut protocol =
            mqtt::Connection::<role::Server>::with_options(Version::Undetermined, options);
        protocol.set_auto_ping_response(true);
        Self {
            stream,
            protocol,
            version: Version::Undetermined,
            limits,
            received: BytesMut::new(),
            fresh: false,
            outgoing: Vec::new(),
            unconfirmed: Vec::new(),
            keep_alive: limits.silence_max,
            deadline: Instant::now() + limits.silence_max,
        }
    }

    /// Waits for more bytes. Nothing is lost when it is dropped half-way.
    async fn read(&mut self) -> Result<(), Ended> {
        self.received.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(Ended::Broken);
        }
        self.fresh = true;
        self.heard();
        Ok(())
    }

    fn has_packet(&self) -> bool {
        self.fresh && !self.received.is_empty()
    }

    /// The next packet of the bytes at hand.
    fn next_packet(&mut self) -> Result<Option<Inbound>, Ended> {
        while !self.received.is_empty() {
            let mut cursor = Cursor::new(&self.received[..]);
            let events = self.protocol.recv(&mut cursor);
            let used = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            self.received.advance(used.min(self.received.len()));
            if let Some(packet) = self.digest(events)? {
                return Ok(Some(packet.into()));
            }
        }
        self.fresh = false;
        Ok(None)
    }

    /// Carries out what the protocol asks for; gives the packet it received, if any.
    fn digest(&mut self, events: Vec<Event>) -> Result<Option<Packet>, Ended> {
        let mut received = None;
        let mut ended = None;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => received = Some(packet),
                Event::RequestSendPacket { packet, .. } => {
                    if !self.too_early(&packet) {
                        self.outgoing.extend_from_slice(&packet.to_continuous_buffer());
                    }
                }
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.keep_alive = Duration::from_millis(duration_ms);
                    self.heard();
                }
                Event::NotifyError(error) => {
                    tracing::debug!(error = ?error, "MQTT packet refused");
                    ended = Some(Ended::Malformed);
                }
                Event::RequestClose => ended = ended.or(Some(Ended::Malformed)),
                Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::NotifyPacketIdReleased(_) => {}
            }
        }
        ended.map_or(Ok(received), Err)
    }

    /// The library confirms the repeat of an exactly-once message by itself; not before the first
    /// one is durable.
    fn too_early(&self, packet: &Packet) -> bool {
        let id = match packet {
            Packet::V3_1_1Pubrec(p) => p.packet_id(),
            Packet::V5_0Pubrec(p) => p.packet_id(),
            _ => return false,
        };
        self.unconfirmed.contains(&id)
    }

    /// Something came in, so the client lives.
    fn heard(&mut self) {
        self.deadline = Instant::now() + self.keep_alive;
    }

    /// Lets the protocol say that the client was silent too long.
    fn timer_fired(&mut self) {
        let events = self.protocol.notify_timer_fired(TimerKind::PingreqRecv);
        self.digest(events).ok();
    }

    fn send(&mut self, packet: Packet) -> Result<(), Ended> {
        let events = self.protocol.send(packet);
        self.digest(events).map(|_| ())
    }

    /// Acknowledges a message that is durable or refused for good; ends the connection when it was
    /// not taken, so that its sender keeps it.
    fn acknowledge(&mut self, outcome: &Outcome) -> Result<(), Ended> {
        let Outcome { id, exactly_once, result } = outcome;
        match (result, id) {
            (Ok(taken), Some(id)) => {
                self.unconfirmed.retain(|unconfirmed| unconfirmed != id);
                let all_refused = taken.accepted == 0 && taken.refused > 0;
                let packet = packets::acknowledge(self.version, *id, *exactly_once, all_refused)?;
                self.send(packet)
            }
            (Err(error), Some(_)) => {
                tracing::debug!(error = %error, "MQTT message not taken");
                Err(Ended::TurnedAway)
            }
            // Quality of service 0 asks for no answer; the sink has counted what it refused.
            (_, None) => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let written = timeout(self.limits.patience, self.stream.write_all(&self.outgoing)).await;
        self.outgoing.clear();
        Ok(written.map_err(|_| Ended::Silent)??)
    }

    /// Says the last word and closes.
    async fn close(mut self, ended: &Ended) {
        let why = match ended {
            Ended::Stopping => Some(Farewell::ShuttingDown),
            Ended::TurnedAway => Some(Farewell::Busy),
            Ended::Malformed => Some(Farewell::Protocol),
            Ended::ByClient | Ended::Broken | Ended::Silent | Ended::Refused => None,
        };
        // Where the protocol has ended by itself it has also spoken; it refuses a second farewell.
        if let Some(Ok(Some(packet))) = why.map(|why| packets::farewell(self.version, why)) {
            self.send(packet).ok();
        }
        if matches!(ended, Ended::Broken) || self.flush().await.is_err() {
            return;
        }
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; 1024];
        let drain = async { while matches!(self.stream.read(&mut rest).await, Ok(1..)) {} };
        timeout(LINGER, drain).await.ok();
    }
}
