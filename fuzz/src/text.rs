//! The decoders of what is sent to the city. Every fault must name a place within the body, and
//! what comes out must be what the model allows.

use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_wire::geo_report::{self, Format, Update};
use chengmai_wire::line_protocol::{self, Precision, series_parts, unescape};
use chengmai_wire::observations::{self, Observation};
use chengmai_wire::service_requests::{self, Source};
use chengmai_wire::{Decoded, Fault, areas, devices, gateway as columns};

use crate::Trait;

/// Fails on a fault outside the body and on values that must not come out.
pub(crate) struct Strict<'b> {
    body: &'b [u8],
    taken: u64,
    faults: u64,
    /// Which reasons were given, in any order.
    reasons: u64,
}

impl<'b> Strict<'b> {
    pub(crate) fn new(body: &'b [u8]) -> Self {
        Self { body, taken: 0, faults: 0, reasons: 0 }
    }

    fn place(&self, line: u32, byte: u32) {
        let end = self.body.len() + 1;
        assert!(byte as usize <= end, "byte {byte} of {end}");
        assert!(line as usize <= end, "line {line} of {end}");
    }

    fn refused(&mut self, fault: &Fault) {
        self.place(fault.line, fault.byte);
        self.faults += 1;
        self.reasons |= 1 << (hash(reason(fault)) % 48);
    }

    fn answer(&self) -> Trait {
        self.reasons << 16 | bucket(self.taken) << 8 | bucket(self.faults)
    }

    pub(crate) fn decoded<T>(mut self, decoded: &Decoded<T>) -> Trait {
        self.taken = decoded.rows.len() as u64;
        decoded.faults.iter().for_each(|fault| self.refused(fault));
        self.answer()
    }
}

/// The reason without what it repeats of the body, so that alike faults count as alike.
pub(crate) fn reason(fault: &Fault) -> &str {
    let text: &str = &fault.reason.en;
    text.split(['`', '"', ':']).next().unwrap_or(text)
}

pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(5)
    })
}

/// How many, roughly: a few more of the same is nothing new.
pub(crate) fn bucket(count: u64) -> u64 {
    u64::from(u64::BITS - count.leading_zeros())
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
        self.taken += 1;
        let _text = unescape(field);
        if let Err(fault) = series_parts(series) {
            self.refused(&fault);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.refused(&fault);
    }
}

impl observations::Sink for Strict<'_> {
    fn observation(&mut self, observation: Observation<'_>, line: u32, byte: u32) {
        assert!(observation.value.is_finite() && !observation.device.is_empty());
        self.place(line, byte);
        self.taken += 1;
    }

    fn fault(&mut self, fault: Fault) {
        self.refused(&fault);
    }
}

pub(crate) fn line_protocol(body: &[u8]) -> Trait {
    let precisions = [
        Precision::Nanoseconds,
        Precision::Microseconds,
        Precision::Milliseconds,
        Precision::Seconds,
    ];
    precisions.into_iter().fold(0, |answer, precision| {
        let mut strict = Strict::new(body);
        line_protocol::decode(body, precision, &mut strict);
        answer | strict.answer()
    })
}

pub(crate) fn observations_json(body: &[u8]) -> Trait {
    let mut strict = Strict::new(body);
    observations::decode_json(body, &mut strict);
    strict.answer()
}

pub(crate) fn observations_ndjson(body: &[u8]) -> Trait {
    let mut strict = Strict::new(body);
    observations::decode_ndjson(body, &mut strict);
    strict.answer()
}

pub(crate) fn observations_csv(body: &[u8]) -> Trait {
    let mut strict = Strict::new(body);
    observations::decode_csv(body, &mut strict);
    strict.answer()
}

pub(crate) fn gateway_made() -> Vec<Vec<u8>> {
    let reading = |n: u32| Reading {
        stream: StreamId(n * 7),
        at: Timestamp(1_790_000_000_000 + i64::from(n)),
        value: f64::from(n) / 4.0,
    };
    [0, 1, 12]
        .iter()
        .filter_map(|&n| columns::encode(&(0..n).map(reading).collect::<Vec<_>>()))
        .collect()
}

