//! The real files, and lines made to be refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chengmai_model::testing::shared_data;

use super::*;
use crate::error::assert_text;

fn read_shared(source: Source, name: &str) -> Option<Decoded<ImportedCase>> {
    let path = shared_data(&format!("service-requests-us/{name}"))?;
    Some(decode(source, &std::fs::read(path).unwrap()))
}

fn outline(decoded: &Decoded<ImportedCase>) -> String {
    let rows = &decoded.rows;
    let count = |test: &dyn Fn(&ImportedCase) -> bool| rows.iter().filter(|c| test(c)).count();
    let first = rows.iter().map(|c| c.opened_at).min().unwrap();
    let last = rows.iter().map(|c| c.opened_at).max().unwrap();
    let mut text = format!(
        "cases {} closed {} with_due {} placed {}\nopened {first} to {last}\n",
        rows.len(),
        count(&|c| c.status == ImportedStatus::Closed),
        count(&|c| c.due_at.is_some()),
        count(&|c| c.position.is_some()),
    );
    let mut agencies = BTreeMap::<&str, usize>::new();
    for case in rows {
        *agencies.entry(&case.agency).or_default() += 1;
    }
    writeln!(text, "agencies {agencies:?}").unwrap();
    for fault in &decoded.faults {
        writeln!(text, "{fault}").unwrap();
    }
    text
}

#[test]
fn new_york_is_read_in_all_three_spellings() {
    let Some(burst) = read_shared(Source::Nyc, "nyc311_2019-12-31_evening.csv") else { return };
    assert_text(
        &outline(&burst),
        r#"cases 999 closed 997 with_due 3 placed 986
        opened 2019-12-31T23:52:55.000Z to 2020-01-01T04:59:11.000Z
        agencies {"DCA": 5, "DEP": 34, "DOB": 30, "DOHMH": 12, "DOT": 42, "DPR": 5, "DSNY": 58, "EDC": 13, "HPD": 145, "NYPD": 634, "TLC": 21}
        line 330, byte 166: E-407 nyc:45285518: not closed, but has a closing time"#,
    );
    let Some(part) = read_shared(Source::Nyc, "nyc311_2022-05-01_part.csv") else { return };
    assert_text(
        &outline(&part),
        r#"cases 924 closed 480 with_due 0 placed 913
        opened 2022-05-01T04:00:03.000Z to 2022-05-01T06:06:26.000Z
        agencies {"DHS": 4, "DOHMH": 8, "DOT": 10, "DPR": 1, "DSNY": 10, "EDC": 2, "NYPD": 885, "TLC": 4}"#,
    );
    let Some(sample) = read_shared(Source::Nyc, "nyc311_2025-01_sample.csv") else { return };
    assert_text(
        &outline(&sample),
        r#"cases 498 closed 498 with_due 0 placed 494
        opened 2025-01-01T05:00:19.000Z to 2025-01-01T07:27:33.000Z
        agencies {"DOHMH": 4, "DOT": 4, "DPR": 1, "DSNY": 2, "NYPD": 486, "TLC": 1}
        line 208, byte 30: E-407 nyc:63574271: closed, but no closing time
        line 347, byte 30: E-407 nyc:63575749: closed, but no closing time"#,
    );
}

#[test]
fn boston_is_read_with_its_deadlines_and_its_own_word_on_them() {
    let Some(boston) = read_shared(Source::Boston, "boston311_100.csv") else { return };
    assert_text(
        &outline(&boston),
        r#"cases 100 closed 85 with_due 89 placed 100
        opened 2022-01-01T05:16:00.000Z to 2022-01-31T16:46:00.000Z
        agencies {"BTDT": 31, "GEN_": 2, "INFO": 4, "ISD": 8, "PARK": 3, "PROP": 3, "PWDx": 49}"#,
    );
    let stated = |word| boston.rows.iter().filter(|c| c.stated_on_time == Some(word)).count();
    assert_eq!((stated(true), stated(false)), (83, 17));
}

#[test]
fn a_line_that_contradicts_itself_is_refused_and_the_others_stay() {
    let head = "case_enquiry_id,open_dt,target_dt,closed_dt,ontime,case_status,type,department\n";
    let body = [
        "1,2022-01-03 08:00:00,,,ONTIME,Open,Pothole,PWD",
        "2,2022-01-03 08:00:00,,,ONTIME,Closed,Pothole,PWD",
        "3,2022-01-03 08:00:00,,2022-01-04 08:00:00,ONTIME,Open,Pothole,PWD",
        "4,2022-01-03 08:00:00,,2022-01-02 08:00:00,ONTIME,Closed,Pothole,PWD",
        "5,2022-01-03 08:00:00,2022-01-02 08:00:00,,OVERDUE,Open,Pothole,PWD",
        "6,yesterday,,,ONTIME,Open,Pothole,PWD",
        "7,2022-01-03 08:00:00,,,LATE,Open,Pothole,PWD",
        "8,2022-01-03 08:00:00,,,ONTIME,Open,Pothole,",
    ];
    let decoded = decode(Source::Boston, format!("{head}{}\n", body.join("\n")).as_bytes());
    assert_eq!(decoded.rows.len(), 1);
    let faults: Vec<String> = decoded.faults.iter().map(ToString::to_string).collect();
    assert_text(
        &faults.join("\n"),
        "line 3, byte 24: E-407 boston:2: closed, but no closing time
        line 4, byte 51: E-407 boston:3: not closed, but has a closing time
        line 5, byte 24: E-407 boston:4: closed before it was opened
        line 6, byte 23: E-407 boston:5: due before it was opened
        line 7, byte 3: E-407 open_dt `yesterday` is not a US Eastern local time (such as 2022-01-03 08:30:00, 2008 or later)
        line 8, byte 25: E-407 ontime `LATE` is not ONTIME or OVERDUE
        line 9, byte 45: E-407 department is missing",
    );
}

#[test]
fn a_file_without_its_columns_is_refused_as_a_whole() {
    let decoded = decode(Source::Nyc, b"a,b\n1,2\n");
    assert!(decoded.rows.is_empty());
    assert_eq!(decoded.faults[0].reason.en, "the header has no column `unique_key`");
}
