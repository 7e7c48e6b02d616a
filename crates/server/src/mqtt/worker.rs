//! A worker: one thread with one poll that serves thousands of connections.
//!
//! A turn of its loop: take what the system and the mailbox report, serve connections that have
//! something to say while there is room, hand over what has gathered. Readings of all its
//! connections gather in one batch, which becomes durable with one commit and is then acknowledged,
//! connection by connection, with one write each. When the disk is behind, it stops reading, and TCP
//! slows the senders down.
//!
//! It blocks on nothing but the poll: names are looked up and commits waited for elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chengmai_model::{Reading, Timestamp};
use mio::{Events, Interest, Poll, Token};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::alarms::{Alarms, TICK_MS, ticks};
use super::commit::{Done, Job, Mail, Mailbox, Receipt};
use super::line::{Arrival, Line};
use super::packets::Refusal;
use super::peer::{Peer, Stage};
use super::protocol::Ended;
use super::{Limits, MqttCounters, MqttSink, Names, Papers, count};
use crate::clock;

mod telling;
mod traffic;

/// The token of the mailbox's bell; connections have the number of their place.
pub(super) const BELL: Token = Token(usize::MAX);
/// Events taken from the system at a time.
const EVENTS_MAX: usize = 2_048;
/// Bytes read from one connection at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// Readings that a batch has before nothing more is read.
const BATCH_MAX: usize = 8_192;
/// Batches on their way to the disk.
pub(super) const BATCHES_MAX: usize = 4;
/// How long readings wait for company while another batch is on its way.
const GATHER: Duration = Duration::from_millis(1);
/// Messages that go their own way to the disk, and their bytes.
const MESSAGES_MAX: usize = 4_096;
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// How long we go on reading after our last word, so that it is not lost to a reset.
const LINGER: Duration = Duration::from_millis(500);
/// How long connections may take to hand over what is in flight when we stop.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Readings of many connections, and whom to answer.
#[derive(Debug, Default)]
struct Batch {
    readings: Vec<Reading>,
    receipts: Vec<Receipt>,
    since: Option<Instant>,
}

/// Work that is not finished, counted so that it stays bounded.
#[derive(Debug, Default)]
struct Load {
    batches: usize,
    messages: usize,
    message_bytes: usize,
    /// Bytes of packets that have come in part.
    held_bytes: usize,
}

/// The present of one turn.
#[derive(Debug, Clone, Copy)]
struct Now {
    instant: Instant,
    tick: u32,
    /// For readings without a time of their own.
    at: Timestamp,
}

/// See the head of this file.
pub(super) struct Worker<S: MqttSink> {
    poll: Poll,
    sink: Arc<S>,
    limits: Limits,
    counters: Arc<MqttCounters>,
    runtime: Handle,
    names: Arc<Names<S::Permit>>,
    mailbox: Arc<Mailbox<S::Permit>>,
    jobs: mpsc::UnboundedSender<Job<S::Permit>>,
    peers: Vec<Option<Box<Peer<S>>>>,
    free: Vec<u32>,
    serials: u32,
    ready: VecDeque<u32>,
    /// Whose papers are being looked up, with all who wait for that: devices of one gateway that
    /// come back together are looked up once.
    knocking: BTreeMap<Papers, Vec<(u32, u32)>>,
    alarms: Alarms,
    batch: Batch,
    load: Load,
    messages: u64,
    /// Who has something to be told.
    to_tell: Vec<u32>,
    began: Instant,
    now: Now,
    /// When the last connection is cut off, once we stop.
    stop_at: Option<Instant>,
    chunk: Vec<u8>,
    answers: Vec<u8>,
}

impl<S: MqttSink> Worker<S> {
    pub(super) fn new(
        poll: Poll,
        sink: Arc<S>,
        limits: Limits,
        counters: Arc<MqttCounters>,
        names: Arc<Names<S::Permit>>,
        mailbox: Arc<Mailbox<S::Permit>>,
        jobs: mpsc::UnboundedSender<Job<S::Permit>>,
    ) -> Self {
        let began = Instant::now();
        Self {
            poll,
            sink,
            limits,
            counters,
            runtime: Handle::current(),
            names,
            mailbox,
            jobs,
            peers: Vec::new(),
            free: Vec::new(),
            serials: 0,
            ready: VecDeque::new(),
            knocking: BTreeMap::new(),
            alarms: Alarms::new(),
            batch: Batch::default(),
            load: Load::default(),
            messages: 0,
            to_tell: Vec::new(),
            began,
            now: Now { instant: began, tick: 0, at: clock::now() },
            stop_at: None,
            chunk: vec![0; CHUNK_BYTES],
            answers: Vec::new(),
        }
    }

