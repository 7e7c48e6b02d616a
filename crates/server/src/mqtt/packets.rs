//! The packets of both protocol versions as the connection sees them: what came in, without the
//! version, and the answers, made for a version.

use bytes::Bytes;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, MqttString, Packet, Properties, Property, Qos, ReasonString,
    ReceiveMaximum, SessionExpiryInterval, SharedSubscriptionAvailable, SubEntry,
    SubscriptionIdentifierAvailable, TopicAliasMaximum, WildcardSubscriptionAvailable, v3_1_1,
    v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
    PubrecReasonCode, SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};

use super::{Message, Told, Verdict, Why};

/// Topic aliases a sender may use to shorten its messages.
const TOPIC_ALIASES_MAX: u16 = 64;

/// What a client sent.
#[derive(Debug)]
pub(super) enum Inbound {
    /// Asks to begin.
    Connect(Connect),
    /// A message. `id` is set above quality of service 0.
    Publish { id: Option<u16>, exactly_once: bool, message: Message },
    /// Second half of exactly once.
    Release { id: u16 },
    /// Asks for messages under these topics, at least once or not.
    Subscribe { id: u16, topics: Vec<(String, bool)> },
    /// Takes that back.
    Unsubscribe { id: u16, topics: Vec<String> },
    /// Ends; its will may be asked for all the same.
    Disconnect { wants_will: bool },
    /// Answered by the protocol library, or of no meaning here.
    Other,
}

/// The parts of a CONNECT that matter here.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) clean: bool,
    /// What is to be taken as sent by it should it go without a word.
    pub(super) will: Option<Message>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Vec<u8>>,
    /// Version 5 challenge and response, which we do not speak.
    pub(super) enhanced: bool,
}

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Credentials,
    Method,
    ClientId,
    Will,
}

/// Why we end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    ShuttingDown,
    Busy,
    Protocol,
    TakenOver,
    TooSlow,
    Forbidden,
}

impl From<Packet> for Inbound {
    fn from(packet: Packet) -> Self {
        match packet {
            Packet::V3_1_1Connect(p) => Self::Connect(Connect {
                version: Version::V3_1_1,
                client_id: p.client_id().to_owned(),
                clean: p.clean_session(),
                will: will(p.will_topic(), p.will_payload()),
                user: p.user_name().map(str::to_owned),
                password: p.password().map(<[u8]>::to_vec),
                enhanced: false,
            }),
            Packet::V5_0Connect(p) => Self::Connect(Connect {
                version: Version::V5_0,
                client_id: p.client_id().to_owned(),
                clean: p.clean_start(),
                will: will(p.will_topic(), p.will_payload()),
                user: p.user_name().map(str::to_owned),
                password: p.password().map(<[u8]>::to_vec),
                enhanced: p.props().iter().any(|p| matches!(p, Property::AuthenticationMethod(_))),
            }),
            Packet::V3_1_1Publish(p) => Self::Publish {
                id: p.packet_id(),
                exactly_once: p.qos() == Qos::ExactlyOnce,
                message: message(p.topic_name(), p.payload().as_slice()),
            },
            Packet::V5_0Publish(p) => Self::Publish {
                id: p.packet_id(),
                exactly_once: p.qos() == Qos::ExactlyOnce,
                message: message(p.topic_name(), p.payload().as_slice()),
            },
            Packet::V3_1_1Pubrel(p) => Self::Release { id: p.packet_id() },
            Packet::V5_0Pubrel(p) => Self::Release { id: p.packet_id() },
            Packet::V3_1_1Subscribe(p) => {
                Self::Subscribe { id: p.packet_id(), topics: asked(p.entries()) }
            }
            Packet::V5_0Subscribe(p) => {
                Self::Subscribe { id: p.packet_id(), topics: asked(p.entries()) }
            }
            Packet::V3_1_1Unsubscribe(p) => {
                Self::Unsubscribe { id: p.packet_id(), topics: named(p.entries()) }
            }
            Packet::V5_0Unsubscribe(p) => {
                Self::Unsubscribe { id: p.packet_id(), topics: named(p.entries()) }
            }
            Packet::V3_1_1Disconnect(_) => Self::Disconnect { wants_will: false },
            Packet::V5_0Disconnect(p) => Self::Disconnect {
                // Only a plain goodbye takes the will back.
                wants_will: p.reason_code().is_some_and(|reason| reason as u8 != 0),
            },
            _ => Self::Other,
        }
    }
}

