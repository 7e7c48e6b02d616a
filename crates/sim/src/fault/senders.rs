//! Those who send readings: each waits for its answer before it sends the next body, and sends the same
//! body again when it was refused or heard nothing.

use chengmai_model::{AreaCode, Timestamp};
use chengmai_store::disk::simulated::Dice;

use super::truth::{Body, NamedReading};
use super::world::{KINDS, TOWNS};

/// Senders of a run.
pub(crate) const SENDERS: usize = 4;
const DEVICES: usize = 4;
const READINGS_MAX: usize = 8;
/// Steps after which a sender gives up waiting.
const PATIENCE_STEPS: usize = 40;

/// One who sends.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    body: Option<Body>,
    /// The step at which it was sent; `None` when it is to be sent again.
    sent_at: Option<usize>,
}

/// All who send, and the numbering of what they send.
#[derive(Debug)]
pub(crate) struct Senders {
    list: Vec<Sender>,
    tickets: u32,
}

impl Senders {
    pub(crate) fn new() -> Self {
        Self { list: (0..SENDERS).map(|_| Sender::default()).collect(), tickets: 0 }
    }

    /// What this sender sends now, if it does not wait. `fresh` allows a new body.
    pub(crate) fn next(
        &mut self,
        sender: usize,
        step: usize,
        now: Timestamp,
        dice: &mut Dice,
        fresh: bool,
    ) -> Option<Body> {
        let state = &mut self.list[sender];
        match state.sent_at {
            Some(at) if state.body.is_some() && step - at < PATIENCE_STEPS => return None,
            _ => {}
        }
        if state.body.is_none() {
            if !fresh {
                return None;
            }
            self.tickets += 1;
            state.body = Some(body(sender, self.tickets, now, dice));
        }
        state.sent_at = Some(step);
        state.body.clone()
    }

    /// The answer came: it is safe.
    pub(crate) fn done(&mut self, sender: usize, body: &Body) {
        let state = &mut self.list[sender];
        if state.body.as_ref() == Some(body) {
            *state = Sender::default();
        }
    }

    /// The answer came: not now.
    pub(crate) fn refused(&mut self, sender: usize) {
        self.list[sender].sent_at = None;
    }

    /// All connections broke.
    pub(crate) fn cut_off(&mut self) {
        for sender in &mut self.list {
            sender.sent_at = None;
        }
    }

    /// Whether all have their answers.
    pub(crate) fn are_content(&self) -> bool {
        self.list.iter().all(|sender| sender.body.is_none())
    }
}

/// A device's name.
pub(crate) fn device(sender: usize, number: usize) -> String {
    format!("device-{sender}-{number}")
}

/// A device of anybody, drawn.
pub(crate) fn any_device(dice: &mut Dice) -> String {
    device(dice.below(SENDERS), dice.below(DEVICES))
}

/// A town, drawn.
pub(crate) fn any_town(dice: &mut Dice) -> AreaCode {
    AreaCode::new(TOWNS[dice.below(TOWNS.len())]).expect("towns have codes that are codes")
}

fn body(sender: usize, ticket: u32, now: Timestamp, dice: &mut Dice) -> Body {
    // No two bodies begin with the same value.
    let mark = f64::from(ticket) * 1e-6;
    let readings = (0..=dice.below(READINGS_MAX)).map(|index| {
        let late = match dice.below(10) {
            0 => dice.below(2_400_000),
            1..3 => dice.below(180_000),
            _ => dice.below(2_000),
        };
        let kind = KINDS[dice.below(2)];
        let value = value(kind, dice) + if index == 0 { mark } else { 0.0 };
        let device = device(sender, dice.below(DEVICES));
        let at = Timestamp(now.0 - i64::try_from(late).unwrap_or(0));
        NamedReading { device, kind, at, value }
    });
    Body { readings: readings.collect() }
}

fn value(kind: &str, dice: &mut Dice) -> f64 {
    let share = dice.below(1_000_000) as f64 / 1e6;
    match (kind, dice.below(8)) {
        (_, 0) => 3.0,
        (_, 1) => 200.0,
        ("level", _) => 50.0 + 50.0 * share,
        _ => 10.0 * share - 5.0,
    }
}
