//! The live stream: numbered events, kept for a while so that a screen that lost its connection can
//! go on where it was. It decides nothing and knows no connection.

use std::collections::VecDeque;
use std::sync::Arc;

use chengmai_model::AreaId;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::changes::Changes;
use super::news::News;

/// How many events are kept for screens that come back.
const KEPT_MAX: usize = 8_192;
/// How far a slow screen may fall behind before it must start anew.
const BEHIND_MAX: usize = 4_096;

/// What an event carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A tick is done: readings per second, streams online, and what changed
    /// (indicator index, area).
    Tick { at: String, readings_per_second: u64, online: u64, changed: Vec<(u16, AreaId)> },
    /// A warning 预警 as JSON.
    Warning(Box<str>),
    /// A case 案件 as JSON.
    Case(Box<str>),
}

/// One event of the live stream.
#[derive(Debug, Clone)]
pub(crate) struct LiveEvent {
    /// Rises by one with every event since the start of the program.
    pub(crate) id: u64,
    /// Where it happened; ticks are for everyone.
    pub(crate) area: AreaId,
    pub(crate) payload: Arc<Payload>,
}

/// Hands events to all open screens.
#[derive(Debug)]
pub(crate) struct Hub {
    /// What changed since subscribers of other systems were last told.
    pub(crate) changes: Changes,
    kept: Mutex<Kept>,
    /// For programs that follow single streams and entities.
    pub(crate) news: News,
}

#[derive(Debug, Default)]
struct Kept {
    /// Gone once the program stops, which ends all live streams.
    sender: Option<broadcast::Sender<LiveEvent>>,
    next_id: u64,
    events: VecDeque<LiveEvent>,
}

impl Hub {
    /// `first_id` differs from run to run, so that an id of an earlier run is never taken for one
    /// of this run.
    pub(crate) fn new(first_id: u64) -> Self {
        let sender = Some(broadcast::channel(BEHIND_MAX).0);
        let kept = Kept { sender, next_id: first_id, events: VecDeque::new() };
        Self { changes: Changes::default(), news: News::default(), kept: Mutex::new(kept) }
    }

    /// Publishes to everyone who listens. Ticks are not kept: a screen that comes back gets the
    /// next one anyway.
    pub(crate) fn publish(&self, area: AreaId, payload: Payload) {
        let mut kept = self.kept.lock();
        let keep = !matches!(payload, Payload::Tick { .. });
        let event = LiveEvent { id: kept.next_id, area, payload: Arc::new(payload) };
        kept.next_id += 1;
        if keep {
            if kept.events.len() == KEPT_MAX {
                kept.events.pop_front();
            }
            kept.events.push_back(event.clone());
        }
        if let Some(sender) = &kept.sender {
            // No receiver is no fault: nobody is looking.
            let _ = sender.send(event);
        }
    }

    /// Ends all live streams.
    pub(crate) fn close(&self) {
        self.kept.lock().sender = None;
    }

    /// Events after `last_id` that are still kept, and everything from now on. `None` in the first
    /// place when the gap cannot be filled.
    pub(crate) fn listen(
        &self,
        last_id: Option<u64>,
    ) -> (Option<Vec<LiveEvent>>, broadcast::Receiver<LiveEvent>) {
        let kept = self.kept.lock();
        let receiver = match &kept.sender {
            Some(sender) => sender.subscribe(),
            // A channel whose sender is gone: the stream ends at once.
            None => broadcast::channel(1).1,
        };
        let Some(last) = last_id else { return (Some(Vec::new()), receiver) };
        let oldest = kept.events.front().map_or(kept.next_id, |e| e.id);
        let full = kept.events.len() == KEPT_MAX;
        let known = last < kept.next_id && (last + 1 >= oldest || !full) && last >= kept.first_id();
        let missed = known.then(|| kept.events.iter().filter(|e| e.id > last).cloned().collect());
        (missed, receiver)
    }
}

impl Kept {
    fn first_id(&self) -> u64 {
        // Ids of one run share their upper bits: the start time in ms, shifted.
        (self.next_id >> 20) << 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: Option<Vec<LiveEvent>>) -> Option<Vec<u64>> {
        list.map(|l| l.iter().map(|e| e.id).collect())
    }

    #[test]
    fn a_screen_that_comes_back_gets_what_it_missed() {
        let hub = Hub::new(5 << 20);
        for text in ["a", "b", "c"] {
            hub.publish(AreaId::ROOT, Payload::Case(text.into()));
        }
        let first = 5 << 20;
        assert_eq!(ids(hub.listen(Some(first)).0), Some(vec![first + 1, first + 2]));
        assert_eq!(ids(hub.listen(None).0), Some(vec![]));
    }

    #[test]
    fn an_id_of_an_earlier_run_asks_for_a_fresh_start() {
        let hub = Hub::new(5 << 20);
        hub.publish(AreaId::ROOT, Payload::Case("a".into()));
        assert_eq!(ids(hub.listen(Some(4 << 20)).0), None);
        assert_eq!(ids(hub.listen(Some(9 << 20)).0), None);
    }
}
