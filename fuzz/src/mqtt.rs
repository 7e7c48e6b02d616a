//! What a device with MQTT sends, as our listener reads it: packets are found, the plain ones read in
//! place, and all others given to the protocol library, which may refuse but not stop the city.

use chengmai_model::Timestamp;
use chengmai_wire::Fault;
use chengmai_wire::mqtt::{Content, Frame, Publish, Usual, content, next, split_topic};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event};
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Qos, SubEntry, SubOpts, TopicAlias, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode, MqttError};
use mqtt_protocol_core::mqtt::{Connection, Version, role};

use crate::Trait;
use crate::text::{bucket, hash, reason};

const PACKET_BYTES_MAX: u32 = 4_096;
const LINES: &[u8] = b"methane,device=m1 value=4";
const TOPICS: [(&str, &[u8]); 4] = [
    ("chengmai/v1/m1/methane", b"2.4"),
    ("chengmai/v1/m1", b"{\"methane\":2.4,\"open\":false,\"time\":1700000100000}"),
    ("chengmai/v1/m1", b"{ \"methane\" : -2.5 , \"level\":17}"),
    ("chengmai/v1/line", LINES),
];

/// A connection of each version, from the greeting to the end.
pub(crate) fn made() -> Vec<Vec<u8>> {
    let connections = [first_version(), fifth_version()];
    assert!(connections.iter().all(Result::is_ok), "the packets are sound: {connections:?}");
    connections.into_iter().flatten().collect()
}

fn joined(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(GenericPacketTrait::to_continuous_buffer).collect()
}

fn first_version() -> Result<Vec<u8>, MqttError> {
    let connect = v3_1_1::Connect::builder().client_id("m1")?.clean_session(true).keep_alive(60);
    let mut packets: Vec<Packet> = vec![connect.user_name("m")?.password(b"t")?.build()?.into()];
    for (id, (topic, payload)) in (1..).zip(TOPICS) {
        let quality = [Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(id % 2)];
        let publish = v3_1_1::Publish::builder().topic_name(topic)?.qos(quality).packet_id(id);
        packets.push(publish.payload(payload).build()?.into());
    }
    let entries = vec![SubEntry::new("a/#", SubOpts::default())?];
    packets.push(v3_1_1::Subscribe::builder().packet_id(9).entries(entries).build()?.into());
    packets.push(v3_1_1::Pingreq::new().into());
    packets.push(v3_1_1::Disconnect::new().into());
    Ok(joined(&packets))
}

fn fifth_version() -> Result<Vec<u8>, MqttError> {
    let connect = v5_0::Connect::builder().client_id("m1")?.clean_start(true);
    let mut packets: Vec<Packet> = vec![connect.build()?.into()];
    for (id, (topic, payload)) in (1..).zip(TOPICS) {
        let publish = v5_0::Publish::builder().topic_name(topic)?.qos(Qos::AtLeastOnce);
        let publish = publish.packet_id(id).payload(payload);
        packets.push(match id {
            2 => publish.props(vec![TopicAlias::new(1)?.into()]).build()?.into(),
            _ => publish.build()?.into(),
        });
    }
    packets.push(v5_0::Pubrel::builder().packet_id(3).build()?.into());
    packets.push(v5_0::Disconnect::builder().build()?.into());
    Ok(joined(&packets))
}

/// The same bytes to a connection that speaks version 3.1.1 and to one that speaks version 5.
pub(crate) fn connection(bytes: &[u8]) -> Trait {
    [false, true].into_iter().fold(0, |answer, v5| answer.rotate_left(32) ^ walk(bytes, v5))
}

fn walk(bytes: &[u8], v5: bool) -> Trait {
    let options = ConnectionOptions::new().maximum_packet_size_recv(PACKET_BYTES_MAX);
    let mut library = Connection::<role::Server>::with_options(Version::Undetermined, options);
    library.set_auto_ping_response(true);
    let (mut rest, mut messages, mut answer) = (bytes, 0, 0);
    loop {
        let used = match next(rest, v5, PACKET_BYTES_MAX as usize) {
            Frame::Part(len) => {
                assert!(len == 0 || len > rest.len(), "{len} bytes are there already");
                break;
            }
            Frame::Broken => break,
            Frame::Ping => 2,
            Frame::Publish(publish, len) => {
                messages += 1;
                answer |= 1 << (message(&publish) % 24);
                len
            }
            Frame::Other(len) => {
                let Some(said) = give(&mut library, &rest[..len]) else { break };
                answer |= 1 << (24 + said % 5);
                len
            }
        };
        assert!(used > 0 && used <= rest.len(), "{used} of {}", rest.len());
        rest = &rest[used..];
    }
    answer ^ bucket(messages) << 29
}

/// Gives the library a packet, and lets every client in; nothing when it ends the connection.
fn give(library: &mut Connection<role::Server>, packet: &[u8]) -> Option<u64> {
    let mut said = 0;
    for event in library.recv(&mut Cursor::new(packet)) {
        let welcome: Option<Packet> = match event {
            Event::NotifyError(_) | Event::RequestClose => return None,
            Event::NotifyPacketReceived(Packet::V3_1_1Connect(_)) => {
                let packet = v3_1_1::Connack::builder().session_present(false);
                packet.return_code(ConnectReturnCode::Accepted).build().ok().map(Into::into)
            }
            Event::NotifyPacketReceived(Packet::V5_0Connect(_)) => {
                let packet = v5_0::Connack::builder().session_present(false);
                packet.reason_code(ConnectReasonCode::Success).build().ok().map(Into::into)
            }
            Event::NotifyPacketReceived(_) => {
                said += 1;
                None
            }
            _ => {
                said += 2;
                None
            }
        };
        if let Some(packet) = welcome {
            let _sent = library.send(packet);
        }
    }
    Some(said)
}

/// Reads what a message says; where the quick way reads it too, both must read the same.
fn message(publish: &Publish<'_>) -> u64 {
    let Ok(topic) = std::str::from_utf8(publish.topic) else { return 0 };
    let said = content(topic, publish.payload);
    if let (Some((_, None)), Some(quick)) = (split_topic(topic), Usual::read(publish.payload)) {
        assert_eq!(members(&said), Some((sorted(quick.members().to_vec()), quick.at)), "both ways");
    }
    match said {
        Ok(Content::Lines(_)) => 1,
        Ok(Content::Observations { observations, faults }) => {
            assert!(!observations.is_empty() || !faults.is_empty(), "a message says something");
            assert!(observations.iter().all(|o| o.value.is_finite() && !o.device.is_empty()));
            10 + bucket(observations.len() as u64).min(6) + 7 * u64::from(!faults.is_empty())
        }
        Err(fault) => 2 + hash(reason(&fault)) % 8,
    }
}

/// Names with the bits of their values, and the time; none when anything was refused.
type Members = (Vec<(String, u64)>, Option<Timestamp>);

fn members(said: &Result<Content<'_>, Fault>) -> Option<Members> {
    let Ok(Content::Observations { observations, faults }) = said else { return None };
    let named = observations.iter().map(|o| (o.kind.as_deref().unwrap_or_default(), o.value));
    let at = observations.first()?.at;
    faults.is_empty().then(|| (sorted(named.collect()), at))
}

fn sorted(members: Vec<(&str, f64)>) -> Vec<(String, u64)> {
    let bits = |(name, value): (&str, f64)| (name.to_owned(), value.to_bits());
    let mut members: Vec<(String, u64)> = members.into_iter().map(bits).collect();
    members.sort_unstable();
    members
}