fn asked(entries: &[SubEntry]) -> Vec<(String, bool)> {
    let one = |entry: &SubEntry| {
        let at_least_once = entry.sub_opts().qos() != Qos::AtMostOnce;
        (entry.topic_filter().to_owned(), at_least_once)
    };
    entries.iter().map(one).collect()
}

fn named(entries: &[MqttString]) -> Vec<String> {
    entries.iter().map(|entry| entry.as_str().to_owned()).collect()
}

fn message(topic: &str, payload: &[u8]) -> Message {
    Message { topic: topic.to_owned(), payload: Bytes::copy_from_slice(payload) }
}

fn will(topic: Option<&str>, payload: Option<&[u8]>) -> Option<Message> {
    topic.map(|topic| message(topic, payload.unwrap_or_default()))
}

/// Welcomes a client. `id` is the name we give to one that brought none (version 5 asks for it).
pub(super) fn welcome(
    version: Version,
    receive_max: u16,
    id: Option<String>,
) -> Result<Packet, MqttError> {
    if version != Version::V5_0 {
        let packet = v3_1_1::Connack::builder().session_present(false);
        return Ok(packet.return_code(ConnectReturnCode::Accepted).build()?.into());
    }
    let mut properties: Properties = vec![
        ReceiveMaximum::new(receive_max)?.into(),
        TopicAliasMaximum::new(TOPIC_ALIASES_MAX)?.into(),
        SessionExpiryInterval::new(0)?.into(),
        WildcardSubscriptionAvailable::new(0)?.into(),
        SubscriptionIdentifierAvailable::new(0)?.into(),
        SharedSubscriptionAvailable::new(0)?.into(),
    ];
    if let Some(id) = id {
        properties.push(AssignedClientIdentifier::new(id)?.into());
    }
    let packet = v5_0::Connack::builder().session_present(false).props(properties);
    Ok(packet.reason_code(ConnectReasonCode::Success).build()?.into())
}

/// Refuses a client.
pub(super) fn refuse(version: Version, why: Refusal) -> Result<Packet, MqttError> {
    if version == Version::V5_0 {
        let code = match why {
            Refusal::Credentials => ConnectReasonCode::BadUserNameOrPassword,
            Refusal::Method => ConnectReasonCode::BadAuthenticationMethod,
            Refusal::ClientId => ConnectReasonCode::ClientIdentifierNotValid,
            Refusal::Will => ConnectReasonCode::PacketTooLarge,
        };
        let packet = v5_0::Connack::builder().session_present(false);
        return Ok(packet.reason_code(code).build()?.into());
    }
    let code = match why {
        Refusal::Credentials | Refusal::Method => ConnectReturnCode::BadUserNameOrPassword,
        Refusal::ClientId => ConnectReturnCode::IdentifierRejected,
        Refusal::Will => ConnectReturnCode::NotAuthorized,
    };
    let packet = v3_1_1::Connack::builder().session_present(false);
    Ok(packet.return_code(code).build()?.into())
}

/// Acknowledges a message whose readings are on disk. When all of them were refused for good,
/// version 5 can say so; version 3 can only take the message off the sender's hands.
pub(super) fn acknowledge(
    version: Version,
    id: u16,
    exactly_once: bool,
    all_refused: bool,
) -> Result<Packet, MqttError> {
    Ok(match (version == Version::V5_0, exactly_once) {
        (true, false) => {
            let mut packet = v5_0::Puback::builder().packet_id(id);
            if all_refused {
                packet = packet.reason_code(PubackReasonCode::PayloadFormatInvalid);
            }
            packet.build()?.into()
        }
        (true, true) => {
            let mut packet = v5_0::Pubrec::builder().packet_id(id);
            if all_refused {
                packet = packet.reason_code(PubrecReasonCode::PayloadFormatInvalid);
            }
            packet.build()?.into()
        }
        (false, false) => v3_1_1::Puback::builder().packet_id(id).build()?.into(),
        (false, true) => v3_1_1::Pubrec::builder().packet_id(id).build()?.into(),
    })
}

