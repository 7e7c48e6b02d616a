//! What followers are told: as fast as they take it and no faster, and the end of one that does not.

use std::collections::VecDeque;

use mqtt_protocol_core::mqtt::packet::{ReceiveMaximum, SubEntry, SubOpts};

use super::*;

fn subscribe(version: Version, topics: &[&str], qos: Qos) -> Packet {
    let entry = |topic: &&str| SubEntry::new(*topic, SubOpts::new().set_qos(qos)).unwrap();
    let entries: Vec<SubEntry> = topics.iter().map(entry).collect();
    if version == Version::V5_0 {
        let packet = v5_0::Subscribe::builder().packet_id(1u16).entries(entries);
        return packet.build().unwrap().into();
    }
    v3_1_1::Subscribe::builder().packet_id(1u16).entries(entries).build().unwrap().into()
}

fn told(number: usize, at_least_once: bool) -> Told {
    Told { topic: "t".into(), payload: number.to_string().into(), at_least_once }
}

fn expected(version: Version, id: Option<u16>, number: usize) -> Packet {
    packets::publish(version, id, &told(number, id.is_some())).unwrap()
}

/// A listener with a client that follows `t`, and whom to tell.
async fn following(version: Version, hello: Packet, qos: Qos) -> (Running, Peer, Arc<dyn Hears>) {
    let running = Running::usual().await;
    running.gate.grants.store(true, Ordering::SeqCst);
    let mut peer = running.peer().await;
    peer.send(hello).await;
    assert_eq!(peer.frame().await.unwrap()[0], 0x20);
    peer.send(subscribe(version, &["t"], qos)).await;
    let verdicts = [Verdict::Granted(qos != Qos::AtMostOnce)];
    peer.expect(packets::granted(version, 1, &verdicts).unwrap()).await;
    let ear = running.gate.ears.lock().pop().unwrap();
    (running, peer, ear)
}

#[tokio::test]
async fn each_topic_of_a_subscription_has_its_own_answer_and_the_first_refusal_says_why() {
    for version in BOTH {
        let running = Running::usual().await;
        running.gate.grants.store(true, Ordering::SeqCst);
        let mut client = running.client(version).await;
        client.send(subscribe(version, &["t", "no"], Qos::ExactlyOnce)).await;
        let verdicts =
            [Verdict::Granted(true), Verdict::Refused(Why::Forbidden, "E-503 no".to_owned())];
        client.expect(packets::granted(version, 1, &verdicts).unwrap()).await;
        let unsubscribe: Packet = if version == Version::V5_0 {
            let packet = v5_0::Unsubscribe::builder().packet_id(2u16);
            packet.entries(["t", "no"]).unwrap().build().unwrap().into()
        } else {
            let packet = v3_1_1::Unsubscribe::builder().packet_id(2u16);
            packet.entries(["t", "no"]).unwrap().build().unwrap().into()
        };
        client.send(unsubscribe).await;
        client.expect(packets::unsubscribed(version, 2, &[true, false]).unwrap()).await;
        running.end().await;
    }
}

/// The id of a message to be acknowledged, in a short frame.
fn id_of(publish: &[u8]) -> u16 {
    let at = 4 + usize::from(publish[3]);
    u16::from_be_bytes([publish[at], publish[at + 1]])
}

#[tokio::test]
async fn messages_come_in_order_and_those_to_be_acknowledged_wait_for_that() {
    for version in BOTH {
        let hello = match version {
            Version::V5_0 => v5_0::Connect::builder()
                .client_id("slow")
                .unwrap()
                .clean_start(true)
                .user_name("device")
                .unwrap()
                .password(b"token".to_vec())
                .unwrap()
                .props(vec![ReceiveMaximum::new(2).unwrap().into()])
                .build()
                .unwrap()
                .into(),
            _ => connect(version, "token", 60),
        };
        let (running, mut client, ear) = following(version, hello, Qos::AtLeastOnce).await;
        // Version 5 says how many it takes at once, for version 3 we do.
        let most = if version == Version::V5_0 { 2 } else { 100 };
        for number in 0..most + 3 {
            ear.tell(told(number, true));
        }
        for number in 0..most {
            let id = u16::try_from(number + 1).unwrap();
            client.expect(expected(version, Some(id), number)).await;
        }
        client.expect_silence(version).await;
        let mut waiting: VecDeque<u16> = (1..=u16::try_from(most).unwrap()).collect();
        for number in most..most + 3 {
            client.send(acknowledged(version, waiting.pop_front().unwrap())).await;
            let frame = client.frame().await.unwrap();
            assert!(frame.ends_with(number.to_string().as_bytes()), "{frame:?}");
            waiting.push_back(id_of(&frame));
            client.expect_silence(version).await;
        }
        let counters = running.end().await;
        assert_eq!(counters.told.load(Ordering::SeqCst), most as u64 + 3);
        assert_eq!(counters.waiting_bytes.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_follower_who_does_not_keep_up_is_sent_away_told_so_and_counted() {
    for version in BOTH {
        let hello = connect(version, "token", 60);
        let (running, mut client, ear) = following(version, hello, Qos::AtLeastOnce).await;
        // It acknowledges nothing, so that nothing more goes out than it takes at once.
        for number in 0..10_101 {
            ear.tell(told(number, true));
        }
        let mut heard = 0;
        let mut last = None;
        while let Some(frame) = client.frame().await {
            heard += usize::from(frame[0] >> 4 == 3);
            last = Some(frame);
        }
        assert!(heard <= 100, "{heard}");
        if version == Version::V5_0 {
            let why = packets::farewell(version, packets::Farewell::TooSlow).unwrap().unwrap();
            assert_eq!(last, Some(why.to_continuous_buffer()));
        }
        assert!(ear.is_gone());
        ear.tell(told(0, true));
        let counters = running.end().await;
        assert_eq!(counters.too_slow.load(Ordering::SeqCst), 1, "{version:?}");
        assert_eq!(counters.waiting_bytes.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_follower_that_may_not_any_more_is_sent_away() {
    let version = Version::V5_0;
    let hello = connect(version, "token", 60);
    let (running, mut client, ear) = following(version, hello, Qos::AtMostOnce).await;
    ear.tell(told(7, false));
    client.expect(expected(version, None, 7)).await;
    ear.send_away(true);
    let why = packets::farewell(version, packets::Farewell::Forbidden).unwrap().unwrap();
    client.expect(why).await;
    client.expect_end().await;
    assert_eq!(running.end().await.unauthorised.load(Ordering::SeqCst), 1);
}
