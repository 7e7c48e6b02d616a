//! Decodes set-points from CSV.

use chengmai_model::error::SETPOINT_ROW;
use chengmai_model::{Severity, Text};

use super::SetpointRow;
use crate::error::{Decoded, Fault};
use crate::table::{Row, Table};

const COLUMNS: [&str; 6] = ["id", "kind", "blue", "yellow", "orange", "red"];

/// Reads CSV with the columns `id` (of the device), `kind`, and a level for any of `blue`, `yellow`,
/// `orange` and `red` in the kind's unit. An unknown column is named as a fault of line 1 and the rows
/// are read all the same.
pub fn decode_csv(body: &[u8]) -> Decoded<SetpointRow> {
    let opened = Table::open(body, &SETPOINT_ROW).and_then(|table| {
        table.require(&["id", "kind"])?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded { rows: Vec::new(), faults: table.unknown(&COLUMNS) };
    while let Some(row) = table.next_row() {
        decoded.push(row.and_then(|row| setpoints(&row)));
    }
    decoded
}

fn setpoints(row: &Row<'_>) -> Result<SetpointRow, Fault> {
    let mut levels = [None; 4];
    for (level, severity) in levels.iter_mut().zip(Severity::ALL) {
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        *level = row.parsed(severity.color(), &Text::new("数值", "a number"), number)?;
    }
    let given: Vec<f64> = levels.into_iter().flatten().collect();
    let rising = given.windows(2).all(|pair| pair[0] < pair[1]);
    let falling = given.windows(2).all(|pair| pair[0] > pair[1]);
    if !(rising || falling) {
        return Err(row.fault(
            "id",
            "限值应随级别（蓝、黄、橙、红）一路升高，或一路降低",
            "levels must rise, or fall, from blue over yellow and orange to red",
        ));
    }
    let (device, kind) = (row.required("id")?.to_owned(), row.required("kind")?.to_owned());
    Ok(SetpointRow { line: row.line, device, kind, levels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_levels_that_rise_or_fall() {
        let decoded = decode_csv(
            "id,kind,blue,yellow,orange,red\n\
             p1,water_depth,,15,27,40\n\
             p2,pressure,,,0.2,0.1\n\
             p3,water_depth,,,,\n"
                .as_bytes(),
        );
        assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
        let levels: Vec<_> = decoded.rows.iter().map(|row| row.levels).collect();
        let expected = [
            [None, Some(15.0), Some(27.0), Some(40.0)],
            [None, None, Some(0.2), Some(0.1)],
            [None; 4],
        ];
        assert_eq!(levels, expected);
    }

    #[test]
    fn rows_that_make_no_sense_are_named_with_their_line() {
        let decoded = decode_csv(
            "id,kind,yellow,red,purple\n\
             p1,water_depth,15,15,\n\
             p2,water_depth,x,3,\n\
             p3,,1,2,\n\
             p4,water_depth,nan,2,\n"
                .as_bytes(),
        );
        assert!(decoded.rows.is_empty());
        let lines: Vec<u32> = decoded.faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5]);
        assert!(decoded.faults[0].reason.en.contains("purple"), "{:?}", decoded.faults[0]);
        let blue_after_red = decode_csv(b"id,kind,blue,yellow,red\np,k,1,3,2\n");
        assert_eq!(blue_after_red.faults.len(), 1);
        assert_eq!(decode_csv(b"id\n").faults.len(), 1);
    }
}