/// Completes an exactly-once message.
pub(super) fn complete(version: Version, id: u16) -> Result<Packet, MqttError> {
    Ok(match version {
        Version::V5_0 => v5_0::Pubcomp::builder().packet_id(id).build()?.into(),
        _ => v3_1_1::Pubcomp::builder().packet_id(id).build()?.into(),
    })
}

/// Answers a SUBSCRIBE, topic by topic. Version 5 is told in words why the first refused one is.
pub(super) fn granted(
    version: Version,
    id: u16,
    verdicts: &[Verdict],
) -> Result<Packet, MqttError> {
    if version != Version::V5_0 {
        let codes = verdicts.iter().map(|verdict| match verdict {
            Verdict::Granted(false) => SubackReturnCode::SuccessMaximumQos0,
            Verdict::Granted(true) => SubackReturnCode::SuccessMaximumQos1,
            Verdict::Refused(..) => SubackReturnCode::Failure,
        });
        let packet = v3_1_1::Suback::builder().packet_id(id).return_codes(codes.collect());
        return Ok(packet.build()?.into());
    }
    let codes = verdicts.iter().map(|verdict| match verdict {
        Verdict::Granted(false) => SubackReasonCode::GrantedQos0,
        Verdict::Granted(true) => SubackReasonCode::GrantedQos1,
        Verdict::Refused(why, _) => match why {
            Why::Unreadable => SubackReasonCode::TopicFilterInvalid,
            Why::Wildcard => SubackReasonCode::WildcardSubscriptionsNotSupported,
            Why::Shared => SubackReasonCode::SharedSubscriptionsNotSupported,
            Why::Forbidden => SubackReasonCode::NotAuthorized,
            Why::TooMany => SubackReasonCode::QuotaExceeded,
            Why::Failed => SubackReasonCode::UnspecifiedError,
        },
    });
    let mut packet = v5_0::Suback::builder().packet_id(id).reason_codes(codes.collect());
    let words = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Refused(_, words) if !words.is_empty() => Some(words.as_str()),
        _ => None,
    });
    if let Some(words) = words {
        packet = packet.props(vec![ReasonString::new(words)?.into()]);
    }
    Ok(packet.build()?.into())
}

/// Answers the end of subscriptions: for each whether there was one.
pub(super) fn unsubscribed(version: Version, id: u16, was: &[bool]) -> Result<Packet, MqttError> {
    let code = |was: &bool| {
        if *was { UnsubackReasonCode::Success } else { UnsubackReasonCode::NoSubscriptionExisted }
    };
    Ok(match version {
        Version::V5_0 => v5_0::Unsuback::builder()
            .packet_id(id)
            .reason_codes(was.iter().map(code).collect())
            .build()?
            .into(),
        _ => v3_1_1::Unsuback::builder().packet_id(id).build()?.into(),
    })
}

/// A message to a follower; with a number at quality of service 1.
pub(super) fn publish(version: Version, id: Option<u16>, told: &Told) -> Result<Packet, MqttError> {
    let quality = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
    if version == Version::V5_0 {
        let mut packet = v5_0::Publish::builder().topic_name(&*told.topic)?.qos(quality);
        if let Some(id) = id {
            packet = packet.packet_id(id);
        }
        return Ok(packet.payload(told.payload.to_vec()).build()?.into());
    }
    let mut packet = v3_1_1::Publish::builder().topic_name(&*told.topic)?.qos(quality);
    if let Some(id) = id {
        packet = packet.packet_id(id);
    }
    Ok(packet.payload(told.payload.to_vec()).build()?.into())
}

/// Says why we end, where the version has words for it.
pub(super) fn farewell(version: Version, why: Farewell) -> Result<Option<Packet>, MqttError> {
    if version != Version::V5_0 {
        return Ok(None);
    }
    let code = match why {
        Farewell::ShuttingDown => DisconnectReasonCode::ServerShuttingDown,
        Farewell::Busy => DisconnectReasonCode::ServerBusy,
        Farewell::Protocol => DisconnectReasonCode::ProtocolError,
        Farewell::TakenOver => DisconnectReasonCode::SessionTakenOver,
        Farewell::TooSlow => DisconnectReasonCode::QuotaExceeded,
        Farewell::Forbidden => DisconnectReasonCode::NotAuthorized,
    };
    Ok(Some(v5_0::Disconnect::builder().reason_code(code).build()?.into()))
}
