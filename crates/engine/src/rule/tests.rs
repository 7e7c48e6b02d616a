//! Every type of rule, as a table: a reading (or tick) a line, and what the engine says to it.

use crate::testing::{check_rule, check_script, engine, kind, register, rule};

const SETPOINT: &str = r#"
alarm = { when = "value >= 20", clear = "value < 15" }
grade = [ { severity = 1, when = "value >= 20" }, { severity = 3, when = "value >= 50" } ]
"#;

#[test]
fn a_set_point_enters_at_when_and_leaves_at_clear() {
    check_rule(
        "",
        SETPOINT,
        "
        0s 19.9:
        1m 20: alarm 20, warning 1 of 1
        2m 16:
        3m 50: warning now 3 of 3
        4m 25:
        5m 14.9: alarm off 14.9, warning off 3 of 5
        6m 21: alarm 21, warning again 1 of 6
        ",
    );
}

#[test]
fn without_clear_it_leaves_when_the_condition_no_longer_holds() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20" }
           grade = [ { severity = 2, when = "value >= 20" } ]"#,
        "
        0s 30: alarm 30, warning 2 of 1
        1m 19: alarm off 19, warning off 2 of 2
        ",
    );
}

#[test]
fn delays_by_count_want_consecutive_readings() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", clear = "value < 15", for = "2 readings", clear_for = "2 readings" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "
        0s 20:
        1m 10:
        2m 20:
        3m 21: alarm 21, warning 1 of 2
        4m 10:
        5m 16:
        6m 10:
        7m 10: alarm off 10, warning off 1 of 6
        ",
    );
}

#[test]
fn delays_by_time_want_the_condition_to_last() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", for = "90s", clear_for = "2m" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "
        0s 20:
        1m 20:
        2m 20: alarm 20, warning 1 of 3
        3m 10:
        4m 10:
        5m 10: alarm off 10, warning off 1 of 6
        ",
    );
}

#[test]
fn a_milder_grade_counts_only_after_the_off_delay() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", clear = "value < 15", clear_for = "2 readings" }
           grade = [ { severity = 1, when = "value >= 20" }, { severity = 2, when = "value >= 25" }, { severity = 4, when = "value >= 50" } ]"#,
        "
        0s 60: alarm 60, warning 4 of 1
        1m 22:
        2m 55:
        3m 30:
        4m 22: warning now 2 of 5
        5m 16:
        6m 17: warning now 1 of 7
        7m 10:
        8m 10: alarm off 10, warning off 1 of 8
        ",
    );
}

#[test]
fn a_recheck_wants_n_of_the_last_m_readings() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", clear = "value < 5" }
           recheck = { need = "2 of 3 within 10m" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "
        0s 20: alarm 20
        1m 10:
        2m 10:
        3m 21:
        4m 22: warning 1 of 5
        ",
    );
}

#[test]
fn readings_older_than_the_span_do_not_count_in_a_recheck() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", clear = "value < 5" }
           recheck = { need = "2 of 3 within 10m" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "
        0s 20: alarm 20
        20m 20:
        29m 20: warning 1 of 3
        ",
    );
}

#[test]
fn a_suspect_device_raises_no_warning_until_it_is_healthy() {
    check_rule(
        r#"stuck_after = "2m""#,
        r#"alarm = { when = "value >= 20" }
           recheck = { healthy = true }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "
        0s 10:
        1m 10:
        2m 10: stuck
        3m 30: healthy, alarm 30, warning 1 of 1
        4m 10: alarm off 10, warning off 1 of 2
        10m tick: offline
        11m 30: online, alarm 30
        12m 31: warning again 1 of 4
        ",
    );
}

#[test]
fn a_rate_is_per_minute_between_the_last_two_readings() {
    check_rule(
        "",
        r#"alarm = { when = "rate <= -2", clear = "rate >= 0" }
           grade = [ { severity = 2, when = "rate <= -2" } ]"#,
        "
        0s 50:
        30s 49.5:
        1m 48.4: alarm 48.4, warning 2 of 1
        2m 48:
        3m 48.1: alarm off 48.1, warning off 2 of 3
        ",
    );
}

#[test]
fn a_slope_looks_back_over_its_span() {
    check_rule(
        "",
        r#"alarm = { when = "slope('3m') > 1", clear = "slope('3m') <= 0" }
           grade = [ { severity = 1, when = "value >= 0" } ]"#,
        "
        0s 10:
        1m 10.5:
        2m 11:
        3m 15: alarm 15, warning 1 of 1
        4m 15:
        5m 15:
        6m 15: alarm off 15, warning off 1 of 4
        7m 15:
        ",
    );
}

#[test]
fn silence_is_an_alarm_of_the_tick_and_ends_with_a_reading() {
    check_rule(
        "",
        r#"alarm = { when = "silent_for('10m')" }
           grade = [ { severity = 1, when = "silent_for('10m')" }, { severity = 2, when = "silent_for('1h')" } ]"#,
        "
        0s 5:
        3m tick: offline
        9m59s tick:
        10m tick: alarm 5, warning 1 of 0
        11m tick:
        1h tick: warning now 2 of 0
        61m 6: online, alarm off 6, warning off 2 of 1
        62m 6:
        ",
    );
}

#[test]
fn a_silence_that_is_over_can_begin_again_with_another_identity() {
    let kinds = kind("k", "");
    let rules = rule(
        "r",
        r#"alarm = { when = "silent_for('5m')" }
           grade = [ { severity = 1, when = "silent_for('5m')" } ]"#,
    );
    let mut engine = engine(&[("kinds.toml", &kinds), ("rules.toml", &rules)]);
    register(&mut engine, "k", "T1");
    check_script(
        &mut engine,
        "
        0s 5:
        6m tick: offline, alarm 5, warning 1 of 0
        7m 5: online, alarm off 5, warning off 1 of 1
        18m tick: offline, alarm 5, warning 1 of 1
        ",
    );
}

#[test]
fn the_same_value_for_too_long_is_an_alarm() {
    check_rule(
        "",
        r#"alarm = { when = "stuck_for('3m')" }
           grade = [ { severity = 1, when = "stuck_for('3m')" } ]"#,
        "
        0s 5:
        1m 6:
        2m 6:
        3m 6:
        4m 6: alarm 6, warning 1 of 1
        5m 6:
        6m 7: alarm off 7, warning off 1 of 3
        ",
    );
}

#[test]
fn alarms_of_one_area_make_one_warning() {
    check_rule(
        "",
        r#"alarm = { when = "value >= 20", clear = "value < 15" }
           cause = "area"
           grade = [ { severity = 1, when = "value >= 20" }, { severity = 3, when = "value >= 50" } ]"#,
        "
        0s #0 25: alarm 25, warning 1 of 1
        0s #1 30: alarm 30
        1m #1 60: warning now 3 of 2
        1m #2 55: alarm 55
        2m #1 10: alarm off 10
        2m #2 10: alarm off 10, warning now 1 of 2
        3m #0 10: alarm off 10, warning off 1 of 2
        ",
    );
}

#[test]
fn an_old_reading_changes_no_alarm() {
    check_rule(
        "",
        SETPOINT,
        "
        5m 10:
        4m 90:
        6m 20: alarm 20, warning 1 of 1
        5m 1:
        6m 20:
        ",
    );
}

#[test]
fn a_value_outside_the_range_is_a_fault_of_the_device() {
    check_rule(
        "",
        SETPOINT,
        "
        0s 10:
        1m 101: out of range
        2m -1:
        3m NaN:
        4m 30: healthy, alarm 30, warning 1 of 1
        ",
    );
}
