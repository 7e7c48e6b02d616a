//! Messages that are taken by a look, of many connections together: durable in batches, and each
//! connection still sees what it would see alone.

use super::super::worker::BATCHES_MAX;
use super::*;

fn quick_limits() -> Limits {
    Limits { workers: 1, ..Limits::default() }
}

/// A message at quality of service 1; the gate takes numbers by a look, anything else the long way.
fn message(version: Version, id: u16, payload: &str) -> Packet {
    let (topic, payload) = ("chengmai/v1/m1/methane", payload.to_owned());
    if version == Version::V5_0 {
        let packet = v5_0::Publish::builder().topic_name(topic).unwrap().qos(Qos::AtLeastOnce);
        return packet.packet_id(id).payload(payload).build().unwrap().into();
    }
    let packet = v3_1_1::Publish::builder().topic_name(topic).unwrap().qos(Qos::AtLeastOnce);
    packet.packet_id(id).payload(payload).build().unwrap().into()
}

impl Gate {
    /// Waits for so many readings in batches; gives their values in the order of the batches.
    async fn kept(&self, count: usize) -> Vec<f64> {
        let mut batches = self.batches.subscribe();
        let enough = |batches: &Vec<Vec<f64>>| batches.iter().map(Vec::len).sum::<usize>() >= count;
        let seen = within(batches.wait_for(enough)).await.unwrap();
        seen.concat()
    }
}

#[tokio::test]
async fn connections_share_a_batch_and_hear_of_it_only_when_it_is_durable() {
    for version in BOTH {
        let running = Running::quick(quick_limits()).await;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(running.client(version).await);
        }
        for (id, client) in (1..).zip(&mut clients) {
            client.send(message(version, id, &id.to_string())).await;
        }
        for client in &mut clients {
            client.expect_silence(version).await;
        }
        running.gate.durable.add_permits(20);
        let mut kept = running.gate.kept(20).await;
        kept.sort_by(f64::total_cmp);
        assert_eq!(kept, (1..=20).map(f64::from).collect::<Vec<_>>());
        for (id, client) in (1..).zip(&mut clients) {
            client.expect(acknowledged(version, id)).await;
        }
        let batches = running.gate.batches.borrow().len();
        assert!(batches <= 1 + BATCHES_MAX, "not a batch a message: {batches}");
        assert_eq!(running.end().await.messages.load(Ordering::SeqCst), 20);
    }
}

#[tokio::test]
async fn messages_of_both_ways_are_acknowledged_in_their_order() {
    for version in BOTH {
        let running = Running::quick(quick_limits()).await;
        running.gate.durable.add_permits(100);
        let mut client = running.client(version).await;
        for id in 1..=40 {
            let payload = if id % 3 == 0 { "a long story".to_owned() } else { id.to_string() };
            client.send(message(version, id, &payload)).await;
        }
        for id in 1..=40 {
            client.expect(acknowledged(version, id)).await;
        }
        let kept = running.gate.kept(27).await;
        assert!(kept.is_sorted(), "{kept:?}");
        assert_eq!((kept.len(), running.gate.seen(13).await.len()), (27, 13));
    }
}

#[tokio::test]
async fn a_connection_has_no_more_in_flight_than_it_may_and_goes_on_when_it_has_room() {
    let limits = Limits { in_flight_max: 2, ..quick_limits() };
    let running = Running::quick(limits).await;
    let mut client = running.client(Version::V3_1_1).await;
    let mut witness = running.client(Version::V3_1_1).await;
    let all: Vec<u8> = (1..=20)
        .flat_map(|id| message(Version::V3_1_1, id, &id.to_string()).to_continuous_buffer())
        .collect();
    client.0.write_all(&all).await.unwrap();
    running.gate.kept(2).await;
    // The worker has looked at everybody since.
    witness.expect_silence(Version::V3_1_1).await;
    assert_eq!(running.gate.kept(2).await, [1.0, 2.0]);
    running.gate.durable.add_permits(20);
    for id in 1..=20 {
        client.expect(acknowledged(Version::V3_1_1, id)).await;
    }
}

#[tokio::test]
async fn a_message_that_comes_byte_by_byte_is_one_message() {
    for version in BOTH {
        let running = Running::quick(quick_limits()).await;
        running.gate.durable.add_permits(3);
        let mut client = running.client(version).await;
        client.0.set_nodelay(true).unwrap();
        for payload in ["7", "eight", "9"] {
            for byte in message(version, 5, payload).to_continuous_buffer() {
                client.0.write_all(&[byte]).await.unwrap();
            }
            client.expect(acknowledged(version, 5)).await;
        }
        assert_eq!(running.gate.kept(2).await, [7.0, 9.0]);
        assert_eq!(running.gate.seen(1).await, ["eight"]);
    }
}

