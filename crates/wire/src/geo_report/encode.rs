//! Encodes answers. Each is put together once, as a tree, and written as XML or JSON; so both say the
//! same.

use chengmai_model::Timestamp;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::{Map, Value, json};

use super::{
    Attribute, Discovery, ErrorItem, Receipt, Request, SPECIFICATION, Service, Status, Update,
};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Always there.
    Xml,
    /// As well.
    Json,
}

impl Format {
    /// From the end of an address: `requests.json`.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "xml" => Some(Self::Xml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// A part of an answer.
enum Node {
    Leaf(Value),
    /// Name and part.
    Parts(Vec<(&'static str, Node)>),
    /// Items with the name that each has in XML.
    List(&'static str, Vec<Node>),
}

impl<T: Into<Value>> From<T> for Node {
    fn from(value: T) -> Self {
        Self::Leaf(value.into())
    }
}

fn time(at: Option<Timestamp>) -> Node {
    at.map(Timestamp::to_rfc3339).into()
}

/// The list of services.
pub fn services(format: Format, services: &[Service]) -> Vec<u8> {
    let service = |service: &Service| {
        Node::Parts(vec![
            ("service_code", service.code.clone().into()),
            ("service_name", service.name.clone().into()),
            ("description", service.description.clone().into()),
            ("metadata", service.has_definition.into()),
            ("type", "realtime".into()),
            ("keywords", service.keywords.join(",").into()),
            ("group", service.group.clone().into()),
        ])
    };
    write(format, "services", &Node::List("service", services.iter().map(service).collect()))
}

/// What a service asks besides.
pub fn service_definition(format: Format, code: &str, attributes: &[Attribute]) -> Vec<u8> {
    let value = |(key, name): &(String, String)| {
        Node::Parts(vec![("key", key.clone().into()), ("name", name.clone().into())])
    };
    let attribute = |(order, attribute): (usize, &Attribute)| {
        Node::Parts(vec![
            ("variable", attribute.variable.into()),
            ("code", attribute.code.clone().into()),
            ("datatype", attribute.data_type.word().into()),
            ("required", attribute.required.into()),
            ("datatype_description", attribute.data_type_description.clone().into()),
            ("order", order.into()),
            ("description", attribute.description.clone().into()),
            ("values", Node::List("value", attribute.values.iter().map(value).collect())),
        ])
    };
    let attributes = (1..).zip(attributes).map(attribute).collect();
    let definition = Node::Parts(vec![
        ("service_code", code.into()),
        ("attributes", Node::List("attribute", attributes)),
    ]);
    write(format, "service_definition", &definition)
}

/// Requests; one is a list as well.
pub fn requests(format: Format, requests: &[Request]) -> Vec<u8> {
    let request = |request: &Request| {
        let status = if request.is_closed { Status::Closed } else { Status::Open };
        let [longitude, latitude] = match request.position {
            Some([longitude, latitude]) => [json!(longitude), json!(latitude)],
            None => [Value::Null, Value::Null],
        };
        Node::Parts(vec![
            ("service_request_id", request.id.clone().into()),
            ("status", status.word().into()),
            ("status_notes", request.status_notes.clone().into()),
            ("service_name", request.service_name.clone().into()),
            ("service_code", request.service_code.clone().into()),
            ("description", request.description.clone().into()),
            ("agency_responsible", request.agency.clone().into()),
            ("service_notice", request.notice.clone().into()),
            ("requested_datetime", time(request.requested_at)),
            ("updated_datetime", time(request.updated_at)),
            ("expected_datetime", time(request.expected_at)),
            ("address", request.address.clone().into()),
            ("address_id", request.address_id.clone().into()),
            ("zipcode", request.zipcode.clone().into()),
            ("lat", latitude.into()),
            ("long", longitude.into()),
            ("media_url", request.media_url.clone().into()),
        ])
    };
    let list = Node::List("request", requests.iter().map(request).collect());
    write(format, "service_requests", &list)
}

/// The answer to a report or about a token. A part that is not there is left out: an app tells a
/// number from a token by it.
pub fn receipts(format: Format, receipts: &[Receipt]) -> Vec<u8> {
    let receipt = |receipt: &Receipt| {
        let parts = [("service_request_id", &receipt.id), ("token", &receipt.token)];
        let mut parts: Vec<(&'static str, Node)> = parts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.clone()?.into())))
            .collect();
        parts.push(("service_notice", receipt.notice.clone().into()));
        parts.push(("account_id", receipt.account_id.clone().into()));
        Node::Parts(parts)
    };
    let list = Node::List("request", receipts.iter().map(receipt).collect());
    write(format, "service_requests", &list)
}

/// Steps in the life of requests.
pub fn updates(format: Format, updates: &[Update]) -> Vec<u8> {
    let update = |update: &Update| {
        let status = if update.is_closed { Status::Closed } else { Status::Open };
        Node::Parts(vec![
            ("update_id", update.id.clone().into()),
            ("service_request_id", update.request_id.clone().into()),
            ("status", status.word().into()),
            ("updated_datetime", time(Some(update.at))),
            ("description", update.description.clone().into()),
            ("agency_responsible", update.agency.clone().into()),
        ])
    };
    let list = Node::List("request_update", updates.iter().map(update).collect());
    write(format, "service_request_updates", &list)
}

/// Where the interface is.
pub fn discovery(format: Format, discovery: &Discovery) -> Vec<u8> {
    let changed = || time(Some(discovery.changed_at));
    let formats = ["text/xml", "application/json"].map(Node::from).into();
    let endpoint = Node::Parts(vec![
        ("specification", SPECIFICATION.into()),
        ("url", discovery.url.clone().into()),
        ("changeset", changed()),
        ("type", discovery.kind.into()),
        ("formats", Node::List("format", formats)),
    ]);
    let document = Node::Parts(vec![
        ("changeset", changed()),
        ("contact", discovery.contact.clone().into()),
        ("key_service", discovery.key_service.clone().into()),
        ("endpoints", Node::List("endpoint", vec![endpoint])),
    ]);
    write(format, "discovery", &document)
}

/// What is wrong.
pub fn errors(format: Format, errors: &[ErrorItem]) -> Vec<u8> {
    let error = |error: &ErrorItem| {
        Node::Parts(vec![
            ("code", error.code.into()),
            ("description", error.description.clone().into()),
        ])
    };
    write(format, "errors", &Node::List("error", errors.iter().map(error).collect()))
}

fn write(format: Format, root: &str, node: &Node) -> Vec<u8> {
    match format {
        Format::Json => value(node).to_string().into_bytes(),
        Format::Xml => {
            let mut writer = Writer::new(Vec::new());
            put(&mut writer, Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)));
            element(&mut writer, root, node);
            writer.into_inner()
        }
    }
}

fn value(node: &Node) -> Value {
    match node {
        Node::Leaf(leaf) => leaf.clone(),
        Node::List(_, items) => Value::Array(items.iter().map(value).collect()),
        Node::Parts(parts) => {
            let parts = parts.iter().map(|(name, part)| ((*name).to_owned(), value(part)));
            Value::Object(parts.collect::<Map<_, _>>())
        }
    }
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, node: &Node) {
    let text = match node {
        Node::Leaf(Value::Null) | Node::Parts(_) | Node::List(..) => String::new(),
        Node::Leaf(Value::String(text)) => text.chars().filter(|&c| is_xml(c)).collect(),
        Node::Leaf(other) => other.to_string(),
    };
    let inside: Vec<(&str, &Node)> = match node {
        Node::Leaf(_) => Vec::new(),
        Node::Parts(parts) => parts.iter().map(|(name, part)| (*name, part)).collect(),
        Node::List(name, items) => items.iter().map(|item| (*name, item)).collect(),
    };
    if text.is_empty() && inside.is_empty() {
        put(writer, Event::Empty(BytesStart::new(name)));
        return;
    }
    put(writer, Event::Start(BytesStart::new(name)));
    if !text.is_empty() {
        put(writer, Event::Text(BytesText::new(&text)));
    }
    for (name, part) in inside {
        element(writer, name, part);
    }
    put(writer, Event::End(BytesEnd::new(name)));
}

fn put(writer: &mut Writer<Vec<u8>>, event: Event<'_>) {
    writer.write_event(event).expect("writing to memory cannot fail");
}

/// Characters that XML 1.0 cannot carry, not even escaped, are left out.
const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}
