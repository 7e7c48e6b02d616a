//! Readings of a gateway that has asked once for the numbers of its streams: columns of numbers, no
//! text. 16 bytes a reading instead of some 75, and nothing to look up.
//!
//! Body, little endian: magic `CMG1`, count u32, base i64 (milliseconds since 1970), then `count`
//! times stream u32, `count` times milliseconds after the base u32, `count` times value f64. The
//! count must fit the length exactly. Places in faults are the readings' numbers from 1.
//!
//! What it is not: self-describing. A number means what the city said it means, for ever; a gateway
//! keeps its list and asks again when a number is refused.

use chengmai_model::error::{MALFORMED, NOT_FINITE};
use chengmai_model::{Reading, StreamId, Timestamp};

use crate::error::{Fault, place};

const MAGIC: [u8; 4] = *b"CMG1";
const HEAD_BYTES: usize = 16;
/// Where the base stands in a body, for a sender that keeps bodies ready.
pub const BASE_AT: usize = 8;
const READING_BYTES: usize = 16;

/// Hands every reading of `body` to `take` with its number from 1, and what is not finite to
/// `refuse`.
///
/// # Errors
/// One fault for the whole body when its head or its length is wrong; nothing was handed over then.
pub fn decode(
    body: &[u8],
    mut take: impl FnMut(Reading, u32),
    mut refuse: impl FnMut(Fault),
) -> Result<(), Fault> {
    let (head, columns) = body
        .split_first_chunk::<HEAD_BYTES>()
        .ok_or_else(|| malformed("正文不足 16 字节", "the body has less than 16 bytes"))?;
    if head[..4] != MAGIC {
        return Err(malformed("正文不以 CMG1 开头", "the body does not begin with CMG1"));
    }
    let [_, _, _, _, c0, c1, c2, c3, b0, b1, b2, b3, b4, b5, b6, b7] = *head;
    let count = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
    let base = i64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
    if count.checked_mul(READING_BYTES) != Some(columns.len()) {
        return Err(malformed("读数个数与长度不符", "the count does not fit the length"));
    }
    let (streams, rest) = columns.split_at(count * 4);
    let (times, values) = rest.split_at(count * 4);
    let rows = streams.as_chunks().0.iter().zip(times.as_chunks().0).zip(values.as_chunks().0);
    for (number, ((stream, after), value)) in (1..).zip(rows) {
        let value = f64::from_le_bytes(*value);
        if !value.is_finite() {
            refuse(Fault::new(number, 0, &NOT_FINITE, NOT_FINITE.zh, NOT_FINITE.en));
            continue;
        }
        let at = Timestamp(base.saturating_add(i64::from(u32::from_le_bytes(*after))));
        take(Reading { stream: StreamId(u32::from_le_bytes(*stream)), at, value }, number);
    }
    Ok(())
}

/// A body of these readings, for clients. `None` when they span more than 49 days.
pub fn encode(readings: &[Reading]) -> Option<Vec<u8>> {
    let base = readings.iter().map(|reading| reading.at.0).min().unwrap_or(0);
    let mut body = Vec::with_capacity(HEAD_BYTES + readings.len() * READING_BYTES);
    body.extend_from_slice(&MAGIC);
    body.extend_from_slice(&u32::try_from(readings.len()).ok()?.to_le_bytes());
    body.extend_from_slice(&base.to_le_bytes());
    for reading in readings {
        body.extend_from_slice(&reading.stream.0.to_le_bytes());
    }
    for reading in readings {
        let after = u32::try_from(reading.at.0.checked_sub(base)?).ok()?;
        body.extend_from_slice(&after.to_le_bytes());
    }
    for reading in readings {
        body.extend_from_slice(&reading.value.to_le_bytes());
    }
    Some(body)
}

#[cold]
fn malformed(zh: &'static str, en: &'static str) -> Fault {
    Fault::new(0, place(1), &MALFORMED, zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &[u8]) -> Result<(Vec<Reading>, Vec<u32>), Fault> {
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        decode(body, |reading, _| taken.push(reading), |fault| refused.push(fault.line))?;
        Ok((taken, refused))
    }

    fn some() -> Vec<Reading> {
        let reading =
            |stream, at, value| Reading { stream: StreamId(stream), at: Timestamp(at), value };
        vec![
            reading(7, 1_790_000_000_123, 2.5),
            reading(u32::MAX, 1_790_000_060_000, -0.0),
            reading(0, 1_790_000_000_122, f64::MIN_POSITIVE),
        ]
    }

    #[test]
    fn what_is_encoded_decodes_equal() {
        for readings in [some(), Vec::new()] {
            assert_eq!(decoded(&encode(&readings).unwrap()), Ok((readings, Vec::new())));
        }
        let mut apart = some();
        apart[1].at = Timestamp(apart[0].at.0 + (1 << 33));
        assert_eq!(encode(&apart), None, "the span must fit 32 bits");
    }

    #[test]
    fn what_is_not_finite_is_refused_by_number_and_the_rest_is_taken() {
        let mut readings = some();
        readings[1].value = f64::NAN;
        let (taken, refused) = decoded(&encode(&readings).unwrap()).unwrap();
        assert_eq!((taken.len(), refused), (2, vec![2]));
    }

    #[test]
    fn a_body_that_is_cut_or_longer_than_it_says_is_refused_whole() {
        let body = encode(&some()).unwrap();
        for end in 0..body.len() {
            assert!(decoded(&body[..end]).is_err(), "cut at {end}");
        }
        let longer = [&body[..], b"x"].concat();
        assert!(decoded(&longer).unwrap_err().reason.en.contains("count"));
        let mut other = body;
        other[0] = b'X';
        assert!(decoded(&other).unwrap_err().reason.en.contains("CMG1"));
    }
}