#[tokio::test]
async fn what_a_sender_of_quality_0_says_before_it_hangs_up_is_taken() {
    for version in BOTH {
        let running = Running::quick(quick_limits()).await;
        running.gate.durable.add_permits(2);
        let mut client = running.client(version).await;
        // The topic `a`, in version 5 no properties, and DISCONNECT.
        let bytes: &[u8] = match version {
            Version::V5_0 => &[0x30, 5, 0, 1, b'a', 0, b'4', 0xE0, 0],
            _ => &[0x30, 4, 0, 1, b'a', b'4', 0xE0, 0],
        };
        client.0.write_all(bytes).await.unwrap();
        drop(client);
        assert_eq!(running.gate.kept(1).await, [4.0]);
        running.end().await;
    }
}

#[tokio::test]
async fn a_batch_that_is_not_taken_is_acknowledged_to_nobody() {
    for version in BOTH {
        let gate = Gate::new(Err(TakeError::Stopped), true);
        let running = Running::with(gate, quick_limits()).await;
        let mut client = running.client(version).await;
        client.send(message(version, 1, "1")).await;
        running.gate.durable.add_permits(1);
        if version == Version::V5_0 {
            let busy = packets::farewell(version, packets::Farewell::Busy).unwrap().unwrap();
            client.expect(busy).await;
        }
        client.expect_end().await;
        assert_eq!(running.end().await.turned_away.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn stopping_acknowledges_a_batch_that_is_on_its_way() {
    let running = Running::quick(quick_limits()).await;
    let mut client = running.client(Version::V5_0).await;
    client.send(message(Version::V5_0, 1, "1")).await;
    running.gate.kept(1).await;
    running.stop.send_replace(true);
    running.gate.durable.add_permits(1);
    client.expect(acknowledged(Version::V5_0, 1)).await;
    assert_eq!(client.frame().await, Some(vec![0xE0, 1, 0x8B]), "shutting down");
    client.expect_end().await;
    running.end().await;
}

#[tokio::test]
async fn one_who_reads_no_answers_is_not_listened_to_and_let_go() {
    let limits = Limits { patience: Duration::from_millis(500), ..quick_limits() };
    let running = Running::quick(limits).await;
    let mut client = running.client(Version::V3_1_1).await;
    let pings = [0xC0, 0].repeat(32 * 1024);
    let flood = async { while client.0.write_all(&pings).await.is_ok() {} };
    within(flood).await;
    assert_eq!(running.end().await.silent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn packets_that_come_in_part_hold_bounded_memory() {
    let limits = Limits { held_bytes_max: 1_000, ..quick_limits() };
    let running = Running::quick(limits).await;
    let long = message(Version::V5_0, 1, &"x".repeat(2_000)).to_continuous_buffer();
    let mut first = running.client(Version::V5_0).await;
    first.0.write_all(&long[..800]).await.unwrap();
    // Another client's ping shows that the worker has read what this one sent.
    running.client(Version::V5_0).await.expect_silence(Version::V5_0).await;
    let mut second = running.client(Version::V5_0).await;
    second.0.write_all(&long[..800]).await.unwrap();
    let busy = packets::farewell(Version::V5_0, packets::Farewell::Busy).unwrap().unwrap();
    second.expect(busy).await;
    second.expect_end().await;
    // The first may still finish.
    running.gate.durable.add_permits(1);
    first.0.write_all(&long[800..]).await.unwrap();
    first.expect(acknowledged(Version::V5_0, 1)).await;
    assert_eq!(running.end().await.turned_away.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_who_does_not_finish_its_connect_in_time_is_let_go() {
    let limits = Limits { patience: Duration::from_millis(300), ..quick_limits() };
    let running = Running::quick(limits).await;
    let connect = connect(Version::V5_0, "token", 60).to_continuous_buffer();
    let (mut nothing, mut part) = (running.peer().await, running.peer().await);
    part.0.write_all(&connect[..10]).await.unwrap();
    nothing.expect_end().await;
    part.expect_end().await;
    assert_eq!(running.end().await.silent.load(Ordering::SeqCst), 2);
}
