//! The load of the benchmark: the same made-up observations that the peers were measured with, as
//! ready-made HTTP requests in which only the time stamps change.
//!
//! One line is `kind,device=d0000001,area=CODE value=V TS`, about 75 bytes; values walk as sensors
//! do, with an incident in five thousand readings. What it is not: the synthetic city of the demo.

use std::fmt::Write as _;

use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_wire::gateway;

use crate::random::mix;

mod messages;

pub(crate) use messages::{Messages, device_file, messages, packet};

/// The tree of areas of Chongqing's size that the devices hang on.
const DISTRICTS: u64 = 41;
const TOWNS: u64 = 1_031;
const COMMUNITIES: u64 = 11_000;
const GRIDS: u64 = 67_000;

/// Bytes of all requests together, at most; so many rounds of all devices are made ready.
const BYTES_MAX: u64 = 400 << 20;

struct Kind {
    name: &'static str,
    decimals: u32,
    mean: i64,
    step: i64,
    limit: i64,
    /// The most the kind's range allows, in ticks.
    most: i64,
    share: usize,
}

const fn kind(
    name: &'static str,
    decimals: u32,
    [mean, step, limit, most]: [i64; 4],
    share: usize,
) -> Kind {
    Kind { name, decimals, mean, step, limit, most, share }
}

/// Values in ticks of the sensor's resolution.
const KINDS: [Kind; 12] = [
    kind("methane", 1, [5, 2, 250, 1_000], 14),
    kind("h2s", 1, [3, 1, 100, 1_500], 5),
    kind("co", 1, [20, 3, 240, 500_000], 5),
    kind("level", 3, [800, 6, 3_000, 1_000_000], 10),
    kind("pressure", 4, [3_200, 12, 4_500, 1_000_000], 12),
    kind("flow", 2, [4_250, 40, 9_000, 1_000_000], 10),
    kind("temperature", 1, [215, 1, 450, 600], 12),
    kind("rainfall", 1, [0, 1, 160, 3_000], 3),
    kind("pm25", 0, [35, 1, 150, 1_000], 4),
    kind("noise", 1, [552, 15, 850, 1_400], 5),
    kind("speed", 1, [380, 20, 1_100, 10_000], 8),
    kind("parking", 0, [0, 0, 1, 1], 12),
];
const PARKING: usize = 11;

/// Names of all kinds.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// The value above which a kind is an incident.
pub(crate) fn limit(name: &str) -> f64 {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    kind.map_or(f64::MAX, |kind| number(kind.limit, kind.decimals))
}

/// Rows of an area file for that tree, with header, as `chengmai import areas` reads it.
pub(crate) fn area_file() -> String {
    let mut text = String::from("code,parent,name,tier\n50,,Benchmark,city\n");
    let mut last = [0_u64; 4];
    for grid in 0..GRIDS {
        let [district, town, community, cell] = codes(grid);
        let rows = [
            (district, 50, "district"),
            (town, district, "town"),
            (community, town, "community"),
            (cell, community, "grid"),
        ];
        for (seen, (code, parent, tier)) in last.iter_mut().zip(rows) {
            if *seen != code {
                *seen = code;
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{code},{parent},{code},{tier}");
            }
        }
    }
    text
}

/// Codes of district, town, community and cell of a grid, spread as evenly as the counts allow.
fn codes(grid: u64) -> [u64; 4] {
    let community = grid * COMMUNITIES / GRIDS;
    let town = community * TOWNS / COMMUNITIES;
    let district = town * DISTRICTS / TOWNS;
    let first_community = (town * COMMUNITIES).div_ceil(TOWNS);
    let first_grid = (community * GRIDS).div_ceil(COMMUNITIES);
    let first_town = (district * TOWNS).div_ceil(DISTRICTS);
    let district_code = 500_101 + district;
    let town_code = district_code * 1_000 + town - first_town + 1;
    let community_code = town_code * 1_000 + community - first_community + 1;
    [district_code, town_code, community_code, community_code * 1_000 + grid - first_grid + 1]
}

/// The code of the grid with that number.
fn grid_code(number: u64) -> u64 {
    codes(number % GRIDS)[3]
}

/// Codes of all grids, in an order that is spread over the city.
pub(crate) fn grids() -> impl Iterator<Item = u64> {
    (0..GRIDS).map(|number| grid_code(number * 7_919 % GRIDS))
}

/// One request, complete but for the time.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    times: Times,
    readings: u64,
}

/// Where the time belongs in a request.
#[derive(Debug)]
enum Times {
    /// Where the thirteen digits of milliseconds begin in each line.
    Digits(Vec<u32>),
    /// Where the base of columns stands, as eight bytes.
    Base(usize),
}

