//! Tools with their arguments: one table, from which the JSON Schema that clients are shown is written, and by
//! which arguments are judged. So nothing is taken that was not shown.

use serde_json::{Map, Value as Json, json};

/// Characters of a text, where an argument says nothing else.
const TEXT_LEN: usize = 200;

/// A tool.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name, by which it is called.
    pub name: &'static str,
    /// Its name for people, in Chinese and English.
    pub title: &'static str,
    /// What it does and answers, in Chinese and English.
    pub about: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// Whether it changes nothing.
    pub only_reads: bool,
}

/// What a tool takes.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Whether the tool is nothing without it.
    pub required: bool,
    /// What it means, in Chinese and English.
    pub about: &'static str,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Words, at most two hundred characters.
    Text,
    /// Words, at most so many characters.
    LongText(usize),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number from one to the other.
    Whole(i64, i64),
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Longitude and latitude in degrees, WGS 84.
    Position,
}

/// Why arguments are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// There is no such argument: the client was not told of it.
    pub is_unknown: bool,
    /// What is wrong, with what was found.
    pub reason: String,
}

/// The JSON Schema (2020-12) of a tool's arguments.
pub fn input_schema(tool: &Tool) -> Json {
    let properties: Map<String, Json> = tool
        .arguments
        .iter()
        .map(|argument| {
            let mut schema = argument.kind.schema();
            schema["description"] = json!(argument.about);
            (argument.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> =
        tool.arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Takes out what is null, and judges the rest.
///
/// # Errors
/// The first argument that is unknown, missing or not what it must be.
pub fn check(tool: &Tool, arguments: &mut Map<String, Json>) -> Result<(), Misfit> {
    arguments.retain(|_, value| !value.is_null());
    for (name, value) in &*arguments {
        let Some(argument) = tool.arguments.iter().find(|argument| argument.name == name) else {
            let known: Vec<&str> = tool.arguments.iter().map(|a| a.name).collect();
            let name: String = name.chars().take(40).collect();
            let reason = format!("{} has no {name}, but: {}", tool.name, known.join(", "));
            return Err(Misfit { is_unknown: true, reason });
        };
        if !argument.kind.holds(value) {
            let reason = format!("{name} is to be {}", argument.kind.words());
            return Err(Misfit { is_unknown: false, reason });
        }
    }
    let missing = tool.arguments.iter().find(|a| a.required && !arguments.contains_key(a.name));
    missing.map_or(Ok(()), |argument| {
        let reason = format!("{} is needed", argument.name);
        Err(Misfit { is_unknown: false, reason })
    })
}

impl Kind {
    fn schema(self) -> Json {
        match self {
            Self::Text => json!({"type": "string", "maxLength": TEXT_LEN}),
            Self::LongText(most) => json!({"type": "string", "maxLength": most}),
            Self::OneOf(words) => json!({"type": "string", "enum": words}),
            Self::Whole(least, most) => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Self::Number => json!({"type": "number"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Position => {
                json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2})
            }
        }
    }

    fn holds(self, value: &Json) -> bool {
        let text = |most| value.as_str().is_some_and(|text| text.chars().count() <= most);
        match self {
            Self::Text => text(TEXT_LEN),
            Self::LongText(most) => text(most),
            Self::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Whole(least, most) => {
                value.as_i64().is_some_and(|number| (least..=most).contains(&number))
            }
            Self::Number => value.is_number(),
            Self::Flag => value.is_boolean(),
            Self::Position => match value.as_array().map(Vec::as_slice) {
                Some([lon, lat]) => {
                    lon.as_f64().is_some_and(|lon| lon.abs() <= 180.0)
                        && lat.as_f64().is_some_and(|lat| lat.abs() <= 90.0)
                }
                _ => false,
            },
        }
    }

    fn words(self) -> String {
        match self {
            Self::Text => format!("a text of at most {TEXT_LEN} characters"),
            Self::LongText(most) => format!("a text of at most {most} characters"),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Number => "a number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Position => "[longitude, latitude]".to_owned(),
        }
    }
}
