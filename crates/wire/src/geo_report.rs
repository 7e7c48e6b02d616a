//! Open311 GeoReport v2: how citizens' apps report to a city and follow what becomes of it. Requests
//! come as forms and queries, answers go out as XML or JSON of one shape.
//!
//! Not here: who may ask, which services there are, and what of a case is public (`server`). Not here
//! either: XML that comes in, because the standard has none.
//! Invariants: what is decoded has a service, a place and words within the limits below; whatever the
//! texts are, what is encoded is well-formed, and its times carry a zone.

use chengmai_model::Timestamp;

mod decode;
mod encode;

pub use decode::{form_fields, query, submission};
pub use encode::{
    Format, discovery, errors, receipts, requests, service_definition, services, updates,
};

/// Longest description, in characters (the standard's).
pub const DESCRIPTION_LEN_MAX: usize = 4_000;
/// Longest other text of a report, in characters.
pub const FIELD_LEN_MAX: usize = 500;
/// Most fields of a form.
pub const FIELDS_MAX: usize = 200;
/// Longest time a query covers, and how far back it looks when it names none.
pub const SPAN_MS_MAX: i64 = 90 * chengmai_model::time::DAY_MS;
/// Most requests in one answer without pages.
pub const ROWS_MAX: usize = 1_000;
/// Requests of a page when none is said.
pub const PAGE_ROWS: usize = 50;
/// Most requests of a page.
pub const PAGE_ROWS_MAX: usize = 500;

/// The address of the shape of our XML in a document: requests, services, errors.
pub const SPECIFICATION: &str = "http://wiki.open311.org/GeoReport_v2";

/// A kind of thing that can be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What belongs there.
    pub description: String,
    /// Whether there is a definition with more to say.
    pub has_definition: bool,
    /// Words it may be found by.
    pub keywords: Vec<String>,
    /// Services that belong together have the same.
    pub group: String,
}

/// How a value of an attribute is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// A line.
    String,
    /// A number.
    Number,
    /// A time.
    DateTime,
    /// Longer text.
    Text,
    /// One of a list.
    SingleValueList,
    /// Any of a list.
    MultiValueList,
}

impl DataType {
    /// Its word: `singlevaluelist`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::DateTime => "datetime",
            Self::Text => "text",
            Self::SingleValueList => "singlevaluelist",
            Self::MultiValueList => "multivaluelist",
        }
    }
}

/// Something more that a service asks, or tells when `variable` is false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Whether an answer is wanted.
    pub variable: bool,
    /// Its code: `attribute[code]` in a report.
    pub code: String,
    /// How an answer is written.
    pub data_type: DataType,
    /// Whether a report without it is refused.
    pub required: bool,
    /// What an answer should look like.
    pub data_type_description: String,
    /// The question.
    pub description: String,
    /// Answers to choose from: key and words.
    pub values: Vec<(String, String)>,
}

/// Who reports, as far as they said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// E-mail address.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Id of the phone.
    pub device_id: Option<String>,
    /// Id of an account elsewhere.
    pub account_id: Option<String>,
}

/// A report that came in: it has a service and at least one of the three ways to say where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Submission {
    /// Code of the service.
    pub service_code: String,
    /// The jurisdiction named, if any.
    pub jurisdiction_id: Option<String>,
    /// The key of the app.
    pub api_key: Option<String>,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Where, in words.
    pub address: Option<String>,
    /// Where, by a number that both sides know.
    pub address_id: Option<String>,
    /// Answers by the code of their attribute, in the order given.
    pub attributes: Vec<(String, Vec<String>)>,
    /// What was said.
    pub description: String,
    /// Address of a picture elsewhere.
    pub media_url: Option<String>,
    /// Who reports.
    pub contact: Contact,
}

/// The two states of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Something is still to be done.
    Open,
    /// Nothing is.
    Closed,
}

impl Status {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// Which requests are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestQuery {
    /// The jurisdiction named, if any.
    pub jurisdiction_id: Option<String>,
    /// These and no others; everything else is then left aside, as the standard says.
    pub ids: Vec<String>,
    /// Of these services; none: of all.
    pub service_codes: Vec<String>,
    /// Reported at or after.
    pub from: Timestamp,
    /// Reported at or before.
    pub to: Timestamp,
    /// In this state; none: in both.
    pub status: Option<Status>,
    /// Changed at or after.
    pub updated_from: Option<Timestamp>,
    /// Changed at or before.
    pub updated_to: Option<Timestamp>,
    /// With these words in what is public.
    pub words: Option<String>,
    /// Which page, from 1; none: one answer of at most [`ROWS_MAX`].
    pub page: Option<usize>,
    /// Requests of a page.
    pub page_rows: usize,
}

/// A request as everybody may see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Its number.
    pub id: String,
    /// Whether it is closed.
    pub is_closed: bool,
    /// Why it is as it is.
    pub status_notes: Option<String>,
    /// Name of the service.
    pub service_name: String,
    /// Code of the service.
    pub service_code: String,
    /// What was said.
    pub description: Option<String>,
    /// Who sees to it.
    pub agency: Option<String>,
    /// What comes next.
    pub notice: Option<String>,
    /// When it was reported.
    pub requested_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it should be done.
    pub expected_at: Option<Timestamp>,
    /// Where, in words.
    pub address: Option<String>,
    /// Where, by number.
    pub address_id: Option<String>,
    /// Postal code.
    pub zipcode: Option<String>,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// Address of a picture.
    pub media_url: Option<String>,
}

/// The answer to a report, and to a question about a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The number, once there is one.
    pub id: Option<String>,
    /// What the number can be asked by until then.
    pub token: Option<String>,
    /// What comes next.
    pub notice: Option<String>,
    /// The account it was reported by, where there are any.
    pub account_id: Option<String>,
}

/// A step in the life of a request (extension `servicerequestupdates`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its number: that of the request and a serial.
    pub id: String,
    /// Number of the request.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// Whether the request is closed after it.
    pub is_closed: bool,
    /// What happened.
    pub description: String,
    /// Who sees to it.
    pub agency: Option<String>,
}

/// Where the interface is, and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// When what it says last changed.
    pub changed_at: Timestamp,
    /// Whom to ask.
    pub contact: String,
    /// How to get a key.
    pub key_service: String,
    /// Address of the interface.
    pub url: String,
    /// `production` or `test`.
    pub kind: &'static str,
}

/// One error of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorItem {
    /// Status of HTTP.
    pub code: u16,
    /// What is wrong, and how to mend it.
    pub description: String,
}

#[cfg(test)]
mod tests;
