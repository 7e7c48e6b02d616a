//! Requests of SensorThings: an address with its query, documents of every kind, tables, patches, batches.
//! What is read is asked of an entity, must lead to the same address again, and must be what it says.

use chengmai_model::Timestamp;
use chengmai_wire::Fault;
use chengmai_wire::sensorthings::{
    self as sta, Collection, DATA_ARRAY_ROWS_MAX, DEEP_INSERT_MAX, Draft, Entity, Id, Kind, Link,
    Linked, Options,
};
use serde_json::{Value, json};

use crate::Trait;
use crate::text::{bucket, hash, reason};

/// Bytes as all that they may be.
pub(crate) fn request(body: &[u8]) -> Trait {
    let text = String::from_utf8_lossy(body);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let mut answer = 0;
    let mut kind = Kind::Thing;
    match sta::path(path) {
        Ok(path) => {
            assert!(!path.steps.is_empty() && path.steps.len() <= sta::DEPTH_MAX);
            kind = path.kind();
            answer |= 1 << (path.steps.len() % 8);
        }
        Err(fault) => answer ^= refused(&fault),
    }
    match sta::options(kind, query) {
        Ok(options) => answer ^= ask(kind, &options).rotate_left(16),
        Err(fault) => answer ^= refused(&fault).rotate_left(16),
    }
    answer ^ documents(body).rotate_left(32) ^ topic(&text).rotate_left(48)
}

/// The same text as a topic of MQTT. What can be followed leads somewhere and asks for fields at most.
fn topic(text: &str) -> Trait {
    let mut answer: Trait = 0;
    for topic in [text, &format!("{}{text}", sta::TOPIC_ROOT)] {
        answer = answer.rotate_left(5);
        match sta::followed(topic) {
            Ok(sta::Follow { path, options }) => {
                assert!(!topic.contains(['#', '+']) || topic.contains('?'), "{topic}");
                assert!(options.filter.is_none() && options.expand.is_empty(), "{topic}");
                assert!(options.order.is_empty() && !options.count && !options.data_array);
                assert!(options.select.is_none() || path.is_set(), "{topic}");
                answer ^= 1 + bucket(path.steps.len() as u64);
            }
            Err(fault) => answer ^= refused(&fault),
        }
        match sta::published(topic) {
            Ok(path) => assert!(path.is_set(), "{topic}"),
            Err(fault) => answer ^= refused(&fault).rotate_left(1),
        }
    }
    answer
}

/// An entity of the kind, two steps deep, so that paths lead somewhere.
fn entity(kind: Kind, depth: u8) -> Entity {
    let place = json!({"type": "Point", "coordinates": [106.5, 29.5]});
    let mut entity = Entity::new(kind, Id::Number(7))
        .with("name", "a'b")
        .with("phenomenonTime", "2026-11-22T10:00:00Z/2026-11-22T11:00:00Z")
        .with("result", 1.5)
        .with("location", place);
    for relation in kind.relations().iter().filter(|_| depth > 0) {
        let other = entity_at(relation.to, depth);
        let linked = if relation.many {
            Linked::Many(Collection { entities: vec![other], next: None, count: None })
        } else {
            Linked::One(Some(Box::new(other)))
        };
        entity.links.insert(relation.name, linked);
    }
    entity
}

fn entity_at(kind: Kind, depth: u8) -> Entity {
    entity(kind, depth - 1)
}

