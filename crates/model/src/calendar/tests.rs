//! Limits and hours as texts.

use super::*;

#[test]
fn limits_read_back_as_they_were_written() {
    for unit in LimitUnit::ALL {
        let limit = Limit::new(30, unit);
        assert_eq!(Limit::parse(&limit.to_string()), Some(limit));
        assert_eq!(serde_json::to_value(limit).unwrap(), limit.to_string());
        assert_eq!(serde_json::to_value(unit).unwrap(), unit.word());
    }
    assert_eq!(Limit::parse(" 5  work_day "), Some(Limit::new(5, LimitUnit::WorkDay)));
    assert_eq!(
        Limit::new(1, LimitUnit::UrgentHour).name(),
        Text::new("1 紧急工作时", "1 urgent hour")
    );
    assert_eq!(Limit::new(2, LimitUnit::WorkDay).name().en, "2 working days");
    let bads = [
        "",
        "1",
        "hour",
        "0 work_day",
        "-1 work_day",
        "+1 work_day",
        "1 hour",
        "1 work_day x",
        "10000 work_day",
    ];
    for bad in bads {
        assert_eq!(Limit::parse(bad), None, "{bad}");
    }
}

#[test]
fn hours_read_back_as_they_were_written() {
    for text in [
        "08:00-12:00 14:00-18:00",
        "always",
        "00:00-06:00 22:00-24:00",
        "09:00-17:00; fri 09:00-12:30; sat 10:00-12:00",
        "09:00-17:00; mon-wed closed; sat-sun 10:00-12:00; holiday 10:00-11:00",
    ] {
        let hours = WorkHours::parse(text).unwrap();
        assert_eq!(hours.to_string(), text);
        let json = serde_json::to_value(&hours).unwrap();
        assert_eq!(serde_json::from_value::<WorkHours>(json).unwrap(), hours);
    }
    for bad in [
        "",
        "closed",
        "8:00-12:00",
        "08:00-08:00",
        "18:00-08:00",
        "08:00-25:00",
        "08:00-24:01",
        "08:00-12:60",
        "08:00-12:00 12:00-13:00",
        "14:00-18:00 08:00-12:00",
        "08:00-12:00; friday 08:00-10:00",
        "08:00-12:00; fri-mon 08:00-10:00",
        "08:00-12:00; fri closed; thu-sat closed",
        "08:00-12:00; holiday closed; holiday closed",
        "08:00-12:00; fri",
        "08:00-12:00;",
    ] {
        assert_eq!(WorkHours::parse(bad), None, "{bad}");
    }
}

#[test]
fn days_are_named_alone_or_as_first_and_last() {
    let days = |text| parse_days(text).map(|days| days.len());
    assert_eq!(days("2026-10-01"), Some(1));
    assert_eq!(days("2026-10-01..2026-10-07"), Some(7));
    for bad in [
        "",
        "2026-10-1",
        "2026-02-29",
        "2026-10-07..2026-10-01",
        "2026-01-01..2030-01-01",
        "2026-10-01T00:00:00",
    ] {
        assert_eq!(days(bad), None, "{bad}");
    }
}
