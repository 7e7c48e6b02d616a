//! US Eastern local times, as both cities write them, to time stamps.
//!
//! The zone is given as a rule, not looked up in a database, so that the same file gives the same times
//! on every machine. The rule holds since March 2007; earlier years are refused, not read wrongly.

use chengmai_model::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const YEAR_MIN: i16 = 2008;

pub(super) struct Eastern(TimeZone);

impl Eastern {
    pub(super) fn new() -> Self {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0");
        Self(zone.expect("the rule is well formed"))
    }

    /// Reads `2022-01-03 08:30:00`, `2019-12-31T23:59:11.000` and `05/01/2022 12:00:03 AM`. An hour
    /// that is skipped in spring counts as the one after, one that comes twice in autumn as the first.
    pub(super) fn parse(&self, text: &str) -> Option<Timestamp> {
        let local: DateTime = if text.contains('/') {
            DateTime::strptime("%m/%d/%Y %I:%M:%S %p", text).ok()?
        } else {
            text.parse().ok()?
        };
        if local.year() < YEAR_MIN {
            return None;
        }
        let time = self.0.to_timestamp(local).ok()?;
        Some(Timestamp(time.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<String> {
        Eastern::new().parse(text).map(Timestamp::to_rfc3339)
    }

    #[test]
    fn the_three_spellings_are_read_in_winter_and_summer_time() {
        assert_eq!(utc("2022-01-03 08:30:00").unwrap(), "2022-01-03T13:30:00.000Z");
        assert_eq!(utc("2019-12-31T23:59:11.000").unwrap(), "2020-01-01T04:59:11.000Z");
        assert_eq!(utc("05/01/2022 12:00:03 AM").unwrap(), "2022-05-01T04:00:03.000Z");
        assert_eq!(utc("05/01/2022 12:00:03 PM").unwrap(), "2022-05-01T16:00:03.000Z");
    }

    #[test]
    fn the_hours_of_the_change_are_read_as_said() {
        assert_eq!(utc("2022-03-13 02:30:00").unwrap(), "2022-03-13T07:30:00.000Z");
        assert_eq!(utc("2022-11-06 01:30:00").unwrap(), "2022-11-06T05:30:00.000Z");
    }

    #[test]
    fn what_is_no_such_time_is_refused() {
        for bad in
            ["", "soon", "2022-02-30 00:00:00", "2006-01-01 00:00:00", "13/01/2022 01:00:00 AM"]
        {
            assert_eq!(utc(bad), None, "{bad}");
        }
    }
}
