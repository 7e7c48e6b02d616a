//! No decoder panics, whatever the bytes are, and every fault names a place within the body.

use chengmai_model::Timestamp;
use chengmai_wire::line_protocol::{self, Precision, series_parts};
use chengmai_wire::observations::{self, Observation};
use chengmai_wire::{Fault, areas, devices};
use proptest::prelude::*;

/// Fails on a fault outside the body and on values that must not come out.
struct Strict<'b>(&'b [u8]);

impl Strict<'_> {
    fn place(&self, line: u32, byte: u32) {
        assert!(byte as usize <= self.0.len() + 1, "byte {byte} of {}", self.0.len());
        assert!(line as usize <= self.0.len() + 1, "line {line} of {}", self.0.len());
    }
}

impl<'a> line_protocol::Sink<'a> for Strict<'_> {
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        _at: Option<Timestamp>,
        line: u32,
        byte: u32,
    ) {
        assert!(value.is_finite() && !series.is_empty() && !field.is_empty());
        self.place(line, byte);
        if let Err(fault) = series_parts(series) {
            self.place(fault.line, fault.byte);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.place(fault.line, fault.byte);
    }
}

impl observations::Sink for Strict<'_> {
    fn observation(&mut self, observation: Observation<'_>, line: u32, byte: u32) {
        assert!(observation.value.is_finite() && !observation.device.is_empty());
        self.place(line, byte);
    }

    fn fault(&mut self, fault: Fault) {
        self.place(fault.line, fault.byte);
    }
}

fn check(body: &[u8]) {
    let mut strict = Strict(body);
    line_protocol::decode(body, Precision::Seconds, &mut strict);
    observations::decode_json(body, &mut strict);
    observations::decode_ndjson(body, &mut strict);
    observations::decode_csv(body, &mut strict);
    let faults = [
        areas::decode_rows(body).faults,
        areas::decode_boundaries(body).faults,
        devices::decode_csv(body).faults,
        devices::decode_geojson(body).faults,
    ];
    faults.iter().flatten().for_each(|fault| strict.place(fault.line, fault.byte));
}

/// A table whose header is right and whose rows are noise.
fn table(header: &'static str) -> impl Strategy<Value = String> {
    "[a-z0-9,\"\r\n\\-. ;é]{0,60}".prop_map(move |rows| format!("{header}\n{rows}"))
}

/// Documents cut, doubled or changed at one place.
fn spoiled(whole: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (0..whole.len(), any::<u8>(), 0..3_u8).prop_map(|(at, byte, how)| {
        let mut bytes = whole.as_bytes().to_vec();
        match how {
            0 => bytes.truncate(at),
            1 => bytes[at] = byte,
            _ => bytes.insert(at, byte),
        }
        bytes
    })
}

proptest! {
    #[test]
    fn decoders_never_panic_on_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&body);
    }

    #[test]
    fn decoders_never_panic_on_text_of_their_own_marks(body in "[m,= \\\\\"\n\r#1.5etiNa{}\\[\\]:-]{0,80}") {
        check(body.as_bytes());
    }

    #[test]
    fn tables_never_panic_on_noise(
        areas in table("code,parent,name,level"),
        devices in table("id,kind,area,period"),
        readings in table("device,value,time"),
    ) {
        check(areas.as_bytes());
        check(devices.as_bytes());
        check(readings.as_bytes());
    }

    #[test]
    fn documents_never_panic_when_spoiled(
        features in spoiled(
            "{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\",\"id\":\"a\",\
             \"properties\":{\"area\":\"5\"},\"geometry\":{\"type\":\"Point\",\"coordinates\":[1,2]}}]}",
        ),
        readings in spoiled("[{\"device\":\"d\",\"value\":1.5,\"time\":1},\n{\"device\":\"e\",\"value\":2}]"),
    ) {
        check(&features);
        check(&readings);
    }
}
