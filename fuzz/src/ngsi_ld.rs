//! NGSI-LD: parameters with the query language in them, entities, changes, subscriptions and contexts. What is
//! taken keeps to the limits, says the same when it is written and read again, and is judged without a panic.

use std::collections::BTreeMap;

use chengmai_wire::Fault;
use chengmai_wire::geo_report::form_fields;
use chengmai_wire::ngsi_ld::{
    self as ngsi, Context, Entity, Form, Missing, Output, TEMPORAL_PARAMETERS, Wanted,
};
use serde_json::{Value, json};

use crate::Trait;
use crate::text::{bucket, hash, reason};

/// An entity of which many a query holds.
fn sample() -> Entity {
    let json = json!({"id": "urn:ngsi-ld:Device:m1", "type": "Device", "a": [1, 2], "b": {"value": 7, "c": "x"},
        "name": {"languageMap": {"zh": "甲", "en": "A"}}, "o": {"value": {"p": {"q": "r"}}},
        "location": {"type": "Point", "coordinates": [106.5, 29.5]}});
    ngsi::entity(&json, &Context::default(), false).unwrap_or_default()
}

/// A line of parameters and a document behind it.
pub(crate) fn request(bytes: &[u8]) -> Trait {
    let cut = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (line, document) = bytes.split_at(cut);
    let parameters = parameters(line);
    parameters ^ body(document.get(1..).unwrap_or_default()).rotate_left(24)
}

fn parameters(line: &[u8]) -> Trait {
    let pairs = form_fields(line);
    let context = Context::default();
    let temporal = match ngsi::temporal_query(&pairs) {
        Ok(asked) => {
            let values = ngsi::Values { name: "urn:a:t".into(), unit_code: None, points: vec![] };
            let told = ngsi::temporal_json(&sample(), &[values], &asked, &context);
            assert!(told["id"].is_string());
            1 + u64::from(asked.aggregate.is_some())
        }
        Err(fault) => refused(&fault),
    };
    let entities = match ngsi::entity_query(&pairs, &context, &TEMPORAL_PARAMETERS) {
        Ok(query) => {
            assert!(query.limit <= 1_000);
            let holds = query.holds(&sample());
            let shown = ngsi::entity_json(&query.shown(sample()), &context, &query.output);
            assert_eq!(shown["id"], "urn:ngsi-ld:Device:m1");
            8 | u64::from(holds)
                | u64::from(query.q.is_some()) << 1
                | u64::from(query.geo.is_some()) << 2
        }
        Err(fault) => refused(&fault),
    };
    let link = ngsi::link_target(&String::from_utf8_lossy(line)).is_ok();
    temporal ^ entities.rotate_left(12) ^ u64::from(link) << 40
}

fn refused(fault: &Fault) -> Trait {
    assert!((520..=529).contains(&fault.code.number), "{fault}");
    (hash(reason(fault)) % 64) << 8 | 128
}

fn body(bytes: &[u8]) -> Trait {
    let json = match ngsi::json(bytes) {
        Ok(json) => json,
        Err(fault) => return refused(&fault),
    };
    let context = context(&json);
    let entity = match ngsi::entity(&json, &context, false) {
        Ok(entity) => again(&entity, &context),
        Err(fault) => refused(&fault),
    };
    let change = match ngsi::change(&json, &context, false) {
        Ok(change) => bucket(sample().merged(&change).attributes.len() as u64),
        Err(fault) => refused(&fault),
    };
    let subscription = match ngsi::subscription(&json, &context) {
        Ok(read) => {
            assert!(read.uri.starts_with("http"));
            2 + u64::from(read.holds(&sample(), None))
        }
        Err(fault) => refused(&fault),
    };
    entity ^ change.rotate_left(8) ^ subscription.rotate_left(16)
}

/// A context of the document itself; the core's where it is missing or wrong.
fn context(json: &Value) -> Context {
    let known = BTreeMap::from([("https://a.example/c".to_owned(), json.clone())]);
    match Context::build(Wanted::Json(&json["@context"]), &known) {
        Ok(context) => {
            let whole = context.expand("temperature");
            let short = context.compact(&whole);
            let is_settled = context.expand(&whole) == whole;
            assert!(!is_settled || context.expand(&short) == whole, "it means the same again");
            context
        }
        Err(Missing::Url(url)) => {
            assert!(!ngsi::is_core(&url));
            Context::default()
        }
        Err(Missing::Fault(fault)) => {
            refused(&fault);
            Context::default()
        }
    }
}

/// Written and read again it is the same.
fn again(entity: &Entity, context: &Context) -> Trait {
    assert!(!entity.types.is_empty() && entity.attributes.len() <= ngsi::ATTRIBUTES_MAX);
    let plain = Context::default();
    let written = ngsi::entity_json(entity, &plain, &Output::default());
    let read = ngsi::entity(&written, &plain, false);
    assert_eq!(read.as_ref().map(|read| &read.attributes), Ok(&entity.attributes), "{written}");
    for form in [Form::Concise, Form::Simplified] {
        let output = Output { form, ..Output::default() };
        assert!(ngsi::entity_json(entity, context, &output).is_object());
    }
    assert!(ngsi::feature_json(entity, context, &Output::default())["properties"].is_object());
    bucket(entity.attributes.len() as u64)
}
