//! The protocol library's side of a connection: packets in, what they mean and what to answer out.
//!
//! It has no socket and no clock. The plain messages that [`chengmai_wire::mqtt`] reads pass it by: it keeps
//! no state of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{self, Version, role};

use super::packets::{self, Connect, Farewell, Inbound, Refusal};
use super::{Told, Verdict};

/// Bytes of a client id.
const CLIENT_ID_BYTES_MAX: usize = 256;
/// Messages to a follower that it has not acknowledged, whatever more it would take.
const UNACKNOWLEDGED_MAX: usize = 100;
/// Bytes of a will, topic and payload: it is kept as long as the connection.
const WILL_BYTES_MAX: usize = 1_024;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The sink takes nothing now, or too much is held already.
    TurnedAway,
    /// Another client came with its name.
    TakenOver,
    /// What it follows came faster than it took it, or something of it is lost.
    TooSlow,
    /// It sent what it may not, or may not follow any more.
    Forbidden,
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

/// Runs the library on a stranger's bytes: should these make it panic, only their connection ends,
/// not the worker with thousands of others. Nobody sees the state that the panic left half done: a
/// connection that ended so says no farewell and is dropped.
fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Ended> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        tracing::error!("the MQTT library panicked at a packet; its connection ends");
        Ended::Broken
    })
}

/// State of the protocol. Answers are added to the `out` of each call.
pub(super) struct Protocol {
    library: Box<mqtt::Connection<role::Server>>,
    version: Version,
    /// Exactly-once messages that are not durable yet.
    unconfirmed: Vec<u16>,
    /// Messages to it that it has not acknowledged.
    unacknowledged: usize,
    /// Silence that the client asked us to bear, once it has.
    keep_alive: Option<Duration>,
}

