//! Statements as a tree, and its two spellings: JSON-LD and Turtle.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// Prefixes and what they stand for.
pub(super) const PREFIXES: [(&str, &str); 7] = [
    ("dcat", "http://www.w3.org/ns/dcat#"),
    ("dct", "http://purl.org/dc/terms/"),
    ("foaf", "http://xmlns.com/foaf/0.1/"),
    ("vcard", "http://www.w3.org/2006/vcard/ns#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
    ("geosparql", "http://www.opengis.net/ont/geosparql#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
];

/// What something is said to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// A thing by its address.
    Address(String),
    /// Words in a language.
    Words(String, &'static str),
    /// A value of a type.
    Value(String, &'static str),
    /// A thing that is told here and nowhere else.
    Inside(Node),
}

/// A thing and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its address; none for what is only part of another.
    pub(super) address: Option<String>,
    /// What it is.
    pub(super) class: &'static str,
    /// Property and terms.
    pub(super) facts: Vec<(&'static str, Vec<Term>)>,
}

/// What a catalogue says.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph(pub(super) Vec<Node>);

impl Graph {
    /// As JSON-LD 1.1 that carries its context.
    pub fn to_json_ld(&self) -> String {
        let context: Map<String, Value> =
            PREFIXES.iter().map(|(prefix, of)| ((*prefix).to_owned(), json!(of))).collect();
        let all: Vec<Value> = self.0.iter().map(node_json).collect();
        json!({"@context": context, "@graph": all}).to_string()
    }

    /// As Turtle.
    pub fn to_turtle(&self) -> String {
        let mut text = String::new();
        for (prefix, of) in PREFIXES {
            push(&mut text, format_args!("@prefix {prefix}: <{of}> .\n"));
        }
        for node in &self.0 {
            let address = node.address.as_deref().unwrap_or_default();
            push(&mut text, format_args!("\n{} ", reference(address)));
            facts_turtle(&mut text, node, 1);
            text.push_str(" .\n");
        }
        text
    }
}

fn node_json(node: &Node) -> Value {
    let mut map = Map::new();
    if let Some(address) = &node.address {
        map.insert("@id".to_owned(), json!(address));
    }
    map.insert("@type".to_owned(), json!(node.class));
    for (property, terms) in &node.facts {
        let terms: Vec<Value> = terms.iter().map(term_json).collect();
        map.insert((*property).to_owned(), Value::Array(terms));
    }
    Value::Object(map)
}

fn term_json(term: &Term) -> Value {
    match term {
        Term::Address(address) => json!({"@id": address}),
        Term::Words(text, language) => json!({"@value": text, "@language": language}),
        Term::Value(text, kind) => json!({"@value": text, "@type": kind}),
        Term::Inside(node) => node_json(node),
    }
}

fn facts_turtle(text: &mut String, node: &Node, depth: usize) {
    let indent = "    ".repeat(depth);
    push(text, format_args!("a {}", node.class));
    for (property, terms) in &node.facts {
        push(text, format_args!(" ;\n{indent}{property} "));
        for (n, term) in terms.iter().enumerate() {
            if n > 0 {
                text.push_str(", ");
            }
            term_turtle(text, term, depth);
        }
    }
}

fn term_turtle(text: &mut String, term: &Term, depth: usize) {
    match term {
        Term::Address(address) => text.push_str(&reference(address)),
        Term::Words(words, language) => push(text, format_args!("{}@{language}", quoted(words))),
        Term::Value(value, kind) => push(text, format_args!("{}^^{kind}", quoted(value))),
        Term::Inside(node) => {
            text.push_str("[ ");
            facts_turtle(text, node, depth + 1);
            text.push_str(" ]");
        }
    }
}

/// An address in angle brackets; what may not stand there is escaped.
fn reference(address: &str) -> String {
    let mut text = String::from("<");
    for c in address.chars() {
        if c <= ' ' || "<>\"{}|^`\\".contains(c) {
            push(&mut text, format_args!("%{:02X}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text + ">"
}

fn quoted(words: &str) -> String {
    let mut text = String::from("\"");
    for c in words.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c < ' ' => push(&mut text, format_args!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text + "\""
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("writing to a string cannot fail");
}
