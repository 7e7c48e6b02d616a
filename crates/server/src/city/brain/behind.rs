//! What the brain tells history, which comes behind it: each frame whole, with the readings that were
//! corrected and the devices that moved. Writing it down is the archive's.

use chengmai_history::CorrectedReading;
use chengmai_model::stream::Registration;
use chengmai_model::{CorrectionOrder, DeviceId, Order};
use chengmai_store::order::Step;

use super::Brain;
use crate::city::archive::{ArchiveWork, Frame};

impl Brain {
    /// Devices that are in another area from this frame on.
    pub(super) fn moved(&self, list: &[Registration]) -> Vec<DeviceId> {
        let registry = self.registry.read();
        let moved = list.iter().filter_map(|registration| match registration {
            Registration::Update { id, spec } => {
                Some(*id).filter(|_| registry.is_next_move(*id, &spec.area))
            }
            _ => None,
        });
        moved.collect()
    }

    /// Readings and corrections that the engine has seen before the snapshot it was restored from.
    pub(crate) fn archive_only(&self, step: Step) {
        match step {
            Step::Readings { sequence, received_at, readings, .. } => {
                self.to_archive(Frame { sequence, received_at, readings, ..Frame::default() });
            }
            Step::Order { sequence, order, .. } => {
                let corrections = corrections_of(&order);
                self.to_archive(Frame { sequence, corrections, ..Frame::default() });
            }
            Step::Registrations { .. } | Step::Tick { .. } => {}
        }
    }

    pub(super) fn to_archive(&self, frame: Frame) {
        if self.archive.send(ArchiveWork::Frame(frame)).is_err() {
            tracing::error!("the archive stopped: charts will miss what is not in Parquet yet");
        }
    }
}

/// What an order means for rows of history.
pub(super) fn corrections_of(order: &Order) -> Vec<CorrectedReading> {
    match order {
        Order::Correct(CorrectionOrder { stream, at, old, new, .. }) => {
            vec![CorrectedReading { stream: *stream, at: *at, old: *old, new: *new }]
        }
        Order::Shelve { .. } | Order::Unshelve { .. } => Vec::new(),
    }
}
