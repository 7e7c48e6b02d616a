//! What the journal holds, and the bytes of each kind of payload.
//!
//! Readings are columns: one pass each over streams, times and values, no allocation per reading.
//! Times are offsets from the earliest in the smallest width that holds them all, which for a batch
//! of live readings is two or four bytes instead of eight. Registrations and orders are postcard:
//! their shape is frozen with the number of their frame kind, so a changed `Registration` or `Order`
//! needs a new number.

use chengmai_model::stream::Registration;
use chengmai_model::{Order, Reading, StreamId, Timestamp};

use crate::error::{Error, Result};

/// One entry, read back.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Changes of the registry, before any reading that needs them.
    Registrations(Vec<Registration>),
    /// A batch of readings that came in together.
    Readings {
        /// Number of the first reading; the others follow without gaps.
        position: u64,
        /// When the batch came in.
        received_at: Timestamp,
        /// The readings, in order of arrival.
        readings: Vec<Reading>,
    },
    /// What a person told the engine: the shelving of a rule, the correction of a reading.
    Order {
        /// When it was told.
        at: Timestamp,
        /// What.
        order: Order,
    },
    /// The engine was told the time: without it a replay would not give the same bits.
    Tick {
        /// The time it was told.
        now: Timestamp,
    },
}

/// One entry to write; borrows what [`Entry`] owns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EntryRef<'a> {
    /// See [`Entry::Registrations`].
    Registrations(&'a [Registration]),
    /// See [`Entry::Readings`].
    Readings {
        /// Number of the first reading; must be the journal's next position.
        position: u64,
        /// When the batch came in.
        received_at: Timestamp,
        /// The readings, in order of arrival.
        readings: &'a [Reading],
    },
    /// See [`Entry::Order`].
    Order {
        /// When it was told.
        at: Timestamp,
        /// What.
        order: &'a Order,
    },
    /// See [`Entry::Tick`].
    Tick {
        /// The time the engine was told.
        now: Timestamp,
    },
}

/// The kind byte of a frame. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Readings = 1,
    Registrations = 2,
    Tick = 3,
    Order = 4,
    /// An order of a shape that frames of kind 4 did not have: older programs must refuse it.
    Correction = 5,
}

impl FrameKind {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Readings),
            2 => Some(Self::Registrations),
            3 => Some(Self::Tick),
            4 => Some(Self::Order),
            5 => Some(Self::Correction),
            _ => None,
        }
    }
}

impl EntryRef<'_> {
    pub(crate) const fn kind(&self) -> FrameKind {
        match self {
            Self::Registrations(_) => FrameKind::Registrations,
            Self::Readings { .. } => FrameKind::Readings,
            Self::Tick { .. } => FrameKind::Tick,
            Self::Order { order: Order::Correct(_), .. } => FrameKind::Correction,
            Self::Order { .. } => FrameKind::Order,
        }
    }

    /// Appends the payload to `buffer`.
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Registrations(list) => {
                postcard::to_io(list, &mut *buffer)?;
            }
            Self::Readings { position, received_at, readings } => {
                encode_readings(buffer, *position, *received_at, readings)?;
            }
            Self::Order { at, order } => {
                postcard::to_io(&(at, order), &mut *buffer)?;
            }
            Self::Tick { now } => buffer.extend_from_slice(&now.0.to_le_bytes()),
        }
        Ok(())
    }
}

/// Fixed part of a readings payload: position u64, received_at i64, earliest at i64, count u32,
/// width of a time offset u8, three zero bytes. Then streams, offsets, values.
const READINGS_HEADER_BYTES: usize = 32;

fn encode_readings(
    buffer: &mut Vec<u8>,
    position: u64,
    received_at: Timestamp,
    readings: &[Reading],
) -> Result<()> {
    let count = u32::try_from(readings.len())
        .map_err(|_overflow| Error::TooLarge { bytes: size_of_val(readings) })?;
    let (base, width) = offsets_of(readings);
    buffer.extend_from_slice(&position.to_le_bytes());
    buffer.extend_from_slice(&received_at.0.to_le_bytes());
    buffer.extend_from_slice(&base.to_le_bytes());
    buffer.extend_from_slice(&count.to_le_bytes());
    buffer.extend_from_slice(&[width, 0, 0, 0]);
    put(buffer, readings, |r| r.stream.0.to_le_bytes());
    let offset = |r: &Reading| r.at.0.wrapping_sub(base).to_le_bytes();
    match width {
        0 => {}
        1 => put(buffer, readings, |r| first_bytes::<1>(offset(r))),
        2 => put(buffer, readings, |r| first_bytes::<2>(offset(r))),
        4 => put(buffer, readings, |r| first_bytes::<4>(offset(r))),
        _ => put(buffer, readings, offset),
    }
    put(buffer, readings, |r| r.value.to_le_bytes());
    Ok(())
}

