//! Bytes in, messages to the batch or on their own way, acknowledgements out.

use std::sync::Arc;

use chengmai_wire::mqtt::{self, Frame, PING_LEN, PONG, Publish};

use super::super::commit::{Job, Mail, Receipt};
use super::super::packets::{Connect, Inbound};
use super::super::peer::{Peer, Stage};
use super::super::protocol::Ended;
use super::super::{Message, MqttSink, Papers, TakeError, Taken};
use super::{Worker, find};

/// Bytes of a CONNECT: who is not known yet is not given room for more.
const GREETING_BYTES_MAX: usize = 16 * 1024;

impl<S: MqttSink> Worker<S> {
    /// Gives everybody who waits a turn, as long as there is room.
    pub(super) fn serve_ready(&mut self) {
        for _ in 0..self.ready.len() {
            if !self.has_room() {
                return;
            }
            let Some(place) = self.ready.pop_front() else { return };
            // Out of its place while it is served: whatever is found goes into the worker's hands.
            let Some(mut peer) = self.peers[place as usize].take() else { continue };
            peer.queued = false;
            self.answers.clear();
            let stopping = self.stop_at.is_some() && !matches!(peer.stage, Stage::Leaving);
            let mut served = if stopping { Ok(()) } else { self.serve(place, &mut peer) };
            if !self.answers.is_empty() {
                let sent = peer.send(&self.answers, self.now.tick);
                served = served.and(sent);
            }
            let stalled = peer.stalled.is_some();
            self.peers[place as usize] = Some(peer);
            match served {
                Ok(()) => {
                    self.tell(place);
                    self.queue(place);
                }
                Err(ended) => self.end(place, ended),
            }
            if stalled {
                self.watch(place, super::ticks(self.limits.patience));
            }
        }
    }

