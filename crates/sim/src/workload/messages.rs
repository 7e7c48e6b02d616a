//! The same made-up devices with a connection each: MQTT messages of one JSON reading, ready but for
//! packet id and time.

use std::fmt::Write as _;

use super::{KINDS, device, grid_code, put_ticks, walk};

/// Messages of a device before it begins again.
const ROUNDS: u64 = 4;
/// Where the time goes.
const NO_TIME: &str = "0000000000000";

/// What one device sends.
#[derive(Debug)]
pub(crate) struct Messages {
    device: String,
    packets: Vec<Packet>,
}

#[derive(Debug)]
struct Packet {
    bytes: Box<[u8]>,
    id_at: usize,
    time_at: usize,
}

impl Messages {
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// Adds a PUBLISH of the device's reading with that number, packet id and time.
    pub(crate) fn put(&self, number: usize, id: u16, time: &[u8; 13], out: &mut Vec<u8>) {
        let packet = &self.packets[number % self.packets.len()];
        let start = out.len();
        out.extend_from_slice(&packet.bytes);
        let packet_bytes = &mut out[start..];
        packet_bytes[packet.id_at..packet.id_at + 2].copy_from_slice(&id.to_be_bytes());
        packet_bytes[packet.time_at..packet.time_at + 13].copy_from_slice(time);
    }
}

/// What so many devices send.
pub(crate) fn messages(devices: u32) -> Vec<Messages> {
    let devices = u64::from(devices);
    (0..devices)
        .map(|index| {
            let mut state = device(index);
            let name = format!("d{index:07}");
            let packets = (0..ROUNDS)
                .map(|round| {
                    walk(&mut state, round * devices + index, round > 0);
                    let kind = &KINDS[state.kind];
                    let topic = format!("chengmai/v1/{name}/{}", kind.name);
                    let mut payload = String::from("{\"value\":");
                    put_ticks(&mut payload, state.value, kind.decimals);
                    // Writing to a string cannot fail.
                    let _ = write!(payload, ",\"time\":{NO_TIME}}}");
                    publish(&topic, &payload)
                })
                .collect();
            Messages { device: name, packets }
        })
        .collect()
}

/// The devices of [`messages`] as a file that registers them.
pub(crate) fn device_file(devices: u32) -> String {
    let mut text = String::from("id,kinds,area\n");
    for index in 0..u64::from(devices) {
        let device = device(index);
        let (kind, grid) = (KINDS[device.kind].name, grid_code(device.grid));
        let _ = writeln!(text, "d{index:07},{kind},{grid}");
    }
    text
}

/// QoS 1, MQTT 3.1.1.
fn publish(topic: &str, payload: &str) -> Packet {
    let len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
    let body = [&len.to_be_bytes(), topic.as_bytes(), &[0, 0], payload.as_bytes()].concat();
    let bytes = packet(0x32, &body);
    let shift = bytes.len() - body.len();
    let time_at = bytes.len() - NO_TIME.len() - 1;
    Packet { bytes: bytes.into(), id_at: shift + 2 + topic.len(), time_at }
}

/// A packet of MQTT with its length before it.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap_or(0);
        left /= 128;
        if left == 0 {
            bytes.push(low);
            break;
        }
        bytes.push(low | 0x80);
    }
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_id_and_time_and_every_device_is_registered() {
        let messages = messages(300);
        let file = device_file(300);
        let rows: Vec<&str> = file.lines().skip(1).collect();
        assert_eq!((messages.len(), rows.len()), (300, 300));
        for (device, row) in messages.iter().zip(rows) {
            let (name, rest) = row.split_once(',').unwrap();
            let kind = rest.split_once(',').unwrap().0;
            assert_eq!(name, device.device());
            for number in 0..5 {
                let mut bytes = Vec::new();
                device.put(number, 0x0102, b"1795230000123", &mut bytes);
                let topic = format!("chengmai/v1/{name}/{kind}");
                let len = topic.len();
                assert_eq!((bytes[0], usize::from(bytes[1])), (0x32, bytes.len() - 2));
                assert_eq!(
                    &bytes[2..4 + len],
                    [&[0, u8::try_from(len).unwrap()], topic.as_bytes()].concat()
                );
                assert_eq!(bytes[4 + len..6 + len], [1, 2]);
                let json: serde_json::Value = serde_json::from_slice(&bytes[6 + len..]).unwrap();
                assert!(json["value"].is_number(), "{json}");
                assert_eq!(json["time"], 1_795_230_000_123_i64);
            }
        }
    }

    #[test]
    fn a_length_above_127_takes_two_bytes() {
        assert_eq!(packet(0x30, &[0; 127])[..2], [0x30, 127]);
        assert_eq!(packet(0x30, &[0; 200])[..3], [0x30, 0xC8, 1]);
    }
}
