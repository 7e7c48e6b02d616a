//! After a correction took out the smallest, greatest or newest value of a cell, the cell is told its
//! readings again from history, so that what is shown above it is certain again within seconds.
//!
//! Not here: what a cell holds (`engine`), which decides whether these are its readings. One that was
//! refused (a reading came in between, or its device has moved since) is tried again until its window
//! closes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chengmai_engine::Refill;
use chengmai_history::{Error, ReadingsQuery};
use chengmai_model::{StreamId, Timestamp};

use super::City;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Cells told again at one look.
const CELLS_MAX: usize = 64;

/// Runs as long as the city does.
pub(super) async fn run(city: Weak<City>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        look.tick().await;
        let Some(city) = city.upgrade() else { return };
        let mut cells = city.engine.read().inexact();
        if cells.is_empty() {
            continue;
        }
        // Cells that are refused each time must not stand before all others.
        let first = turn % cells.len();
        cells.rotate_left(first);
        turn = first + CELLS_MAX;
        let told = tokio::task::spawn_blocking(move || {
            cells.iter().take(CELLS_MAX).try_for_each(|cell| tell(&city, cell))
        });
        match told.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a corrected cell could not be told again"),
            Err(error) => tracing::error!(%error, "telling corrected cells again ended early"),
        }
    }
}

/// Tells one cell its readings. Whether it took them it says itself: it is not inexact any more.
fn tell(city: &Arc<City>, cell: &Refill) -> Result<(), Error> {
    let mut readings: Vec<(Timestamp, f64)> = Vec::new();
    for (device, stream, kind) in streams(city, cell) {
        let found = city.history.readings(&ReadingsQuery {
            device: &device,
            streams: &[(stream, &kind)],
            from: cell.start,
            to: cell.start.plus_ms(cell.width_ms),
            limit: usize::MAX,
            within: None,
        })?;
        readings.extend(found.iter().map(|reading| (reading.at, reading.value)));
    }
    city.engine.write().refill(cell, &readings);
    Ok(())
}

/// The streams of a kind whose devices are in the cell's own area now.
fn streams(city: &City, cell: &Refill) -> Vec<(String, StreamId, String)> {
    let kind = city.engine.read().catalog().kind(cell.kind).kind.id.clone();
    let registry = city.registry.read();
    let Some(index) = registry.kind_index(&kind) else { return Vec::new() };
    let here = registry.devices(cell.area).filter(|(_, device)| device.area() == cell.area);
    let stream = |(id, device): (_, super::registry::Device<'_>)| {
        Some((device.name().to_owned(), registry.stream_of(id, index)?, kind.clone()))
    };
    here.filter_map(stream).collect()
}