    /// Serves until told to stop and every connection has ended or its time is over.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.is_done() {
            if let Err(error) = self.poll.poll(&mut events, Some(self.wait()))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(error = %error, "an MQTT worker cannot wait for its sockets");
                return;
            }
            self.look_at_the_clock();
            for event in events.iter().filter(|event| event.token() != BELL) {
                self.notice(event);
            }
            for mail in self.mailbox.take() {
                self.read_mail(mail);
            }
            self.tell_all();
            self.serve_ready();
            self.hand_over_if_due();
            self.ring_alarms();
            self.counters.messages.fetch_add(std::mem::take(&mut self.messages), Ordering::Relaxed);
        }
    }

    fn is_done(&self) -> bool {
        self.stop_at
            .is_some_and(|end| self.peers.len() == self.free.len() || self.now.instant >= end)
    }

    fn look_at_the_clock(&mut self) {
        let instant = Instant::now();
        let ms = instant.duration_since(self.began).as_millis() / u128::from(TICK_MS);
        let tick = u32::try_from(ms).expect("a worker runs for less than 17 years");
        self.now = Now { instant, tick, at: clock::now() };
    }

    /// How long there is nothing to do unless something happens.
    fn wait(&self) -> Duration {
        if (!self.ready.is_empty() && self.has_room()) || !self.to_tell.is_empty() {
            return Duration::ZERO;
        }
        let waits = self.batch.since.is_some() && self.load.batches < BATCHES_MAX;
        if waits { GATHER } else { Duration::from_millis(TICK_MS) }
    }

    /// Whether more may be taken from anybody.
    fn has_room(&self) -> bool {
        self.batch.readings.len() < BATCH_MAX
            && self.load.messages < MESSAGES_MAX
            && self.load.message_bytes < MESSAGE_BYTES_MAX
    }

    /// What the system reports of a socket.
    fn notice(&mut self, event: &mio::event::Event) {
        let place = event.token().0;
        let Some(Some(peer)) = self.peers.get_mut(place) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            peer.readable = true;
            peer.hung_up |= event.is_read_closed() || event.is_error();
        }
        let flushed = if event.is_writable() { peer.flush() } else { Ok(()) };
        let place = u32::try_from(place).expect("fewer than 2^32 connections");
        match flushed {
            Ok(()) => {
                self.tell(place);
                self.queue(place);
            }
            Err(ended) => self.end(place, ended),
        }
    }

    /// Lets a connection wait for its turn when it has something to say.
    fn queue(&mut self, place: u32) {
        let Some(peer) = &mut self.peers[place as usize] else { return };
        let stopping = self.stop_at.is_some() && !matches!(peer.stage, Stage::Leaving);
        if !peer.queued && !stopping && peer.has_work(&self.limits) {
            peer.queued = true;
            self.ready.push_back(place);
        }
    }

    fn read_mail(&mut self, mail: Mail<S::Permit>) {
        match mail {
            Mail::Arrived(arrival) => self.arrive(arrival),
            Mail::Recognised(papers, permit) => {
                let permit = permit.map(Arc::new);
                for (place, serial) in self.knocking.remove(&papers).unwrap_or_default() {
                    self.admit(place, serial, permit.clone());
                }
            }
            Mail::Done(Done::Readings(result, receipts)) => {
                self.load.batches -= 1;
                self.acknowledge_all(result, &receipts);
            }
            Mail::Done(Done::Message(result, receipt, bytes)) => {
                self.load.messages -= 1;
                self.load.message_bytes -= bytes;
                self.acknowledge_one(result, receipt);
            }
            Mail::End(place, serial, ended) => {
                if find(&mut self.peers, place, serial).is_some() {
                    self.end(place, ended);
                }
            }
            Mail::Told(place, serial, parcel) => self.take_parcel(place, serial, parcel),
            Mail::Granted((place, serial), id, verdicts) => {
                self.grant(place, serial, id, &verdicts);
            }
            Mail::Stop => self.stop(),
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { socket, tls, device } = arrival;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let place = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            u32::try_from(self.peers.len() - 1).expect("fewer than 2^32 connections")
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(place as usize);
        if let Err(error) = self.poll.registry().register(&mut socket, token, interest) {
            tracing::warn!(error = %error, "cannot watch an MQTT connection");
            self.free.push(place);
            self.counters.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.serials = self.serials.wrapping_add(1);
        let line = Line::new(socket, tls);
        let peer = Peer::new(line, device, self.serials, &self.limits, self.now.tick);
        self.peers[place as usize] = Some(Box::new(peer));
        self.watch(place, ticks(self.limits.patience));
        if self.stop_at.is_some() {
            self.end(place, Ended::Broken);
        } else {
            self.queue(place);
        }
    }

    /// The answer to a CONNECT.
    fn admit(&mut self, place: u32, serial: u32, permit: Option<Arc<S::Permit>>) {
        let Some(peer) = find(&mut self.peers, place, serial) else { return };
        let Stage::Knocking { nameless } = peer.stage else { return };
        self.answers.clear();
        let admitted = match permit {
            Some(permit) => {
                peer.stage = Stage::Open(permit);
                if let Some(name) = peer.name {
                    self.names.take(name, &self.mailbox, place, serial);
                }
                count(&self.counters.connected);
                peer.protocol.welcome(self.limits.in_flight_max, nameless, &mut self.answers)
            }
            None => Err(peer.protocol.refuse(Refusal::Credentials, &mut self.answers)),
        };
        // A refusal is sent too.
        let sent = peer.send(&self.answers, self.now.tick);
        match admitted.and(sent) {
            Ok(()) => {
                peer.heard = self.now.tick;
                let silence = peer.protocol.keep_alive().unwrap_or(self.limits.silence_max);
                self.watch(place, ticks(silence));
                self.queue(place);
            }
            Err(ended) => self.end(place, ended),
        }
    }

    /// Takes nothing more; what was taken is still acknowledged.
    fn stop(&mut self) {
        self.stop_at = Some(self.now.instant + GRACE);
        self.hand_over();
        for place in 0..self.peers.len() {
            let place = u32::try_from(place).expect("fewer than 2^32 connections");
            let ended = match self.peers[place as usize].as_deref() {
                Some(Peer { stage: Stage::Open(_), in_flight: 0, .. }) => Ended::Stopping,
                // Nothing was taken yet and the welcome may be half written: no last word.
                Some(Peer { stage: Stage::Greeting | Stage::Knocking { .. }, .. }) => Ended::Broken,
                _ => continue,
            };
            self.end(place, ended);
        }
    }

    fn hand_over_if_due(&mut self) {
        let Some(since) = self.batch.since else { return };
        let waited = self.now.instant.duration_since(since) >= GATHER;
        let full = self.batch.readings.len() >= BATCH_MAX;
        let due = self.load.batches == 0 || self.stop_at.is_some() || waited || full;
        if due && self.load.batches < BATCHES_MAX {
            self.hand_over();
        }
    }

    /// Sends the batch on its way.
    fn hand_over(&mut self) {
        let Batch { readings, receipts, .. } = std::mem::take(&mut self.batch);
        if !readings.is_empty() {
            self.load.batches += 1;
            self.begin(Job::Readings(readings, receipts));
        }
    }

    fn begin(&self, job: Job<S::Permit>) {
        // The receiver lives as long as this sender, unless the program is being torn down.
        if self.jobs.send(job).is_err() {
            tracing::error!("MQTT messages are not taken any more");
        }
    }

    /// Sets the connection's alarm, unless an earlier one is set.
    fn watch(&mut self, place: u32, after: u32) {
        let Some(peer) = &mut self.peers[place as usize] else { return };
        let tick = self.now.tick.saturating_add(after);
        if tick < peer.alarm {
            peer.alarm = self.alarms.set(place, peer.serial, tick);
        }
    }

    fn ring_alarms(&mut self) {
        for (place, serial, tick) in self.alarms.due(self.now.tick) {
            let Some(peer) = find(&mut self.peers, place, serial) else { continue };
            if peer.alarm != tick {
                continue;
            }
            peer.alarm = u32::MAX;
            self.look_after(place);
        }
    }

    /// Ends a connection whose time is over; else sets its next alarm.
    fn look_after(&mut self, place: u32) {
        let behind = !self.has_room();
        let Some(peer) = &mut self.peers[place as usize] else { return };
        let patience = ticks(self.limits.patience);
        let (waits_for_us, allowance) = match peer.stage {
            Stage::Greeting => (behind || peer.queued, patience),
            Stage::Knocking { .. } => (true, patience),
            Stage::Open(_) => {
                let silence = peer.protocol.keep_alive().unwrap_or(self.limits.silence_max);
                (behind || peer.queued || !peer.has_room(&self.limits), ticks(silence))
            }
            Stage::Leaving => {
                self.remove(place);
                return;
            }
        };
        if waits_for_us {
            // What it sends we do not read now; its silence is ours.
            peer.heard = self.now.tick;
        }
        let now = self.now.tick;
        let deadline = peer.heard.saturating_add(allowance);
        let stalled = peer.stalled.map_or(u32::MAX, |since| since.saturating_add(patience));
        if stalled <= now || (deadline <= now && peer.asked) {
            self.end(place, Ended::Silent);
        } else if deadline <= now {
            // When everybody speaks at once, word of this one may not have reached us. Its socket is
            // asked itself before it is called silent.
            peer.asked = true;
            peer.readable = true;
            self.queue(place);
            self.watch(place, 1);
        } else {
            self.watch(place, deadline.min(stalled) - now);
        }
    }

    /// Says the last word, counts, and lets the connection go.
    fn end(&mut self, place: u32, ended: Ended) {
        self.send_will(place, ended);
        self.hush(place);
        let Some(peer) = &mut self.peers[place as usize] else { return };
        if ended == Ended::Broken || matches!(peer.stage, Stage::Leaving) {
            self.remove(place);
            return;
        }
        match ended {
            Ended::Malformed => count(&self.counters.malformed),
            Ended::Silent => count(&self.counters.silent),
            Ended::Refused | Ended::Forbidden => count(&self.counters.unauthorised),
            Ended::TurnedAway => count(&self.counters.turned_away),
            Ended::TakenOver => count(&self.counters.taken_over),
            Ended::TooSlow => count(&self.counters.too_slow),
            Ended::ByClient | Ended::Broken | Ended::Stopping => {}
        }
        tracing::debug!(ended = ?ended, "MQTT connection ends");
        let mut last = Vec::new();
        if matches!(peer.stage, Stage::Open(_)) {
            peer.protocol.farewell(ended, &mut last);
        }
        if peer.send(&last, self.now.tick).is_err() {
            self.remove(place);
            return;
        }
        self.load.held_bytes -= peer.held.len();
        peer.leave();
        let linger = if peer.stalled.is_some() { self.limits.patience } else { LINGER };
        self.watch(place, ticks(linger));
        self.queue(place);
    }

    fn remove(&mut self, place: u32) {
        self.hush(place);
        if let Some(mut peer) = self.peers[place as usize].take() {
            if let Some(name) = peer.name {
                self.names.leave(name, &self.mailbox, place, peer.serial);
            }
            self.load.held_bytes -= peer.held.len();
            // Closing would do it as well; an error means that it is closed.
            self.poll.registry().deregister(peer.line.socket()).ok();
            self.free.push(place);
            self.counters.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<S: MqttSink> Drop for Worker<S> {
    /// Whoever is still here is cut off.
    fn drop(&mut self) {
        let left = self.peers.len() - self.free.len();
        if left > 0 {
            tracing::warn!(left, "MQTT connections are cut off");
            self.counters.connections.fetch_sub(left as u64, Ordering::Relaxed);
        }
    }
}

/// Who stands at a place, if it is still the one with that serial number.
fn find<S: MqttSink>(
    peers: &mut [Option<Box<Peer<S>>>],
    place: u32,
    serial: u32,
) -> Option<&mut Peer<S>> {
    peers[place as usize].as_deref_mut().filter(|peer| peer.serial == serial)
}
