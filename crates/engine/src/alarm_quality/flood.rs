//! Floods in a list of moments: more than so many within a slot, until fewer than so many. Not here:
//! what is done against one while it lasts (the screen).

use super::{Goals, LoadSpan};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Floods {
    pub(super) begun: u64,
    pub(super) ms: i64,
    /// Most within one slot.
    pub(super) peak: u64,
}

/// `times` ascending, all within the span.
pub(super) fn floods(times: &[i64], span: LoadSpan, goals: &Goals) -> Floods {
    let mut found = Floods::default();
    let mut since: Option<i64> = None;
    // First moment that still lies within the slot.
    let mut oldest = 0;
    for (newest, &at) in times.iter().enumerate() {
        while times[oldest] + goals.slot_ms <= at {
            let leaves = times[oldest] + goals.slot_ms;
            oldest += 1;
            // What comes in the very moment that another leaves is counted already.
            let left = newest - oldest + usize::from(leaves == at);
            if left < goals.flood_ends
                && let Some(begun) = since.take()
            {
                found.ms += leaves - begun;
            }
        }
        let within = newest - oldest + 1;
        found.peak = found.peak.max(within as u64);
        if within > goals.flood_begins && since.is_none() {
            since = Some(at);
            found.begun += 1;
        }
    }
    if let Some(begun) = since {
        // It ends when all but `flood_ends - 1` of the last ones have left the slot.
        let last = times.len().saturating_sub(goals.flood_ends.max(1));
        let ends = times.get(last).map_or(span.to.0, |at| at + goals.slot_ms);
        found.ms += ends.min(span.to.0) - begun;
    }
    found
}
