//! Clients that mean harm, or are only careless: names of others, names that are none, wills, packets
//! that are forged, too long, or sent again.

use super::*;

/// A CONNECT by hand, in version 3.1.1: flags, and what follows the fixed part.
fn raw_connect(flags: u8, fields: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60];
    for field in fields {
        body.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
        body.extend(*field);
    }
    framed(0x10, &body)
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).unwrap();
        left /= 128;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

const NAME_AND_PASSWORD: u8 = 0b1100_0010;
const WITH_WILL: u8 = 0b1100_0110;

#[tokio::test]
async fn of_two_clients_with_one_name_the_later_has_it() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut first = running.peer().await;
        first.send(connect_as("pump", version, "token", 60)).await;
        assert_eq!(first.frame().await.unwrap()[3], 0);
        let mut second = running.peer().await;
        second.send(connect_as("pump", version, "token", 60)).await;
        assert_eq!(second.frame().await.unwrap()[3], 0);
        if version == Version::V5_0 {
            assert_eq!(first.frame().await, Some(vec![0xE0, 1, 0x8E]), "session taken over");
        }
        first.expect_end().await;
        second.expect_silence(version).await;
        // The name is the second's still: the end of the first did not free it.
        let mut third = running.peer().await;
        third.send(connect_as("pump", version, "token", 60)).await;
        assert_eq!(third.frame().await.unwrap()[3], 0);
        assert_eq!(second.frame().await.is_some(), version == Version::V5_0);
        assert_eq!(running.end().await.taken_over.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_stranger_with_anothers_name_sends_nobody_away() {
    for version in BOTH {
        let running = Running::usual().await;
        let mut client = running.peer().await;
        client.send(connect_as("pump", version, "token", 60)).await;
        assert_eq!(client.frame().await.unwrap()[3], 0);
        let mut stranger = running.peer().await;
        stranger.send(connect_as("pump", version, "guess", 60)).await;
        assert_ne!(stranger.frame().await.unwrap()[3], 0);
        stranger.expect_end().await;
        client.expect_silence(version).await;
        assert_eq!(running.end().await.taken_over.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_name_that_is_too_long_or_not_plain_is_refused_by_the_words_for_it() {
    let running = Running::usual().await;
    let long = "a".repeat(257);
    let longest = "a".repeat(256);
    for (id, code) in [(long.as_str(), 2), ("a\nb", 2), ("\u{1b}[2J", 2), (longest.as_str(), 0)] {
        let mut peer = running.peer().await;
        let fields: [&[u8]; 3] = [id.as_bytes(), b"device", b"token"];
        peer.0.write_all(&raw_connect(NAME_AND_PASSWORD, &fields)).await.unwrap();
        assert_eq!(peer.frame().await, Some(vec![0x20, 2, 0, code]), "{id:?}");
    }
    assert_eq!(running.end().await.unauthorised.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_will_is_taken_when_its_client_goes_without_a_word_and_only_then() {
    let running = Running::usual().await;
    running.gate.durable.add_permits(10);
    let connect =
        raw_connect(WITH_WILL, &[b"w", b"chengmai/v1/m1/open", b"-1", b"device", b"token"]);
    // One says goodbye, two do not.
    for goodbye in [true, false, false] {
        let mut peer = running.peer().await;
        peer.0.write_all(&connect).await.unwrap();
        assert_eq!(peer.frame().await, Some(vec![0x20, 2, 0, 0]));
        if goodbye {
            peer.0.write_all(&[0xE0, 0]).await.unwrap();
            peer.expect_end().await;
        }
        drop(peer);
    }
    assert_eq!(running.gate.seen(2).await, ["-1", "-1"]);
    let counters = running.end().await;
    assert_eq!(counters.messages.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_will_that_is_too_long_is_refused() {
    let running = Running::usual().await;
    let payload = vec![b'1'; 2_000];
    let fields: [&[u8]; 5] = [b"w", b"chengmai/v1/m1/open", &payload, b"device", b"token"];
    let mut peer = running.peer().await;
    peer.0.write_all(&raw_connect(WITH_WILL, &fields)).await.unwrap();
    assert_eq!(peer.frame().await, Some(vec![0x20, 2, 0, 5]));
    peer.expect_end().await;
}

#[tokio::test]
async fn a_stranger_is_given_no_room_for_a_long_greeting() {
    let running = Running::usual().await;
    let mut peer = running.peer().await;
    // Only its length is told: nothing of it has to come.
    peer.0.write_all(&[0x10, 0x80, 0x80, 0x02]).await.unwrap();
    peer.expect_end().await;
    assert_eq!(running.end().await.malformed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn forged_packets_end_their_own_connection_and_no_other() {
    let running = Running::usual().await;
    let mut honest = running.client(Version::V3_1_1).await;
    let hello = raw_connect(NAME_AND_PASSWORD, &[b"f", b"device", b"token"]);
    let topic = |text: &[u8]| [&[0, u8::try_from(text.len()).unwrap()], text].concat();
    let publish = |topic: &[u8]| framed(0x30, &[topic, b"1"].concat());
    let forged: [(&str, Vec<u8>); 9] = [
        ("a wildcard for a topic", publish(&topic(b"chengmai/v1/#"))),
        ("a NUL in a topic", publish(&topic(b"chengmai/v1/m\0"))),
        ("a topic that is no UTF-8", publish(&topic(b"chengmai/\xff"))),
        ("a topic longer than its packet", framed(0x30, &[0xFF, 0xFF, b'a'])),
        ("quality of service 3", framed(0x36, &[&topic(b"a")[..], &[0, 1]].concat())),
        ("a goodbye with more behind it", vec![0xE0, 1, 0]),
        ("a welcome from a client", framed(0x20, &[0, 0])),
        ("a subscription to nothing", framed(0x82, &[0, 1])),
        ("a type that is none", vec![0xF0, 0]),
    ];
    let count = forged.len() as u64;
    for (what, packet) in forged {
        let mut peer = running.peer().await;
        peer.0.write_all(&[&hello[..], &packet].concat()).await.unwrap();
        assert_eq!(peer.frame().await, Some(vec![0x20, 2, 0, 0]), "{what}");
        let end = tokio::time::timeout(PATIENCE, peer.0.read_u8()).await;
        assert!(end.is_ok_and(|end| end.is_err()), "{what}");
    }
    honest.expect_silence(Version::V3_1_1).await;
    assert_eq!(running.end().await.malformed.load(Ordering::SeqCst), count);
}

#[tokio::test]
async fn a_recorded_exactly_once_message_that_is_replayed_on_its_connection_is_taken_once() {
    for version in BOTH {
        let running = Running::usual().await;
        running.gate.durable.add_permits(5);
        let mut client = running.client(version).await;
        for _ in 0..3 {
            client.send(publish(version, Qos::ExactlyOnce, 9, true)).await;
            client.expect(packets::acknowledge(version, 9, true, false).unwrap()).await;
        }
        assert_eq!(running.end().await.messages.load(Ordering::SeqCst), 1);
    }
}
