//! Decodes reports and queries, which come as pairs of name and value.
//!
//! A fault's line is the number of the field, from 1, and 0 for one that is missing.

use chengmai_model::Timestamp;
use chengmai_model::error::{BAD_QUERY, ErrorCode, REPORT_FIELD};

use super::{
    DESCRIPTION_LEN_MAX, FIELD_LEN_MAX, FIELDS_MAX, PAGE_ROWS, PAGE_ROWS_MAX, RequestQuery,
    SPAN_MS_MAX, Status, Submission,
};
use crate::error::{Fault, place, quote};

/// The fields of a body or query as browsers write them. What is no UTF-8 is replaced, never refused.
pub fn form_fields(body: &[u8]) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(body).take(FIELDS_MAX + 1);
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A report from the fields of its form.
///
/// # Errors
/// Everything that is wrong with it, in the order of the fields.
pub fn submission(fields: &[(String, String)]) -> Result<Submission, Vec<Fault>> {
    let mut form = Form { faults: Vec::new(), code: &REPORT_FIELD };
    if fields.len() > FIELDS_MAX {
        form.refuse(
            FIELDS_MAX + 1,
            format!("字段超过 {FIELDS_MAX} 个"),
            format!("more than {FIELDS_MAX} fields"),
        );
        return Err(form.faults);
    }
    let mut report = Submission::default();
    let (mut longitude, mut latitude) = (None, None);
    for (n, (name, value)) in (1..).zip(fields) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let long = if name == "description" { DESCRIPTION_LEN_MAX } else { FIELD_LEN_MAX };
        if value.chars().count() > long {
            let name = quote(name.as_bytes());
            form.refuse(
                n,
                format!("`{name}` 最长 {long} 字"),
                format!("`{name}` has at most {long} characters"),
            );
            continue;
        }
        let text = || Some(value.to_owned());
        let contact = &mut report.contact;
        match name.as_str() {
            "service_code" => value.clone_into(&mut report.service_code),
            "jurisdiction_id" => report.jurisdiction_id = text(),
            "api_key" => report.api_key = text(),
            "lat" => latitude = form.degrees(n, name, value, 90.0),
            "long" => longitude = form.degrees(n, name, value, 180.0),
            "address_string" => report.address = text(),
            "address_id" => report.address_id = text(),
            "description" => value.clone_into(&mut report.description),
            "media_url" => report.media_url = text(),
            "email" => contact.email = text(),
            "first_name" => contact.first_name = text(),
            "last_name" => contact.last_name = text(),
            "phone" => contact.phone = text(),
            "device_id" => contact.device_id = text(),
            "account_id" => contact.account_id = text(),
            other => attribute(&mut report, other, value),
        }
    }
    if report.service_code.is_empty() {
        form.refuse(0, "缺少 `service_code`", "`service_code` is missing");
    }
    match (longitude, latitude) {
        (Some(longitude), Some(latitude)) => report.position = Some([longitude, latitude]),
        (None, None) => {}
        _ => form.refuse(0, "`lat` 和 `long` 须同时给出", "`lat` and `long` go together"),
    }
    if report.position.is_none() && report.address.is_none() && report.address_id.is_none() {
        form.refuse(
            0,
            "缺少位置：给出 `lat` 和 `long`，或 `address_string`，或 `address_id`",
            "no place: give `lat` and `long`, or `address_string`, or `address_id`",
        );
    }
    if form.faults.is_empty() { Ok(report) } else { Err(form.faults) }
}

/// `attribute[code]=v` and `attribute[code][]=v`; names that mean nothing to us are left aside.
fn attribute(report: &mut Submission, name: &str, value: &str) {
    let inside = name.strip_prefix("attribute[");
    let code = inside.and_then(|rest| rest.strip_suffix("][]").or_else(|| rest.strip_suffix(']')));
    let Some(code) = code.filter(|code| !code.is_empty()) else { return };
    match report.attributes.iter_mut().find(|(known, _)| known == code) {
        Some((_, values)) => values.push(value.to_owned()),
        None => report.attributes.push((code.to_owned(), vec![value.to_owned()])),
    }
}