fn ask(kind: Kind, options: &Options) -> Trait {
    let (one, now) = (entity(kind, 2), Timestamp(1_790_000_000_000));
    let holds = options.filter.as_ref().map(|filter| sta::holds(filter, &one, now));
    let narrow = sta::narrow(options.filter.as_ref());
    for order in &options.order {
        let key = sta::order_by(&order.by, &one, now);
        assert!(key.order(&key).is_eq(), "a key is in order with itself");
    }
    assert!(options.rows() <= sta::PAGE_ROWS_MAX);
    let shown = sta::encode_entity(&one, "http://h", options);
    assert!(shown.is_object());
    let next = sta::next_link("http://h/x", &options.written, &sta::Next::Skip(5));
    let (_, again) = next.split_once('?').unwrap_or_default();
    let again = sta::options(kind, again).expect("what was understood is understood again");
    assert_eq!((again.filter.as_ref(), again.skip), (options.filter.as_ref(), 5));
    let mut paths = 0;
    options.filter.iter().for_each(|filter| filter.paths(&mut |_| paths += 1));
    let narrowed = u64::from(narrow.id.is_some() || narrow.of.is_some());
    bucket(paths) << 8
        | bucket(options.expand.len() as u64) << 4
        | narrowed << 3
        | holds.map_or(0, |holds| 1 + u64::from(holds))
}

fn documents(body: &[u8]) -> Trait {
    let mut answer = 0;
    for (number, kind) in ["multipart/mixed; boundary=b", "application/json"].iter().enumerate() {
        let requests = match number {
            0 => sta::decode_batch_multipart(kind, body),
            _ => sta::decode_batch_json(body),
        };
        match requests {
            Ok(requests) => {
                assert!(requests.len() <= sta::BATCH_MAX);
                let groups = requests.chunk_by(|a, b| a.group == b.group);
                let mut named: Vec<_> =
                    groups.filter_map(|group| group[0].group.as_ref()).collect();
                let all = named.len();
                named.sort_unstable();
                named.dedup();
                assert_eq!(named.len(), all, "a change set stands together");
                for request in &requests {
                    let (path, _) = request.address("/sta/v1.1");
                    assert!(path.len() <= request.url.len() * 3, "an address only gets shorter");
                }
                answer ^= bucket(requests.len() as u64) << number;
            }
            Err(fault) => answer ^= refused(&fault) << number,
        }
    }
    let json = match sta::json(body) {
        Ok(json) => json,
        Err(fault) => return answer ^ refused(&fault),
    };
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let read = sta::draft(kind, &json, None);
        answer ^= match &read {
            Ok(draft) => {
                sound(draft);
                1 << number
            }
            Err(fault) => refused(fault).rotate_left(4),
        };
        if let Ok(change) = sta::patch(kind, &json) {
            drop(sta::merged(kind, &serde_json::Map::new(), &change));
        }
    }
    if let Ok(rows) = sta::data_arrays(&json) {
        assert!(rows.len() <= DATA_ARRAY_ROWS_MAX);
        rows.iter().flatten().for_each(sound);
    }
    let target = json!({"name": "a", "properties": {"x": [1, {"y": null}]}});
    let patched = sta::json_patch(target, &json).is_ok_and(|patched: Value| !patched.is_null());
    let middle = sta::shape(&json).and_then(|shape| shape.middle());
    assert!(middle.is_none_or(|middle| middle.iter().all(|part| part.is_finite())));
    answer ^ u64::from(patched) << 12
}

/// A draft has all that it needs, and no more than it may.
fn sound(draft: &Draft) {
    fn count(draft: &Draft) -> usize {
        let fields = draft.kind.fields();
        assert!(fields.iter().all(|f| !f.required || draft.fields.contains_key(f.name)));
        assert!(fields.iter().all(|f| !f.read_only || !draft.fields.contains_key(f.name)));
        let inner = draft.links.iter().map(|(relation, link)| match link {
            Link::New(new) => {
                assert_eq!(relation.to, new.kind);
                count(new)
            }
            Link::Known(_) => 0,
        });
        1 + inner.sum::<usize>()
    }
    assert!(count(draft) <= DEEP_INSERT_MAX);
}

fn refused(fault: &Fault) -> Trait {
    assert!([460, 461, 462, 465].contains(&fault.code.number), "{fault}");
    1 << (hash(reason(fault)) % 48)
}
