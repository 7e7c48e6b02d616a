//! Changes that are done together. What goes into the records is one transaction; what goes to the journal
//! (readings, corrections, devices behind new Datastreams) is checked first and follows the moment that
//! transaction is done.
//!
//! So: any request that is refused leaves nothing of the whole. Only a program that ends, or a journal that
//! fails, between the two leaves the entities without the readings; the sender then has no answer, or one
//! that says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_model::{CorrectionOrder, Order, Reading, StreamId, Timestamp, error};
use chengmai_store::records::Records;
use chengmai_store::records::sensor_things::{SensorThings, Together};
use chengmai_wire::sensorthings::{Id, Kind};
use parking_lot::Mutex;

use super::read::View;
use super::registry;
use crate::api::corrections;
use crate::city::City;
use crate::http::access::Caller;
use crate::http::problem::{Answer, Problem};

/// Changes under way.
#[derive(Debug)]
pub(super) struct ChangeSet {
    together: Together,
    late: Mutex<Late>,
}

/// Where a reading belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Stream(StreamId),
    /// The stream that the device behind this Datastream will have.
    Datastream(i64),
    /// The one of that kind that the device behind this MultiDatastream will have.
    Part(i64, u16),
}

/// What is done when all else has been.
#[derive(Debug, Default)]
struct Late {
    binds: Vec<i64>,
    readings: Vec<(Whose, Timestamp, f64)>,
    corrections: Vec<CorrectionOrder>,
    news: Vec<(Kind, i64)>,
}

/// By what a reading of a stream that is not there yet is called until it is.
pub(super) fn pending(datastream: i64, at: Timestamp) -> Id {
    Id::Text(format!("{datastream}~{}", at.0))
}

impl ChangeSet {
    pub(super) async fn begin(city: &City) -> Answer<Self> {
        let together = city.records.sensor_things().together().await?;
        Ok(Self { together, late: Mutex::default() })
    }

    pub(super) fn things<'a>(&'a self, records: &'a Records) -> SensorThings<'a> {
        self.together.things(records)
    }

    pub(super) fn bind(&self, datastream: i64) {
        let mut late = self.late.lock();
        if !late.binds.contains(&datastream) {
            late.binds.push(datastream);
        }
    }

    pub(super) fn readings(&self, readings: impl IntoIterator<Item = (Whose, Timestamp, f64)>) {
        self.late.lock().readings.extend(readings);
    }

    pub(super) fn news(&self, kind: Kind, id: i64) {
        self.late.lock().news.push((kind, id));
    }

    pub(super) fn correct(&self, order: CorrectionOrder) -> Answer<()> {
        let mut late = self.late.lock();
        let again = |known: &CorrectionOrder| (known.stream, known.at) == (order.stream, order.at);
        if late.corrections.iter().any(again) {
            return Err(Problem::new(&error::CORRECTION_ROW, "the same reading twice"));
        }
        late.corrections.push(order);
        Ok(())
    }

    /// Does all of it. The ids that readings have now which had none before.
    pub(super) async fn commit(
        self,
        city: &Arc<City>,
        caller: &Caller,
    ) -> Answer<BTreeMap<String, Id>> {
        let Late { binds, readings, corrections, news } = self.late.into_inner();
        self.together.commit().await?;
        let view = View::new(city, caller);
        for datastream in binds {
            view.bind(datastream).await?;
        }
        let mut named = BTreeMap::new();
        let readings: Vec<Reading> = {
            let registry = city.registry.read();
            let one = |(whose, at, value)| match whose {
                Whose::Stream(stream) => Some(Reading { stream, at, value }),
                Whose::Part(multi, kind) => {
                    let stream = registry::part_stream(&registry, multi, kind)?;
                    Some(Reading { stream, at, value })
                }
                Whose::Datastream(id) => {
                    let stream = registry::backing_stream(&registry, id)?;
                    let reading = Reading { stream, at, value };
                    named.insert(
                        pending(id, at).to_string(),
                        registry::reading(stream, at, value).id,
                    );
                    Some(reading)
                }
            };
            readings.into_iter().filter_map(one).collect()
        };
        view.keep(readings).await?;
        if let Some(first) = corrections.first() {
            let note = corrections::note(city, first, corrections.len());
            city.orders(corrections.into_iter().map(Order::Correct).collect()).await?;
            city.records.audit().add(&note).await?;
        }
        for (kind, id) in news {
            city.hub.news.entity(kind, id);
        }
        Ok(named)
    }
}
