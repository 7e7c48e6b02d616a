//! How documents and features are answered: as JSON, or as plain pages in Chinese and English.
//!
//! Invariant: a page says what the JSON says, and every text on it is escaped.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::Text;
use chengmai_wire::features::{
    self, Crs, DocumentQuery, Feature, FeaturePage, Format, Link, media,
};
use chengmai_wire::geo_report;
use serde_json::Value as Json;

use super::refused;
use crate::city::City;
use crate::http::extract;
use crate::http::problem::Answer;
use crate::pages::{Language, Page, escape};

/// The header that names the reference system of an answer.
const CONTENT_CRS: &str = "content-crs";

/// How an answer is wanted.
pub(super) struct Asked {
    /// Where we are, as the caller sees it.
    pub(super) base: String,
    pub(super) language: Language,
    format: Format,
    crs: Crs,
}

impl Asked {
    /// Of a document without parameters of its own.
    pub(super) fn document(
        city: &City,
        headers: &HeaderMap,
        query: Option<&str>,
        takes_crs: bool,
    ) -> Answer<Self> {
        let pairs = geo_report::form_fields(query.unwrap_or_default().as_bytes());
        let query = features::document_query(&pairs, takes_crs);
        Ok(Self::new(headers, &query.map_err(|fault| refused(city, &fault))?))
    }

    pub(super) fn new(headers: &HeaderMap, query: &DocumentQuery) -> Self {
        Self {
            base: extract::base(headers),
            language: Language::of(headers, query.language.as_deref()),
            format: query.format.unwrap_or_else(|| preferred(headers)),
            crs: query.crs,
        }
    }

    /// The address of a document.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/ogc{path}", self.base)
    }

    pub(super) fn link(
        &self,
        href: String,
        rel: &'static str,
        kind: &'static str,
        title: &Text,
    ) -> Link {
        Link { href, rel, kind, title: self.language.of_text(title) }
    }

    pub(super) fn document_answer(&self, city: &City, title: &str, document: &Json) -> Response {
        self.answer(city, title, document, media::JSON)
    }

    pub(super) fn schema_answer(&self, city: &City, title: &str, document: &Json) -> Response {
        self.answer(city, title, document, media::SCHEMA)
    }

    pub(super) fn description_answer(&self, city: &City, title: &str, document: &Json) -> Response {
        self.answer(city, title, document, media::OPENAPI)
    }

    pub(super) fn items_answer(&self, city: &City, title: &str, page: &FeaturePage) -> Response {
        let document = features::features(page, self.crs);
        self.with_crs(self.answer(city, title, &document, media::GEOJSON))
    }

    pub(super) fn item_answer(&self, city: &City, feature: &Feature, links: &[Link]) -> Response {
        let document = features::feature(feature, links, self.crs);
        self.with_crs(self.answer(city, &feature.id, &document, media::GEOJSON))
    }

    fn with_crs(&self, mut response: Response) -> Response {
        let crs = HeaderValue::from_str(&format!("<{}>", self.crs.uri()));
        response.headers_mut().extend(crs.map(|crs| (CONTENT_CRS.parse().ok(), crs)).ok());
        response
    }

    fn answer(&self, city: &City, title: &str, document: &Json, kind: &'static str) -> Response {
        let mut response = match self.format {
            Format::Json => ([(header::CONTENT_TYPE, kind)], document.to_string()).into_response(),
            Format::Html => {
                let own = own_address(document).unwrap_or_default();
                let page = Page {
                    language: self.language,
                    city: &city.profile.name,
                    simulated: city.config.simulated,
                    title,
                    address: own.strip_prefix(&self.base).unwrap_or("/ogc"),
                };
                page.answer(StatusCode::OK, &self.body(document))
            }
        };
        // Who asks with another account, or for another language, gets another answer.
        let varies = HeaderValue::from_static("Accept, Accept-Language, Authorization, Cookie");
        response.headers_mut().insert(header::VARY, varies);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        response
    }

    /// A document as HTML: whatever parts it has, in the order in which people want them.
    fn body(&self, document: &Json) -> String {
        let mut html = String::new();
        if let Some(text) = document["description"].as_str() {
            push(&mut html, format_args!("<p>{}</p>", escape(text)));
        }
        for collection in list(&document["collections"]) {
            let title = collection["title"].as_str().unwrap_or_default();
            push(
                &mut html,
                format_args!(
                    "<section><h2>{}</h2>{}</section>",
                    escape(title),
                    self.body(collection)
                ),
            );
        }
        if let Some(all) = document["conformsTo"].as_array() {
            let all = all
                .iter()
                .filter_map(Json::as_str)
                .map(|class| format!("<li>{}</li>", escape(class)));
            push(&mut html, format_args!("<ul>{}</ul>", all.collect::<String>()));
        }
        if let Some(all) = document["features"].as_array() {
            self.features(&mut html, all, own_address(document).unwrap_or_default());
        } else if document["properties"].is_object() {
            html.push_str(&facts(&document["properties"]));
            html.push_str(&facts(&document["geometry"]));
        }
        let links = list(&document["links"]).iter().filter(|link| link["rel"] != "self");
        let links = links.map(|link| {
            let text = |name: &str| escape(link[name].as_str().unwrap_or_default());
            let (href, rel, title) = (text("href"), text("rel"), text("title"));
            format!(
                "<li><a href=\"{href}\">{title}</a> <span class=\"small\">{rel} · {}</span></li>",
                text("type")
            )
        });
        push(&mut html, format_args!("<ul>{}</ul>", links.collect::<String>()));
        html
    }

    fn features(&self, html: &mut String, all: &[Json], address: &str) {
        if all.is_empty() {
            let empty = self.language.say("没有符合条件的要素。", "No feature fits.");
            push(html, format_args!("<p>{empty}</p>"));
            return;
        }
        html.push_str("<ul class=\"cards\">");
        for feature in all {
            let id = feature["id"].as_str().unwrap_or_default();
            push(
                html,
                format_args!(
                    "<li><h2><a href=\"{}/{}?f=html\">{}</a></h2>{}</li>",
                    escape(address),
                    features::segment(id),
                    escape(id),
                    facts(&feature["properties"])
                ),
            );
        }
        html.push_str("</ul>");
    }
}

/// A browser says that it wants pages before it says anything of JSON.
fn preferred(headers: &HeaderMap) -> Format {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accepted = accepted.unwrap_or_default();
    let page = accepted.find(media::HTML);
    let is_page = page.is_some_and(|page| accepted.find("json").is_none_or(|json| page < json));
    if is_page { Format::Html } else { Format::Json }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// The address of a document itself, without parameters.
fn own_address(document: &Json) -> Option<&str> {
    let own = list(&document["links"]).iter().find(|link| link["rel"] == "self")?;
    own["href"].as_str()?.split('?').next()
}

/// Names and values as a table.
fn facts(json: &Json) -> String {
    let Some(all) = json.as_object() else { return String::new() };
    let rows = all.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // An outline has thousands of points; who wants them asks for JSON.
        let shown: String = shown.chars().take(200).collect();
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(&shown))
    });
    format!("<table><tbody>{}</tbody></table>", rows.collect::<String>())
}

fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing to a string cannot fail");
}
