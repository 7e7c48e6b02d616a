//! Where a packet ends, and the two packets that nearly all traffic consists of, read in place: a
//! plain PUBLISH (quality of service 0 or 1, a topic by name, no properties) and PINGREQ.
//!
//! Everything else is only measured here and understood by the protocol library. What breaks the
//! length rules is given to the library too, which has the words for it.

/// A plain PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Set at quality of service 1.
    pub id: Option<u16>,
    /// Not yet checked to be UTF-8.
    pub topic: &'a [u8],
    pub payload: &'a [u8],
}

/// The first packet of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// More bytes are needed, so many in all when that is known.
    Part(usize),
    /// A plain message of so many bytes.
    Publish(Publish<'a>, usize),
    /// PINGREQ.
    Ping,
    /// So many bytes for the library.
    Other(usize),
    /// A packet that must have a number and has none. The library does not look at that, and falls
    /// over when it answers one.
    Broken,
}

/// Bytes of a PINGREQ.
pub const PING_LEN: usize = 2;
/// The answer to one.
pub const PONG: [u8; 2] = [0xD0, 0];

/// PUBACK of a message that was taken, the same in both versions.
pub const fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// Looks at the first packet. `v5`: the sender speaks version 5, where properties follow the topic.
pub fn next(bytes: &[u8], v5: bool, packet_bytes_max: usize) -> Frame<'_> {
    let Some((head, rest)) = length(bytes) else {
        // Five bytes without an end are no length; fewer may still become one.
        return if bytes.len() > 4 { Frame::Other(bytes.len()) } else { Frame::Part(0) };
    };
    let len = head + rest;
    if len > packet_bytes_max {
        return Frame::Other(bytes.len());
    }
    let Some(packet) = bytes.get(..len) else { return Frame::Part(len) };
    match packet {
        [0xC0, 0] => Frame::Ping,
        [first, ..] if number(*first, &packet[head..]) == Some(0) => Frame::Broken,
        [first, ..] if first >> 4 == 3 => match publish(*first, &packet[head..], v5) {
            Some(publish) => Frame::Publish(publish, len),
            None => Frame::Other(len),
        },
        _ => Frame::Other(len),
    }
}

/// Length of the fixed header, and of what follows it.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut rest = 0;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        rest |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 2, rest));
        }
    }
    None
}

fn publish(first: u8, body: &[u8], v5: bool) -> Option<Publish<'_>> {
    let (repeated, quality) = (first & 8 != 0, first >> 1 & 3);
    if quality > 1 || (quality == 0 && repeated) {
        return None;
    }
    let (topic, mut rest) = text(body).filter(|(topic, _)| !topic.is_empty())?;
    let mut id = None;
    if quality == 1 {
        let (bytes, after) = rest.split_first_chunk()?;
        id = Some(u16::from_be_bytes(*bytes)).filter(|id| *id != 0);
        id?;
        rest = after;
    }
    if v5 {
        let (properties, after) = rest.split_first()?;
        if *properties != 0 {
            return None;
        }
        rest = after;
    }
    Some(Publish { id, topic, payload: rest })
}

/// The number of a packet whose kind has one: of a message above quality of service 0, of an
/// acknowledgement, of a subscription or its end.
fn number(first: u8, body: &[u8]) -> Option<u16> {
    let from = match first >> 4 {
        3 if first >> 1 & 3 > 0 => text(body)?.1,
        4..=8 | 10 => body,
        _ => return None,
    };
    from.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A text with its length before it, and what comes after.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use mqtt_protocol_core::mqtt::packet::{Qos, TopicAlias, v3_1_1, v5_0};
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1_000_000;

    fn plain(id: Option<u16>, topic: &str, payload: &[u8], v5: bool) -> Vec<u8> {
        let quality = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        if v5 {
            let mut packet = v5_0::Publish::builder().topic_name(topic).unwrap().qos(quality);
            if let Some(id) = id {
                packet = packet.packet_id(id);
            }
            return packet.payload(payload.to_vec()).build().unwrap().to_continuous_buffer();
        }
        let mut packet = v3_1_1::Publish::builder().topic_name(topic).unwrap().qos(quality);
        if let Some(id) = id {
            packet = packet.packet_id(id);
        }
        packet.payload(payload.to_vec()).build().unwrap().to_continuous_buffer()
    }

    proptest! {
        #[test]
        fn a_plain_message_is_read_as_the_library_wrote_it(
            id in proptest::option::of(1..=u16::MAX),
            topic in "[a-z/井]{1,40}",
            payload in proptest::collection::vec(any::<u8>(), 0..300),
            v5: bool,
            more in proptest::collection::vec(any::<u8>(), 0..5),
        ) {
            let packet = plain(id, &topic, &payload, v5);
            let expected = Publish { id, topic: topic.as_bytes(), payload: &payload };
            let bytes = [&packet[..], &more[..]].concat();
            prop_assert_eq!(next(&bytes, v5, MAX), Frame::Publish(expected, packet.len()));
            for end in 0..packet.len() {
                let part = next(&packet[..end], v5, MAX);
                prop_assert!(matches!(part, Frame::Part(_)), "{end}: {part:?}");
            }
        }

        #[test]
        fn any_bytes_are_framed_within_themselves(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            v5: bool,
        ) {
            match next(&bytes, v5, 48) {
                Frame::Part(len) => prop_assert!(len == 0 || (len > bytes.len() && len <= 48)),
                Frame::Publish(_, len) | Frame::Other(len) => prop_assert!(len <= bytes.len()),
                Frame::Broken => prop_assert!(bytes.len() > 3),
                Frame::Ping => prop_assert!(bytes.starts_with(&[0xC0, 0])),
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_library() {
        let alias = v5_0::Publish::builder().topic_name("a").unwrap();
        let alias = alias.props(vec![TopicAlias::new(1).unwrap().into()]);
        let alias = alias.payload("1").build().unwrap().to_continuous_buffer();
        let cases: [(&str, &[u8], bool); 6] = [
            ("a topic alias", &alias, true),
            ("exactly once", &[0x34, 6, 0, 1, b'a', 0, 1, b'1'], false),
            ("a repeat of quality 0", &[0x38, 4, 0, 1, b'a', b'1'], false),
            ("no topic", &[0x30, 3, 0, 0, b'1'], false),
            ("a topic longer than the packet", &[0x30, 3, 0, 9, b'a'], false),
            ("another packet", &[0xE0, 0], false),
        ];
        for (name, bytes, v5) in cases {
            assert_eq!(next(bytes, v5, MAX), Frame::Other(bytes.len()), "{name}");
        }
        for first in [0x32, 0x34, 0x3C] {
            assert_eq!(next(&[first, 5, 0, 1, b'a', 0, 0], false, MAX), Frame::Broken, "number 0");
        }
        for first in [0x40, 0x50, 0x62, 0x70, 0x82, 0xA2] {
            assert_eq!(next(&[first, 2, 0, 0], false, MAX), Frame::Broken, "number 0 of {first:x}");
        }
        let endless = [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert_eq!(next(&endless, false, MAX), Frame::Other(6), "a length without end");
        assert_eq!(next(&[0x30, 65], false, 64), Frame::Other(2), "over the limit: at once");
    }
}
