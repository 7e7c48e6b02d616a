//! Decodes stops.txt, routes.txt and trips.txt.

use std::collections::BTreeSet;

use chengmai_model::Text;
use chengmai_model::error::GTFS_FILE;

use super::{Name, Route, Stop, Trip};
use crate::error::{Decoded, Fault, quote};
use crate::gtfs_realtime::ID_BYTES_MAX;
use crate::table::{Row, Table};

/// Longest name that is kept, in characters.
const NAME_LEN_MAX: usize = 120;

/// Reads stops and stations; entrances, nodes and boarding areas are passed over.
pub fn decode_stops(body: &[u8]) -> Decoded<Stop> {
    let degrees = |text: &str, most: f64| {
        text.parse::<f64>().ok().filter(|degrees| degrees.is_finite() && degrees.abs() <= most)
    };
    rows(body, "stop_id", &["stop_id", "stop_lat", "stop_lon"], |row, id| {
        if matches!(row.text("location_type")?, Some("2" | "3" | "4")) {
            return Ok(None);
        }
        let expected = Text::new("经度（-180 到 180 度）", "a longitude of -180 to 180 degrees");
        row.required("stop_lon")?;
        let longitude = row.parsed("stop_lon", &expected, |text| degrees(text, 180.0))?;
        let expected = Text::new("纬度（-90 到 90 度）", "a latitude of -90 to 90 degrees");
        row.required("stop_lat")?;
        let latitude = row.parsed("stop_lat", &expected, |text| degrees(text, 90.0))?;
        let position = [longitude.unwrap_or_default(), latitude.unwrap_or_default()];
        Ok(Some(Stop { line: row.line, id, name: row.text("stop_name")?.map(short), position }))
    })
}

/// Reads routes.
pub fn decode_routes(body: &[u8]) -> Decoded<Route> {
    rows(body, "route_id", &["route_id"], |row, id| {
        let name = match row.text("route_short_name")? {
            Some(name) => Some(name),
            None => row.text("route_long_name")?,
        };
        let name = name.map_or_else(|| id.clone(), short);
        Ok(Some(Route { line: row.line, id, name }))
    })
}

/// Reads trips.
pub fn decode_trips(body: &[u8]) -> Decoded<Trip> {
    rows(body, "trip_id", &["trip_id", "route_id"], |row, id| {
        let route = row.required("route_id")?.to_owned();
        let headsign = row.text("trip_headsign")?.map(short);
        Ok(Some(Trip { line: row.line, id, route, headsign }))
    })
}

/// Reads names as `chengmai import gtfs` makes them: `sort` (route or trip), `id`, `name`.
pub fn decode_names(body: &[u8]) -> Decoded<Name> {
    let opened = Table::open(body, &GTFS_FILE).and_then(|table| {
        table.require(&["sort", "id", "name"])?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded::default();
    while let Some(row) = table.next_row() {
        let name = row.and_then(|row| {
            let is_trip = match row.required("sort")? {
                "trip" => true,
                "route" => false,
                _ => return Err(row.fault("sort", "只有 route 与 trip", "it is route or trip")),
            };
            let name = short(row.required("name")?);
            Ok(Name { line: row.line, is_trip, id: id(&row, "id")?, name })
        });
        decoded.push(name);
    }
    decoded
}

/// Reads rows with an id of their own.
fn rows<T>(
    body: &[u8],
    key: &str,
    needed: &[&str],
    mut each: impl FnMut(&Row<'_>, String) -> Result<Option<T>, Fault>,
) -> Decoded<T> {
    let opened = Table::open(body, &GTFS_FILE).and_then(|table| {
        table.require(needed)?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded::default();
    let mut seen = BTreeSet::new();
    while let Some(row) = table.next_row() {
        let read = row.and_then(|row| {
            let id = id(&row, key)?;
            if !seen.insert(id.clone()) {
                let shown = quote(id.as_bytes());
                let zh = format!("`{shown}` 在前面已经出现");
                return Err(row.fault(key, zh, format!("`{shown}` stands further up already")));
            }
            each(&row, id)
        });
        match read {
            Ok(Some(row)) => decoded.rows.push(row),
            Ok(None) => {}
            Err(fault) => decoded.faults.push(fault),
        }
    }
    decoded
}

fn id(row: &Row<'_>, key: &str) -> Result<String, Fault> {
    let id = row.required(key)?;
    if id.len() > ID_BYTES_MAX || id.contains(char::is_control) {
        let shown = quote(id.as_bytes());
        return Err(row.fault(
            key,
            format!("`{shown}` 超过 {ID_BYTES_MAX} 字节，或含有控制字符"),
            format!("`{shown}` is longer than {ID_BYTES_MAX} bytes or holds control characters"),
        ));
    }
    Ok(id.to_owned())
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NAME_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(decoded: &Decoded<T>) -> Vec<String> {
        decoded.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn stops_and_stations_are_read_whatever_else_the_operator_writes() {
        let body = "\u{feff}stop_id,stop_code,stop_name,stop_lat,stop_lon,location_type\r\n\
            1,a,\"Praça, \"\"XV\"\"\",-30.02,-51.23,\r\n2,b,门,-30,-51,2\r\n3,c,,29.5,106.5,1\r\n";
        let decoded = decode_stops(body.as_bytes());
        assert_eq!(faults(&decoded), [""; 0]);
        let read: Vec<_> =
            decoded.rows.iter().map(|s| (s.line, s.id.as_str(), s.name.as_deref())).collect();
        assert_eq!(read, [(2, "1", Some("Praça, \"XV\"")), (4, "3", None)]);
        assert_eq!(format!("{:?}", decoded.rows[0].position), "[-51.23, -30.02]");
    }

    #[test]
    fn a_bad_row_is_refused_by_line_and_the_others_are_kept() {
        let body = "stop_id,stop_name,stop_lat,stop_lon\n1,a,x,106\n2,b,29\n,c,29,106\n4,d,29,106\n4,e,29,106\n5,f,29,\n";
        let decoded = decode_stops(body.as_bytes());
        assert_eq!(decoded.rows.len(), 1);
        let lines: Vec<u32> = decoded.faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 7], "{:?}", faults(&decoded));
    }

    #[test]
    fn a_file_without_its_columns_is_refused_whole() {
        for (decoded, column) in [
            (faults(&decode_stops(b"stop_id,stop_lat\n")), "stop_lon"),
            (faults(&decode_routes(b"id\n")), "route_id"),
            (faults(&decode_trips(b"trip_id\n")), "route_id"),
        ] {
            assert!(decoded[0].contains(column) && decoded[0].contains("E-537"), "{decoded:?}");
        }
        assert_eq!(decode_trips(b"").faults.len(), 1);
    }

    #[test]
    fn routes_have_a_short_name_a_long_one_or_their_id() {
        let body = "route_id,route_short_name,route_long_name\nr1,14,Long\nr2,,Long\nr3,,\n";
        let decoded = decode_routes(body.as_bytes());
        let names: Vec<&str> = decoded.rows.iter().map(|route| route.name.as_str()).collect();
        assert_eq!(names, ["14", "Long", "r3"]);
        let trips = decode_trips(b"route_id,trip_id,trip_headsign\nr1,t1,Petherick Road\n,t2,x\n");
        assert_eq!((trips.rows.len(), trips.faults[0].line), (1, 3));
    }
}