/// Which requests a query asks for, at a moment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn query(fields: &[(String, String)], now: Timestamp) -> Result<RequestQuery, Vec<Fault>> {
    let mut form = Form { faults: Vec::new(), code: &BAD_QUERY };
    let mut asked = RequestQuery {
        jurisdiction_id: None,
        ids: Vec::new(),
        service_codes: Vec::new(),
        from: now,
        to: now,
        status: None,
        updated_from: None,
        updated_to: None,
        words: None,
        page: None,
        page_rows: PAGE_ROWS,
    };
    let (mut from, mut to) = (None, None);
    for (n, (name, value)) in (1..).zip(fields.iter().take(FIELDS_MAX)) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "jurisdiction_id" => asked.jurisdiction_id = Some(value.to_owned()),
            "service_request_id" => asked.ids = list(value),
            "service_code" => asked.service_codes = list(value),
            "start_date" => from = form.time(n, name, value),
            "end_date" => to = form.time(n, name, value),
            "updated_after" => asked.updated_from = form.time(n, name, value),
            "updated_before" => asked.updated_to = form.time(n, name, value),
            "status" => asked.status = form.status(n, value),
            "q" => asked.words = Some(value.to_owned()),
            "page" => asked.page = form.count(n, name, value, usize::MAX),
            "page_size" => {
                asked.page_rows = form.count(n, name, value, PAGE_ROWS_MAX).unwrap_or(PAGE_ROWS);
                asked.page = asked.page.or(Some(1));
            }
            _ => {}
        }
    }
    (asked.from, asked.to) = match (from, to) {
        (None, None) => (now.plus_ms(-SPAN_MS_MAX), now),
        (None, Some(to)) => (to.plus_ms(-SPAN_MS_MAX), to),
        (Some(from), None) => (from, from.plus_ms(SPAN_MS_MAX)),
        (Some(from), Some(to)) => (from, to),
    };
    if asked.to < asked.from {
        form.refuse(0, "`end_date` 早于 `start_date`", "`end_date` is before `start_date`");
    } else if asked.to.since(asked.from) > SPAN_MS_MAX {
        form.refuse(0, "时间范围最长 90 天", "a query covers at most 90 days");
    }
    if form.faults.is_empty() { Ok(asked) } else { Err(form.faults) }
}

fn list(value: &str) -> Vec<String> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// What is wrong with a form so far.
struct Form {
    faults: Vec<Fault>,
    code: &'static ErrorCode,
}

impl Form {
    fn refuse(&mut self, field: usize, zh: impl Into<String>, en: impl Into<String>) {
        self.faults.push(Fault::new(place(field), 0, self.code, zh, en));
    }

    fn degrees(&mut self, field: usize, name: &str, value: &str, most: f64) -> Option<f64> {
        let degrees = value.parse().ok().filter(|d: &f64| d.is_finite() && d.abs() <= most);
        if degrees.is_none() {
            let value = quote(value.as_bytes());
            self.refuse(
                field,
                format!("`{name}` 应为 -{most} 至 {most} 的度数，而不是 `{value}`"),
                format!("`{name}` is degrees from -{most} to {most}, not `{value}`"),
            );
        }
        degrees
    }

    fn time(&mut self, field: usize, name: &str, value: &str) -> Option<Timestamp> {
        // A plus sign that was not escaped arrives as a space.
        let at = Timestamp::parse_rfc3339(&value.replace(' ', "+"));
        if at.is_none() {
            let value = quote(value.as_bytes());
            self.refuse(
                field,
                format!("`{name}` 应为带时区的时间（2026-11-21T08:00:00+08:00），而不是 `{value}`"),
                format!(
                    "`{name}` is a time with a zone (2026-11-21T08:00:00+08:00), not `{value}`"
                ),
            );
        }
        at
    }

    /// `open`, `closed`; both are the same as none.
    fn status(&mut self, field: usize, value: &str) -> Option<Status> {
        let (mut open, mut closed) = (false, false);
        for word in list(value) {
            match word.as_str() {
                "open" => open = true,
                "closed" => closed = true,
                other => {
                    let other = quote(other.as_bytes());
                    self.refuse(
                        field,
                        format!("`status` 应为 open 或 closed，而不是 `{other}`"),
                        format!("`status` is open or closed, not `{other}`"),
                    );
                }
            }
        }
        match (open, closed) {
            (true, false) => Some(Status::Open),
            (false, true) => Some(Status::Closed),
            _ => None,
        }
    }

    fn count(&mut self, field: usize, name: &str, value: &str, most: usize) -> Option<usize> {
        let count = value.parse().ok().filter(|n| (1..=most).contains(n));
        if count.is_none() {
            let value = quote(value.as_bytes());
            self.refuse(
                field,
                format!("`{name}` 应为从 1 起的整数，不超过上限，而不是 `{value}`"),
                format!("`{name}` is a whole number from 1 to its limit, not `{value}`"),
            );
        }
        count
    }
}