    /// Takes the packets that are held, else reads once and takes what came.
    fn serve(&mut self, place: u32, peer: &mut Peer<S>) -> Result<(), Ended> {
        if matches!(peer.stage, Stage::Leaving) {
            // What it still sends is read over.
            return peer.read(&mut self.chunk).map(|_| ());
        }
        if peer.fresh {
            let held = std::mem::take(&mut peer.held);
            let used = self.take_packets(place, peer, &held);
            self.hold(peer, held.len(), &held[used.unwrap_or(0)..]);
            used?;
        }
        if !peer.readable || peer.fresh || !peer.has_room(&self.limits) {
            return Ok(());
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        let outcome = self.read(place, peer, &mut chunk);
        self.chunk = chunk;
        outcome
    }

    fn read(&mut self, place: u32, peer: &mut Peer<S>, chunk: &mut [u8]) -> Result<(), Ended> {
        let Some(len) = peer.read(chunk)? else { return Ok(()) };
        // A CONNECT has to come whole in its time, not byte by byte for ever.
        if !matches!(peer.stage, Stage::Greeting) {
            peer.heard = self.now.tick;
            peer.asked = false;
        }
        if peer.held.is_empty() {
            let used = self.take_packets(place, peer, &chunk[..len])?;
            self.hold(peer, 0, &chunk[used..len]);
        } else {
            let before = peer.held.len();
            let mut held = std::mem::take(&mut peer.held);
            held.extend_from_slice(&chunk[..len]);
            let used = self.take_packets(place, peer, &held);
            match used {
                // The usual case of a long packet: it goes on growing where it is.
                Ok(0) => {
                    peer.held = held;
                    self.load.held_bytes += len;
                }
                _ => self.hold(peer, before, &held[used.unwrap_or(0)..]),
            }
            used?;
        }
        if self.load.held_bytes > self.limits.held_bytes_max {
            return Err(Ended::TurnedAway);
        }
        Ok(())
    }

    /// Keeps what was not taken; `before` bytes were held until now.
    fn hold(&mut self, peer: &mut Peer<S>, before: usize, rest: &[u8]) {
        self.load.held_bytes += rest.len();
        self.load.held_bytes -= before;
        peer.held = rest.to_vec();
    }

    /// Takes packets while there is room for them; how many bytes they were.
    fn take_packets(
        &mut self,
        place: u32,
        peer: &mut Peer<S>,
        bytes: &[u8],
    ) -> Result<usize, Ended> {
        let mut used = 0;
        let packet_bytes_max = usize::try_from(self.limits.packet_bytes_max).unwrap_or(usize::MAX);
        while peer.has_room(&self.limits) {
            let rest = &bytes[used..];
            let open = matches!(peer.stage, Stage::Open(_));
            let len = match mqtt::next(rest, peer.protocol.is_v5(), packet_bytes_max) {
                Frame::Part(len) if !open && len > GREETING_BYTES_MAX => {
                    return Err(Ended::Malformed);
                }
                Frame::Part(_) => {
                    peer.fresh = false;
                    return Ok(used);
                }
                Frame::Broken => return Err(Ended::Malformed),
                Frame::Publish(publish, len)
                    if open && self.take_quickly(place, peer, &publish) =>
                {
                    len
                }
                Frame::Ping if open => {
                    self.answers.extend_from_slice(&PONG);
                    PING_LEN
                }
                Frame::Ping => self.take_slowly(place, peer, &rest[..PING_LEN])?,
                Frame::Publish(_, len) | Frame::Other(len) => {
                    self.take_slowly(place, peer, &rest[..len])?
                }
            };
            used += len;
        }
        peer.fresh = used < bytes.len();
        Ok(used)
    }

    /// A plain message of readings that the sink knows by sight.
    fn take_quickly(&mut self, place: u32, peer: &mut Peer<S>, publish: &Publish<'_>) -> bool {
        let Stage::Open(permit) = &peer.stage else { return false };
        let readings = &mut self.batch.readings;
        if !self.sink.quick(permit, &mut peer.memo, publish, self.now.at, readings) {
            return false;
        }
        self.messages += 1;
        self.batch.since.get_or_insert(self.now.instant);
        // Without an id nobody waits for it, and it does not count as in flight.
        if publish.id.is_some() {
            let (serial, id) = (peer.serial, publish.id);
            self.batch.receipts.push(Receipt { place, serial, id, exactly_once: false });
            peer.in_flight += 1;
        }
        true
    }

    /// Any packet, through the protocol library. Gives its length back.
    fn take_slowly(
        &mut self,
        place: u32,
        peer: &mut Peer<S>,
        packet: &[u8],
    ) -> Result<usize, Ended> {
        let len = packet.len();
        let Some(inbound) = peer.protocol.receive(packet, &mut self.answers)? else {
            return Ok(len);
        };
        match (&peer.stage, inbound) {
            (Stage::Greeting, Inbound::Connect(connect)) => self.knock(place, peer, connect)?,
            // The standard wants the connection ended; the library lets these pass.
            (Stage::Open(_), Inbound::Publish { message, .. })
                if message.topic.contains(['#', '+', '\0']) =>
            {
                return Err(Ended::Malformed);
            }
            (Stage::Open(permit), Inbound::Publish { .. }) if !self.sink.may_send(permit) => {
                return Err(Ended::Forbidden);
            }
            (Stage::Open(permit), Inbound::Publish { id, exactly_once, message }) => {
                let receipt = Receipt { place, serial: peer.serial, id, exactly_once };
                let permit = Arc::clone(permit);
                peer.in_flight += 1;
                self.pass_on(permit, message, receipt);
            }
            (Stage::Open(permit), Inbound::Subscribe { id, topics }) => {
                let permit = Arc::clone(permit);
                self.ask(place, peer, permit, id, topics);
            }
            (Stage::Open(_), Inbound::Unsubscribe { id, topics }) => {
                let was = match &peer.listening {
                    Some(listening) => self.sink.unfollow(listening.ear.number(), &topics),
                    None => vec![false; topics.len()],
                };
                peer.protocol.unsubscribed(id, &was, &mut self.answers)?;
            }
            (Stage::Open(_), inbound) => {
                if matches!(inbound, Inbound::Disconnect { wants_will: false }) {
                    peer.will = None;
                }
                peer.protocol.answer(&inbound, &mut self.answers)?;
            }
            _ => return Err(Ended::Malformed),
        }
        Ok(len)
    }

    /// Sends a message on its own way to the disk.
    fn pass_on(&mut self, permit: Arc<S::Permit>, message: Message, receipt: Receipt) {
        self.messages += 1;
        self.load.messages += 1;
        self.load.message_bytes += message.payload.len();
        // What came before it is begun before it.
        self.hand_over();
        self.begin(Job::Message(permit, message, receipt));
    }

    /// Takes the will of a client that went without a word as sent by it. When we stop, it did not go.
    pub(super) fn send_will(&mut self, place: u32, ended: Ended) {
        let Some(peer) = &mut self.peers[place as usize] else { return };
        let (Some(will), Stage::Open(permit)) = (peer.will.take(), &peer.stage) else { return };
        if ended != Ended::Stopping && self.sink.may_send(permit) {
            let permit = Arc::clone(permit);
            let receipt = Receipt { place, serial: peer.serial, id: None, exactly_once: false };
            peer.in_flight += 1;
            self.pass_on(permit, *will, receipt);
        }
    }

    /// Has name and token looked up.
    fn knock(&mut self, place: u32, peer: &mut Peer<S>, connect: Connect) -> Result<(), Ended> {
        if let Some(fault) = peer.protocol.fault_of(&connect) {
            return Err(peer.protocol.refuse(fault, &mut self.answers));
        }
        peer.stage = Stage::Knocking { nameless: connect.client_id.is_empty() };
        let device = peer.device.clone();
        let papers = Papers { user: connect.user, password: connect.password, device };
        peer.name = self.names.of(&papers, &connect.client_id);
        peer.will = connect.will.map(Box::new);
        if let Some(others) = self.knocking.get_mut(&papers) {
            others.push((place, peer.serial));
            return Ok(());
        }
        self.knocking.insert(papers.clone(), vec![(place, peer.serial)]);
        let (sink, mailbox) = (Arc::clone(&self.sink), Arc::clone(&self.mailbox));
        self.runtime.spawn(async move {
            let permit = sink.authenticate(&papers).await;
            mailbox.post(Mail::Recognised(papers, permit));
        });
        Ok(())
    }

    /// A batch is durable, or was not taken.
    pub(super) fn acknowledge_all(&mut self, result: Result<(), TakeError>, all: &[Receipt]) {
        // Of one connection they stand together, as far as they were read together.
        for one in all.chunk_by(|a, b| (a.place, a.serial) == (b.place, b.serial)) {
            let Receipt { place, serial, .. } = one[0];
            let Some(peer) = find(&mut self.peers, place, serial) else { continue };
            let taken = u16::try_from(one.len()).unwrap_or(u16::MAX);
            peer.in_flight = peer.in_flight.saturating_sub(taken);
            if !matches!(peer.stage, Stage::Open(_)) {
                continue;
            }
            self.answers.clear();
            for id in one.iter().filter_map(|receipt| receipt.id) {
                self.answers.extend_from_slice(&mqtt::puback(id));
            }
            let outcome = match result {
                Ok(()) => Ok(()),
                Err(error) => {
                    tracing::debug!(error = %error, "MQTT messages not taken");
                    Err(Ended::TurnedAway)
                }
            };
            self.answer(place, outcome);
        }
    }

    /// A message is durable or refused for good, or was not taken.
    pub(super) fn acknowledge_one(&mut self, result: Result<Taken, TakeError>, receipt: Receipt) {
        let Receipt { place, serial, id, exactly_once } = receipt;
        let Some(peer) = find(&mut self.peers, place, serial) else { return };
        peer.in_flight = peer.in_flight.saturating_sub(1);
        if !matches!(peer.stage, Stage::Open(_)) {
            return;
        }
        self.answers.clear();
        let outcome = match (result, id) {
            (Ok(taken), Some(id)) => {
                let all_refused = taken.accepted == 0 && taken.refused > 0;
                peer.protocol.acknowledge(id, exactly_once, all_refused, &mut self.answers)
            }
            (Err(error), Some(_)) => {
                tracing::debug!(error = %error, "MQTT message not taken");
                Err(Ended::TurnedAway)
            }
            // Quality of service 0 asks for no answer; the sink has counted what it refused.
            (_, None) => Ok(()),
        };
        self.answer(place, outcome);
    }

    /// Sends what stands in `answers`, or ends the connection; then it may go on.
    pub(super) fn answer(&mut self, place: u32, outcome: Result<(), Ended>) {
        let Some(peer) = &mut self.peers[place as usize] else { return };
        let outcome = outcome.and_then(|()| peer.send(&self.answers, self.now.tick));
        let stalled = peer.stalled.is_some();
        let finished = self.stop_at.is_some() && peer.in_flight == 0;
        match outcome {
            Ok(()) if finished => self.end(place, Ended::Stopping),
            Ok(()) => self.queue(place),
            Err(ended) => self.end(place, ended),
        }
        if stalled {
            self.watch(place, super::ticks(self.limits.patience));
        }
    }
}