impl Request {
    /// The request as of that time, in milliseconds since 1970.
    pub(crate) fn at(&mut self, ms: i64) -> &[u8] {
        match &self.times {
            Times::Digits(places) => {
                let digits = format!("{ms:013}");
                let digits = digits.as_bytes();
                for &time in places {
                    let time = usize::try_from(time).expect("an index");
                    self.bytes[time..time + 13].copy_from_slice(&digits[..13]);
                }
            }
            &Times::Base(place) => self.bytes[place..place + 8].copy_from_slice(&ms.to_le_bytes()),
        }
        &self.bytes
    }

    /// The request as it stands.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many readings it holds.
    pub(crate) const fn readings(&self) -> u64 {
        self.readings
    }
}

/// What to make requests for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) devices: u64,
    pub(crate) lines: u64,
    pub(crate) host: String,
    pub(crate) token: String,
}

struct Device {
    kind: usize,
    value: i64,
    grid: u64,
}

/// One reading of the load: which device, and its value in ticks.
struct Draw {
    index: u64,
    kind: usize,
    grid: u64,
    ticks: i64,
}

/// Readings of some rounds; in each round every device reports once, in a mixed order that is the
/// same in every round. `each` is told the readings of one request at a time.
fn rounds(plan: &Plan, mut each: impl FnMut(&[Draw])) {
    let mut devices: Vec<Device> = (0..plan.devices).map(device).collect();
    // So many that they fit memory; of a very large city each device has one ready-made reading.
    let rounds = (BYTES_MAX / (plan.devices * 90)).clamp(1, 8);
    let stride = stride(plan.devices);
    let mut draws = Vec::new();
    for turn in 0..rounds * plan.devices {
        let slot = turn % plan.devices;
        let index = u64::try_from(
            (u128::from(slot) * u128::from(stride) + 12_345) % u128::from(plan.devices),
        )
        .expect("below the number of devices");
        let device = &mut devices[usize::try_from(index).expect("an index")];
        walk(device, turn, turn >= plan.devices);
        draws.push(Draw { index, kind: device.kind, grid: device.grid, ticks: device.value });
        if draws.len() as u64 == plan.lines || slot + 1 == plan.devices {
            each(&draws);
            draws.clear();
        }
    }
}

/// All requests as line protocol.
pub(crate) fn requests(plan: &Plan) -> Vec<Request> {
    let mut all = Vec::new();
    rounds(plan, |draws| {
        let (mut body, mut times) = (String::new(), Vec::new());
        for draw in draws {
            let kind = &KINDS[draw.kind];
            let (index, area) = (draw.index, grid_code(draw.grid));
            let _ = write!(body, "{},device=d{index:07},area={area} value=", kind.name);
            put_ticks(&mut body, draw.ticks, kind.decimals);
            body.push(' ');
            times.push(u32::try_from(body.len()).expect("bodies are far below 4 GiB"));
            body.push_str("0000000000000000000\n");
        }
        let head = head(plan, "/api/v2/write", body.len());
        let shift = u32::try_from(head.len()).expect("a short head");
        let places = times.iter().map(|time| time + shift).collect();
        all.push(Request {
            bytes: [head.as_bytes(), body.as_bytes()].concat(),
            times: Times::Digits(places),
            readings: draws.len() as u64,
        });
    });
    all
}

/// The same readings as columns of numbers; `numbers` are those of the devices' streams.
pub(crate) fn column_requests(plan: &Plan, numbers: &[u32]) -> Vec<Request> {
    let mut all = Vec::new();
    rounds(plan, |draws| {
        let readings = draws.iter().map(|draw| Reading {
            stream: StreamId(numbers[usize::try_from(draw.index).expect("an index")]),
            at: Timestamp(0),
            value: number(draw.ticks, KINDS[draw.kind].decimals),
        });
        let readings: Vec<Reading> = readings.collect();
        let body = gateway::encode(&readings).expect("all of one moment");
        let head = head(plan, "/api/v1/gateway/readings", body.len());
        all.push(Request {
            times: Times::Base(head.len() + gateway::BASE_AT),
            bytes: [head.as_bytes(), &body].concat(),
            readings: draws.len() as u64,
        });
    });
    all
}

/// Lines of a file as requests, each line's nanoseconds moved by `shift_ms`.
pub(crate) fn file_requests(
    plan: &Plan,
    text: &[u8],
    shift_ms: i64,
) -> anyhow::Result<Vec<Request>> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
    let some = usize::try_from(plan.lines)?;
    let mut all = Vec::with_capacity(lines.len().div_ceil(some));
    for share in lines.chunks(some) {
        let mut body = Vec::with_capacity(share.len() * 80);
        for line in share {
            let space = line.iter().rposition(|byte| *byte == b' ').unwrap_or(0);
            let (facts, time) = line.split_at(space + 1);
            let nanoseconds: i64 = std::str::from_utf8(time)?.parse()?;
            body.extend_from_slice(facts);
            std::io::Write::write_fmt(
                &mut body,
                format_args!("{}\n", nanoseconds + shift_ms * 1_000_000),
            )?;
        }
        let head = head(plan, "/api/v2/write", body.len());
        all.push(Request {
            bytes: [head.as_bytes(), &body].concat(),
            times: Times::Digits(Vec::new()),
            readings: share.len() as u64,
        });
    }
    Ok(all)
}

