//! Decodes corrections from CSV and JSON.

use chengmai_model::error::{CORRECTION_ROW, REASON_REQUIRED};
use chengmai_model::{Text, Timestamp};
use serde::Deserialize;

use super::CorrectionRow;
use crate::error::{Decoded, Fault};
use crate::json::{self, Item};
use crate::table::{Row, Table};

const COLUMNS: [&str; 6] = ["device", "kind", "time", "old", "new", "reason"];
/// What stands for a reading that should not be there.
const WITHDRAW: &str = "withdraw";

/// Reads CSV with the columns `device,kind,time,new,reason`, and `old` where it is known. An unknown
/// column is named as a fault of line 1 and the rows are read all the same.
pub fn decode_csv(body: &[u8]) -> Decoded<CorrectionRow> {
    let opened = Table::open(body, &CORRECTION_ROW).and_then(|table| {
        table.require(&["device", "kind", "time", "new", "reason"])?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded { rows: Vec::new(), faults: table.unknown(&COLUMNS) };
    while let Some(row) = table.next_row() {
        decoded.push(row.and_then(|row| of_row(&row)));
    }
    decoded
}

/// Reads a JSON array of corrections, or one. A body that is not whole JSON is refused whole.
pub fn decode_json(body: &[u8]) -> Decoded<CorrectionRow> {
    let mut decoded = Decoded::default();
    match json::elements(body, &CORRECTION_ROW) {
        Ok(items) => items.iter().for_each(|item| decoded.push(of_item(item))),
        Err(fault) => return Decoded::refused(fault),
    }
    decoded
}

fn of_row(row: &Row<'_>) -> Result<CorrectionRow, Fault> {
    let at = row.parsed("time", &Text::new("时间", "a time"), parse_time)?;
    let old = row.parsed("old", &Text::new("数值", "a number"), parse_number)?;
    let new =
        row.parsed("new", &Text::new("数值或 withdraw", "a number or withdraw"), parse_new)?;
    let missing =
        |name: &str| row.fault(name, format!("缺少 {name}"), format!("{name} is missing"));
    Ok(CorrectionRow {
        line: row.line,
        device: row.required("device")?.to_owned(),
        kind: row.required("kind")?.to_owned(),
        at: at.ok_or_else(|| missing("time"))?,
        old,
        new: new.ok_or_else(|| missing("new"))?,
        reason: row
            .text("reason")?
            .map(str::to_owned)
            .ok_or_else(|| Fault { code: &REASON_REQUIRED, ..missing("reason") })?,
    })
}

#[derive(Deserialize)]
#[serde(expecting = "an object with device, kind, time, new and reason")]
struct Sent {
    device: String,
    kind: String,
    time: Scalar,
    old: Option<f64>,
    new: Scalar,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(i64),
    Number(f64),
    Text(String),
}

fn of_item(item: &Item<'_>) -> Result<CorrectionRow, Fault> {
    let sent: Sent = item.parse()?;
    let at = match &sent.time {
        Scalar::Whole(ms) => Some(Timestamp(*ms)),
        Scalar::Number(_) => None,
        Scalar::Text(text) => Timestamp::parse_rfc3339(text),
    };
    let new = match &sent.new {
        Scalar::Whole(value) => Some(Some(*value as f64)),
        Scalar::Number(value) => Some(Some(*value)),
        Scalar::Text(text) => parse_new(text),
    };
    if sent.reason.trim().is_empty() {
        let fault = item.fault("缺少 reason", "reason is missing");
        return Err(Fault { code: &REASON_REQUIRED, ..fault });
    }
    Ok(CorrectionRow {
        line: item.line,
        device: sent.device,
        kind: sent.kind,
        at: at.ok_or_else(|| {
            item.fault(
                "time 应为 RFC 3339 时间或毫秒数",
                "time is RFC 3339 text or whole milliseconds",
            )
        })?,
        old: sent.old,
        new: new.ok_or_else(|| {
            item.fault("new 应为数值或 withdraw", "new is a number, or the word withdraw")
        })?,
        reason: sent.reason.trim().to_owned(),
    })
}

fn parse_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| text.parse().ok().map(Timestamp))
}

fn parse_number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A number, or the word that withdraws.
#[expect(clippy::option_option, reason = "outside: is it readable; inside: a value, or withdrawn")]
fn parse_new(text: &str) -> Option<Option<f64>> {
    if text.eq_ignore_ascii_case(WITHDRAW) { Some(None) } else { parse_number(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u32, device: &str, old: Option<f64>, new: Option<f64>) -> CorrectionRow {
        CorrectionRow {
            line,
            device: device.to_owned(),
            kind: "methane".to_owned(),
            at: Timestamp(1_795_226_400_000),
            old,
            new,
            reason: "校准气体".to_owned(),
        }
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = decode_csv(
            "device,kind,time,old,new,reason\n\
             m1,methane,2026-11-21T02:00:00Z,80,2.5,校准气体\n\
             m2,methane,1795226400000,,withdraw,校准气体\n"
                .as_bytes(),
        );
        assert_eq!(csv.faults, []);
        let rows = [row(2, "m1", Some(80.0), Some(2.5)), row(3, "m2", None, None)];
        assert_eq!(csv.rows, rows);
        let json = decode_json(
            r#"[{"device": "m1", "kind": "methane", "time": "2026-11-21T10:00:00+08:00", "old": 80,
                 "new": 2.5, "reason": "校准气体"},
                {"device": "m2", "kind": "methane", "time": 1795226400000, "new": "withdraw",
                 "reason": " 校准气体 "}]"#
                .as_bytes(),
        );
        assert_eq!(json.faults, []);
        let told = |row: &CorrectionRow| CorrectionRow { line: 0, ..row.clone() };
        assert!(json.rows.iter().map(told).eq(rows.iter().map(told)), "{:?}", json.rows);
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_named_by_line() {
        let csv = decode_csv(
            "device,kind,time,old,new,reason\n\
             m1,methane,yesterday,,1,x\n\
             m1,methane,1795226400000,,,x\n\
             m1,methane,1795226400000,,inf,x\n\
             m1,methane,1795226400000,,1,\n\
             ,methane,1795226400000,,1,x\n"
                .as_bytes(),
        );
        let codes: Vec<_> = csv.faults.iter().map(|f| (f.line, f.code.number)).collect();
        assert_eq!(codes, [(2, 118), (3, 118), (4, 118), (5, 402), (6, 118)]);
        assert_eq!(csv.rows, []);
        assert_eq!(decode_csv(b"device,kind,time\n").faults.len(), 1);
        let json = decode_json(
            br#"[{"device": "m1", "kind": "k", "time": 5, "new": "?", "reason": "x"}]"#,
        );
        assert_eq!(json.faults[0].code.number, 118);
        let json = decode_json(br#"{"device": "m1", "kind": "k", "time": 5, "new": 1}"#);
        assert_eq!(json.faults[0].code.number, 402);
    }
}
