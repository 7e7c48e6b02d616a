//! Time as the program keeps it: whole milliseconds since 1970-01-01T00:00:00Z. Finer times are
//! rounded down at the edge. Nothing here reads a clock: "now" is always an argument.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// One second in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// One day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The start of the tumbling window of `width_ms` that holds this moment, for a zone
    /// `offset_ms` east of UTC (days begin at local midnight).
    pub const fn window_start(self, width_ms: i64, offset_ms: i64) -> Self {
        Self((self.0 + offset_ms).div_euclid(width_ms) * width_ms - offset_ms)
    }

    /// This moment moved by `ms` milliseconds; saturates at the ends of the range.
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// From an RFC 3339 text with zone (`2026-11-21T03:04:05.678Z`, `+08:00`).
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// RFC 3339 in UTC with milliseconds.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| format!("{}ms", self.0), |t| format!("{t:.3}"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Milliseconds of a typed duration: `500ms`, `30s`, `5m`, `1h30m`, `2d`.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| n > 0)?;
        let amount: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => SECOND_MS,
            "m" | "min" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        total = total.checked_add(amount.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

/// The shortest typed duration that means `ms`: 90 min is `1h30m`.
pub fn format_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut rest = ms.unsigned_abs();
    let mut text = if ms < 0 { "-".to_owned() } else { String::new() };
    for (unit, width) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if rest >= width {
            write!(text, "{}{unit}", rest / width).expect("writing to a string cannot fail");
            rest %= width;
        }
    }
    if rest > 0 {
        write!(text, "{rest}ms").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_at_local_midnight() {
        let noon = Timestamp::parse_rfc3339("2026-11-21T12:00:00+08:00").unwrap();
        let day = noon.window_start(DAY_MS, 8 * HOUR_MS);
        assert_eq!(day.to_rfc3339(), "2026-11-20T16:00:00.000Z");
        assert_eq!(Timestamp(-1).window_start(MINUTE_MS, 0), Timestamp(-MINUTE_MS));
    }

    #[test]
    fn durations_read_back_as_they_were_written() {
        for text in ["500ms", "30s", "5m", "1h30m", "2d", "1d2h3m4s5ms"] {
            assert_eq!(format_duration(parse_duration_ms(text).unwrap()), text);
        }
        for bad in ["", "5", "m", "5x", "5m3", "-5m", "99999999999999999999s"] {
            assert_eq!(parse_duration_ms(bad), None, "{bad}");
        }
    }
}
