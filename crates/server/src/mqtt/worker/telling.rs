//! Messages out: what the sink tells those who follow something, as fast as each of them takes it.
//!
//! A connection is written to while its socket takes everything at once; what does not fit waits in its
//! queue, which is bounded (`ear`). One that takes nothing for as long as an answer may stay unread is gone.

use std::sync::Arc;

use super::super::commit::Mail;
use super::super::ear::{Ear, Heard, Listening, Parcel};
use super::super::peer::{OUT_BYTES_MAX, Peer, Stage};
use super::super::{MqttSink, Verdict, count};
use super::{Ended, Worker, find, ticks};

/// How often one connection is written to before others have their turn.
const ROUNDS: usize = 16;

impl<S: MqttSink> Worker<S> {
    /// Asks the sink for topics; until it answers, nothing more is read from the connection.
    pub(super) fn ask(
        &self,
        place: u32,
        peer: &mut Peer<S>,
        permit: Arc<S::Permit>,
        id: u16,
        topics: Vec<(String, bool)>,
    ) {
        let serial = peer.serial;
        let listening = peer.listening.get_or_insert_with(|| {
            let whose = (place, serial);
            let ear = Ear::new(Arc::clone(&self.mailbox), whose, Arc::clone(&self.counters));
            let parcels = std::collections::VecDeque::new();
            Box::new(Listening { ear: Arc::new(ear), parcels, asking: false })
        });
        listening.asking = true;
        let ear = Arc::new(Heard(Arc::clone(&listening.ear)));
        let (sink, mailbox) = (Arc::clone(&self.sink), Arc::clone(&self.mailbox));
        self.runtime.spawn(async move {
            let verdicts = sink.follow(&permit, ear, topics).await;
            mailbox.post(Mail::Granted((place, serial), id, verdicts));
        });
    }

    /// The answer to a SUBSCRIBE.
    pub(super) fn grant(&mut self, place: u32, serial: u32, id: u16, verdicts: &[Verdict]) {
        let Some(peer) = find(&mut self.peers, place, serial) else { return };
        let Some(listening) = &mut peer.listening else { return };
        listening.asking = false;
        self.answers.clear();
        let granted = peer.protocol.grant(id, verdicts, &mut self.answers);
        self.answer(place, granted);
    }

    /// A message for a connection, if it is still there.
    pub(super) fn take_parcel(&mut self, place: u32, serial: u32, parcel: Parcel<S::Permit>) {
        let Some(peer) = find(&mut self.peers, place, serial) else { return };
        let Some(listening) = &mut peer.listening else { return };
        if listening.parcels.is_empty() {
            self.to_tell.push(place);
        }
        listening.parcels.push_back(parcel);
    }

    pub(super) fn tell_all(&mut self) {
        for place in std::mem::take(&mut self.to_tell) {
            self.tell(place);
        }
    }

    /// Tells a connection what waits for it, while it takes it.
    pub(super) fn tell(&mut self, place: u32) {
        for _ in 0..ROUNDS {
            let Some(peer) = &mut self.peers[place as usize] else { return };
            if peer.listening.is_none() || peer.owes() || !matches!(peer.stage, Stage::Open(_)) {
                return;
            }
            self.answers.clear();
            if let Err(ended) = self.fill(place) {
                return self.end(place, ended);
            }
            let Some(peer) = &mut self.peers[place as usize] else { return };
            if self.answers.is_empty() {
                return;
            }
            if let Err(ended) = peer.send(&self.answers, self.now.tick) {
                return self.end(place, ended);
            }
            if peer.stalled.is_some() {
                return self.watch(place, ticks(self.limits.patience));
            }
        }
        // Others have their turn first.
        self.to_tell.push(place);
    }

    /// Puts as many messages into `answers` as a connection keeps unread.
    fn fill(&mut self, place: u32) -> Result<(), Ended> {
        let Some(peer) = &mut self.peers[place as usize] else { return Ok(()) };
        let Some(listening) = &mut peer.listening else { return Ok(()) };
        while let Some(next) = listening.parcels.front()
            && self.answers.len() < OUT_BYTES_MAX
            && (!next.told.at_least_once || peer.protocol.takes_more())
        {
            let sent = peer.protocol.publish(&next.told, &mut self.answers)?;
            count(if sent { &self.counters.told } else { &self.counters.too_long });
            listening.parcels.pop_front();
        }
        Ok(())
    }

    /// A connection that ends is told nothing more.
    pub(super) fn hush(&mut self, place: u32) {
        let Some(peer) = &mut self.peers[place as usize] else { return };
        if let Some(listening) = peer.listening.take() {
            listening.ear.close();
            self.sink.leave(listening.ear.number());
        }
    }
}