/// The earliest time of a batch and the bytes that hold the distance of the latest from it.
fn offsets_of(readings: &[Reading]) -> (i64, u8) {
    let Some(first) = readings.first() else { return (0, 0) };
    let (mut low, mut high) = (first.at.0, first.at.0);
    for reading in readings {
        low = low.min(reading.at.0);
        high = high.max(reading.at.0);
    }
    let width = match high.abs_diff(low) {
        0 => 0,
        1..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
    };
    (low, width)
}

/// One column: `N` bytes of each reading. Sized first and filled after, so that the loop has no
/// capacity check and becomes vector code.
fn put<const N: usize>(
    buffer: &mut Vec<u8>,
    readings: &[Reading],
    bytes_of: impl Fn(&Reading) -> [u8; N],
) {
    let start = buffer.len();
    buffer.resize(start + readings.len() * N, 0);
    let (cells, _) = buffer[start..].as_chunks_mut::<N>();
    for (cell, reading) in cells.iter_mut().zip(readings) {
        *cell = bytes_of(reading);
    }
}

fn first_bytes<const N: usize>(bytes: [u8; 8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// Position and count of a readings payload, without its columns.
pub(crate) fn readings_extent(payload: &[u8]) -> Option<(u64, u32)> {
    let position = u64::from_le_bytes(*payload.first_chunk()?);
    let count = u32::from_le_bytes(*payload.get(24..)?.first_chunk()?);
    Some((position, count))
}

/// Decodes a payload whose checksum was right. `Err` says what does not fit.
pub(crate) fn decode(kind: FrameKind, payload: &[u8]) -> Result<Entry, &'static str> {
    match kind {
        FrameKind::Readings => decode_readings(payload).ok_or("the columns do not fit the count"),
        FrameKind::Registrations => match postcard::take_from_bytes(payload) {
            Ok((list, [])) => Ok(Entry::Registrations(list)),
            Ok(_) => Err("bytes behind the last registration"),
            Err(_malformed) => Err("a registration does not decode"),
        },
        FrameKind::Order | FrameKind::Correction => match postcard::take_from_bytes(payload) {
            Ok(((at, order), [])) => Ok(Entry::Order { at, order }),
            Ok(_) => Err("bytes behind the order"),
            Err(_malformed) => Err("an order does not decode"),
        },
        FrameKind::Tick => <[u8; 8]>::try_from(payload)
            .map(|bytes| Entry::Tick { now: Timestamp(i64::from_le_bytes(bytes)) })
            .map_err(|_length| "a tick has eight bytes"),
    }
}

fn decode_readings(payload: &[u8]) -> Option<Entry> {
    let (position, count) = readings_extent(payload)?;
    let received_at = Timestamp(i64::from_le_bytes(*payload.get(8..)?.first_chunk()?));
    let base = i64::from_le_bytes(*payload.get(16..)?.first_chunk()?);
    let width = usize::from(*payload.get(28)?);
    let count = usize::try_from(count).ok()?;
    let columns = payload.get(READINGS_HEADER_BYTES..)?;
    if ![0, 1, 2, 4, 8].contains(&width) || columns.len() != count.checked_mul(12 + width)? {
        return None;
    }
    let (streams, rest) = columns.split_at(count * 4);
    let (offsets, values) = rest.split_at(count * width);
    let (streams, _) = streams.as_chunks::<4>();
    let (values, _) = values.as_chunks::<8>();
    let mut readings: Vec<Reading> = streams
        .iter()
        .zip(values)
        .map(|(stream, value)| Reading {
            stream: StreamId(u32::from_le_bytes(*stream)),
            at: Timestamp(base),
            value: f64::from_le_bytes(*value),
        })
        .collect();
    match width {
        0 => {}
        1 => add_offsets::<1>(&mut readings, offsets, base),
        2 => add_offsets::<2>(&mut readings, offsets, base),
        4 => add_offsets::<4>(&mut readings, offsets, base),
        _ => add_offsets::<8>(&mut readings, offsets, base),
    }
    Some(Entry::Readings { position, received_at, readings })
}

fn add_offsets<const N: usize>(readings: &mut [Reading], offsets: &[u8], base: i64) {
    let (cells, _) = offsets.as_chunks::<N>();
    for (reading, cell) in readings.iter_mut().zip(cells) {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(cell);
        reading.at = Timestamp(base.wrapping_add(i64::from_le_bytes(bytes)));
    }
}
