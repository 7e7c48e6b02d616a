//! What a restored state may speak of: no rule, pack, area or stream that is none. Not here: whether
//! what it says of them is right.

use chengmai_model::AreaId;
use chengmai_model::warning::{Subject, WarningChange};

use crate::warning::{CAUSE_END, Key};

/// How much there is of what a restored state speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) rules: usize,
    pub(crate) packs: usize,
    pub(crate) areas: usize,
    pub(crate) streams: usize,
}

impl Bounds {
    pub(super) fn hold_area(self, area: AreaId) -> bool {
        (area.0 as usize) < self.areas
    }

    /// A cause may be a device's number, which is not known here.
    pub(super) fn hold_key(self, key: Key) -> bool {
        usize::from(key.rule) < self.rules && key.cause < CAUSE_END
    }

    pub(super) fn hold_change(self, change: &WarningChange) -> bool {
        let subject = match change.subject {
            Subject::Stream(stream) => (stream.0 as usize) < self.streams,
            Subject::Indicator { area, .. } => self.hold_area(area),
            Subject::Group { pack } => usize::from(pack) < self.packs,
        };
        subject
            && usize::from(change.rule) < self.rules
            && self.hold_area(change.area)
            && change.evidence.iter().all(|it| (it.stream.0 as usize) < self.streams)
    }
}