/// How a gateway asks for the number of a device's stream.
pub(crate) fn stream_name(index: u64) -> serde_json::Value {
    let device = device(index);
    serde_json::json!({"device": format!("d{index:07}"), "kind": KINDS[device.kind].name,
        "area": grid_code(device.grid).to_string()})
}

fn head(plan: &Plan, path: &str, body_bytes: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {body_bytes}\r\n\r\n",
        plan.host, plan.token,
    )
}

/// Ticks as the number that their digits mean.
fn number(ticks: i64, decimals: u32) -> f64 {
    let mut text = String::new();
    put_ticks(&mut text, ticks, decimals);
    text.parse().expect("digits")
}

fn device(index: u64) -> Device {
    let bits = mix(index + 0x1_0000_0001);
    let mut share = usize::try_from(bits % 100).expect("below 100");
    let mut kind = 0;
    while share >= KINDS[kind].share {
        share -= KINDS[kind].share;
        kind += 1;
    }
    let k = &KINDS[kind];
    let value = if kind == PARKING {
        i64::from(bits >> 63 == 1)
    } else if (bits >> 50).is_multiple_of(500) {
        k.limit + k.step * 5
    } else {
        k.mean + i64::try_from((bits >> 8) % 9).unwrap_or(0) * k.step
    };
    Device { kind, value, grid: (bits >> 20) % GRIDS }
}

/// One step of the walk: a draw up or down, back towards the mean, seldom an incident.
fn walk(device: &mut Device, turn: u64, moves: bool) {
    let bits = mix(turn.wrapping_mul(2_654_435_761).wrapping_add(1));
    let k = &KINDS[device.kind];
    if device.kind == PARKING {
        device.value ^= i64::from(bits.is_multiple_of(30));
        return;
    }
    if !moves {
        return;
    }
    let draw = i64::try_from(bits % 3).unwrap_or(0) - 1;
    let mut value = device.value + draw * k.step;
    value -= (value - k.mean) / 16;
    if (bits >> 16).is_multiple_of(5_000) {
        value = k.limit + i64::try_from((bits >> 40) % 64).unwrap_or(0) * k.step;
    }
    device.value = value.clamp(0, k.most);
}

fn put_ticks(out: &mut String, ticks: i64, decimals: u32) {
    let scale = 10_i64.pow(decimals);
    let _ = write!(out, "{}", ticks / scale);
    if decimals > 0 {
        let width = usize::try_from(decimals).unwrap_or(0);
        let _ = write!(out, ".{:0width$}", ticks % scale);
    }
}

/// A step that visits every device once: near the golden ratio, without a common divisor.
fn stride(devices: u64) -> u64 {
    let mut stride = (devices * 618_034 / 1_000_000) | 1;
    while gcd(stride, devices) != 1 {
        stride += 2;
    }
    stride
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(devices: u64, lines: u64) -> Plan {
        Plan { devices, lines, host: "127.0.0.1:1".to_owned(), token: "t".to_owned() }
    }

    #[test]
    fn every_device_reports_once_a_round_with_the_time_that_was_put_in() {
        let mut requests = requests(&plan(5_000, 700));
        let mut seen = BTreeSet::new();
        for request in requests.iter_mut().take(8) {
            let text = String::from_utf8(request.at(1_795_230_000_123).to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            for line in body.lines() {
                let device = line.split_once(",device=").unwrap().1.split_once(',').unwrap().0;
                assert!(seen.insert(device.to_owned()), "{line}");
                assert!(line.ends_with(" 1795230000123000000"), "{line}");
            }
        }
        assert_eq!(seen.len(), 5_000);
    }

    #[test]
    fn values_change_from_round_to_round() {
        let mut requests = requests(&plan(1_000, 1_000));
        let first = requests[0].at(0).to_vec();
        assert_ne!(first, requests[1].at(0).to_vec());
        assert_eq!(requests[0].readings(), 1_000);
    }

    #[test]
    fn every_grid_comes_once_for_a_probe() {
        let all: BTreeSet<u64> = grids().collect();
        assert_eq!(all.len() as u64, GRIDS);
    }

    #[test]
    fn the_area_file_has_the_whole_tree_once() {
        let text = area_file();
        let codes: BTreeSet<&str> =
            text.lines().skip(1).map(|l| l.split_once(',').unwrap().0).collect();
        let rows = 1 + DISTRICTS + TOWNS + COMMUNITIES + GRIDS;
        assert_eq!(codes.len() as u64, rows);
        assert_eq!(text.lines().count() as u64, rows + 1);
    }
}