impl Protocol {
    pub(super) fn new(packet_bytes_max: u32) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(packet_bytes_max);
        let mut library =
            mqtt::Connection::<role::Server>::with_options(Version::Undetermined, options);
        library.set_auto_ping_response(true);
        Self {
            library: Box::new(library),
            version: Version::Undetermined,
            unconfirmed: Vec::new(),
            unacknowledged: 0,
            keep_alive: None,
        }
    }

    pub(super) fn is_v5(&self) -> bool {
        self.version == Version::V5_0
    }

    pub(super) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// Takes bytes of one packet; gives it when it means something to us.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Inbound>, Ended> {
        let events = contained(|| self.library.recv(&mut Cursor::new(bytes)))?;
        let inbound = self.digest(events, out)?.map(Inbound::from);
        if let Some(Inbound::Publish { id: Some(id), exactly_once: true, .. }) = &inbound {
            self.unconfirmed.push(*id);
        }
        Ok(inbound)
    }

    /// Why that CONNECT cannot be granted, whoever sent it.
    pub(super) fn fault_of(&mut self, connect: &Connect) -> Option<Refusal> {
        self.version = connect.version;
        if connect.enhanced {
            return Some(Refusal::Method);
        }
        let id = &connect.client_id;
        let nameless = id.is_empty() && !connect.clean && connect.version != Version::V5_0;
        if nameless || id.len() > CLIENT_ID_BYTES_MAX || id.chars().any(char::is_control) {
            return Some(Refusal::ClientId);
        }
        let will = connect.will.as_ref().map_or(0, |will| will.topic.len() + will.payload.len());
        (will > WILL_BYTES_MAX).then_some(Refusal::Will)
    }

    /// Lets the client in. `nameless`: it brought no name.
    pub(super) fn welcome(
        &mut self,
        receive_max: u16,
        nameless: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let id = nameless.then(|| format!("chengmai-{}", &crate::accounts::random_token()[3..23]));
        self.send(packets::welcome(self.version, receive_max, id)?, out)
    }

    pub(super) fn refuse(&mut self, why: Refusal, out: &mut Vec<u8>) -> Ended {
        if let Ok(packet) = packets::refuse(self.version, why) {
            // The library closes after a refusal, which it reports as an end.
            self.send(packet, out).ok();
        }
        Ended::Refused
    }

    /// Answers what is no message. Ends the connection where that is asked for.
    pub(super) fn answer(&mut self, inbound: &Inbound, out: &mut Vec<u8>) -> Result<(), Ended> {
        let packet = match *inbound {
            Inbound::Release { id } => packets::complete(self.version, id)?,
            Inbound::Disconnect { .. } => return Err(Ended::ByClient),
            Inbound::Connect(_) => return Err(Ended::Malformed),
            Inbound::Subscribe { .. }
            | Inbound::Unsubscribe { .. }
            | Inbound::Publish { .. }
            | Inbound::Other => return Ok(()),
        };
        self.send(packet, out)
    }

    /// Acknowledges a message that came through here and is durable or refused for good.
    pub(super) fn acknowledge(
        &mut self,
        id: u16,
        exactly_once: bool,
        all_refused: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        self.unconfirmed.retain(|unconfirmed| *unconfirmed != id);
        self.send(packets::acknowledge(self.version, id, exactly_once, all_refused)?, out)
    }

    /// Says what topics of a SUBSCRIBE are granted.
    pub(super) fn grant(
        &mut self,
        id: u16,
        verdicts: &[Verdict],
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        self.send(packets::granted(self.version, id, verdicts)?, out)
    }

    /// Says which topics were followed until now.
    pub(super) fn unsubscribed(
        &mut self,
        id: u16,
        was: &[bool],
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        self.send(packets::unsubscribed(self.version, id, was)?, out)
    }

    /// Whether another message may be sent that is to be acknowledged.
    pub(super) fn takes_more(&self) -> bool {
        let asked = self.library.get_receive_maximum_vacancy_for_send();
        self.unacknowledged < UNACKNOWLEDGED_MAX && asked != Some(0)
    }

    /// Sends a message to a follower; false when it is longer than that takes.
    pub(super) fn publish(&mut self, told: &Told, out: &mut Vec<u8>) -> Result<bool, Ended> {
        let id = if told.at_least_once { Some(self.library.acquire_packet_id()?) } else { None };
        let events = self.library.send(packets::publish(self.version, id, told)?);
        if matches!(events.as_slice(), [Event::NotifyError(MqttError::PacketTooLarge)]) {
            if let Some(id) = id {
                self.library.release_packet_id(id);
            }
            return Ok(false);
        }
        self.unacknowledged += usize::from(id.is_some());
        self.digest(events, out)?;
        Ok(true)
    }

    /// Says why we end, where the version has words for it and the library has not said so itself.
    pub(super) fn farewell(&mut self, ended: Ended, out: &mut Vec<u8>) {
        let why = match ended {
            Ended::Stopping => Farewell::ShuttingDown,
            Ended::TurnedAway => Farewell::Busy,
            Ended::TakenOver => Farewell::TakenOver,
            Ended::Malformed => Farewell::Protocol,
            Ended::TooSlow => Farewell::TooSlow,
            Ended::Forbidden => Farewell::Forbidden,
            Ended::Silent => {
                let events = self.library.notify_timer_fired(TimerKind::PingreqRecv);
                self.digest(events, out).ok();
                return;
            }
            Ended::ByClient | Ended::Broken | Ended::Refused => return,
        };
        if let Ok(Some(packet)) = packets::farewell(self.version, why) {
            self.send(packet, out).ok();
        }
    }

    fn send(&mut self, packet: Packet, out: &mut Vec<u8>) -> Result<(), Ended> {
        let events = self.library.send(packet);
        self.digest(events, out).map(|_| ())
    }

    /// Carries out what the library asks for; gives the packet it received, if any.
    fn digest(&mut self, events: Vec<Event>, out: &mut Vec<u8>) -> Result<Option<Packet>, Ended> {
        let mut received = None;
        let mut ended = None;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => received = Some(packet),
                Event::RequestSendPacket { packet, .. } => {
                    if !self.too_early(&packet) {
                        out.extend_from_slice(&packet.to_continuous_buffer());
                    }
                }
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.keep_alive = Some(Duration::from_millis(duration_ms));
                }
                Event::NotifyError(error) => {
                    tracing::debug!(error = ?error, "MQTT packet refused");
                    ended = Some(Ended::Malformed);
                }
                Event::RequestClose => ended = ended.or(Some(Ended::Malformed)),
                Event::NotifyPacketIdReleased(_) => {
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                }
                Event::RequestTimerReset { .. } | Event::RequestTimerCancel(_) => {}
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_library_ends_its_connection_only() {
        let packet: &[u8] = &[];
        assert_eq!(contained(|| packet[0]), Err(Ended::Broken));
        assert_eq!(contained(|| packet.len()), Ok(0));
    }
}