/// What was taken must encode to bytes that decode to the same again.
pub(crate) fn gateway(body: &[u8]) -> Trait {
    let mut strict = Strict::new(body);
    let (mut taken, mut faults) = (Vec::new(), Vec::new());
    match columns::decode(body, |reading, _| taken.push(reading), |fault| faults.push(fault)) {
        Ok(()) => assert_eq!((taken.len() + faults.len()) * 16 + 16, body.len()),
        Err(fault) => faults.push(fault),
    }
    for fault in &faults {
        strict.refused(fault);
    }
    strict.taken = taken.len() as u64;
    if let Some(again) = columns::encode(&taken) {
        let mut second = Vec::new();
        let decoded = columns::decode(&again, |reading, _| second.push(reading), |_| ());
        assert_eq!((decoded, second), (Ok(()), taken), "what was taken reads back");
    }
    strict.answer()
}

pub(crate) fn area_rows(body: &[u8]) -> Trait {
    Strict::new(body).decoded(&areas::decode_rows(body))
}

pub(crate) fn area_boundaries(body: &[u8]) -> Trait {
    Strict::new(body).decoded(&areas::decode_boundaries(body))
}

pub(crate) fn devices(body: &[u8]) -> Trait {
    let table = Strict::new(body).decoded(&devices::decode_csv(body));
    table.rotate_left(32) ^ Strict::new(body).decoded(&devices::decode_geojson(body))
}

pub(crate) fn service_requests(body: &[u8]) -> Trait {
    let new_york = Strict::new(body).decoded(&service_requests::decode(Source::Nyc, body));
    let boston = service_requests::decode(Source::Boston, body);
    new_york.rotate_left(32) ^ Strict::new(body).decoded(&boston)
}

/// A form as a report and as a query; what is taken must lie within the standard's limits, and its
/// words must come out again in JSON.
pub(crate) fn geo_report(body: &[u8]) -> Trait {
    let mut strict = Strict::new(body);
    let fields = geo_report::form_fields(body);
    match geo_report::submission(&fields) {
        Ok(report) => {
            strict.taken = 1 + report.attributes.len() as u64;
            assert!(!report.service_code.is_empty() && report.position.is_none_or(is_on_earth));
            assert!(report.position.is_some() || report.address.or(report.address_id).is_some());
            assert!(report.description.chars().count() <= geo_report::DESCRIPTION_LEN_MAX);
            let update = Update {
                id: String::new(),
                request_id: report.service_code,
                at: Timestamp(0),
                is_closed: false,
                description: report.description,
                agency: None,
            };
            let xml = geo_report::updates(Format::Xml, std::slice::from_ref(&update));
            assert!(xml.ends_with(b"</service_request_updates>"));
            let json = geo_report::updates(Format::Json, std::slice::from_ref(&update));
            let read: serde_json::Value = serde_json::from_slice(&json).expect("our own JSON");
            assert_eq!(read[0]["description"], *update.description);
        }
        Err(faults) => faults.iter().for_each(|fault| strict.refused(fault)),
    }
    let report = strict.answer();
    let mut strict = Strict::new(body);
    match geo_report::query(&fields, Timestamp(1_790_000_000_000)) {
        Ok(query) => {
            strict.taken = 1 + query.ids.len() as u64;
            assert!((0..=geo_report::SPAN_MS_MAX).contains(&query.to.since(query.from)));
            assert!((1..=geo_report::PAGE_ROWS_MAX).contains(&query.page_rows));
        }
        Err(faults) => faults.iter().for_each(|fault| strict.refused(fault)),
    }
    report.rotate_left(32) ^ strict.answer()
}

fn is_on_earth([longitude, latitude]: [f64; 2]) -> bool {
    longitude.abs() <= 180.0 && latitude.abs() <= 90.0
}
