//! Local days: the folders of the history. A folder only groups files for people and other tools;
//! queries go by the times in the manifest, so a changed offset between runs loses nothing.

use chengmai_model::time::DAY_MS;
use jiff::Span;
use jiff::civil::Date;

/// Number of the local day that holds `at`, counted from 1970-01-01, for a zone `offset_ms` east.
pub(crate) fn day_of(at: i64, offset_ms: i64) -> i64 {
    at.saturating_add(offset_ms).div_euclid(DAY_MS)
}

/// When a local day begins; of days at the ends of all time, when time begins.
pub(crate) fn start(day: i64, offset_ms: i64) -> i64 {
    day.saturating_mul(DAY_MS).saturating_sub(offset_ms)
}

/// `day=2026-11-21`. Days outside the calendar's years (-9999 to 9999) share its first or last one.
pub(crate) fn folder(day: i64) -> String {
    let epoch = Date::constant(1970, 1, 1);
    let date = Span::new()
        .try_days(day)
        .and_then(|span| epoch.checked_add(span))
        .unwrap_or(if day < 0 { Date::MIN } else { Date::MAX });
    format!("day={date}")
}
