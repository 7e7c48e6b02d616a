//! Pages for citizens: plain HTML made here, a small style sheet and one small script. They work with
//! scripts off; the script only adds the map, the phone's own position, a search box, and the check of a receipt.
//!
//! Not here: the staff's screens (`web`). Invariants: whatever comes from outside goes through
//! [`escape`]; no page has a script or style inside itself, and its policy allows none.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::Text;

use crate::http::problem::Problem;

pub(crate) mod advice;
pub(crate) mod downloads;
pub(crate) mod overview;
pub(crate) mod receipt;
pub(crate) mod report;
pub(crate) mod stop_mail;
pub(crate) mod track;

/// What the pages may load and where their forms go: us only.
const POLICY: &str = "default-src 'none'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = include_str!("pages/citizen.css");
const SCRIPT: &str = include_str!("pages/citizen.js");

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// As asked for, or else as the browser prefers; Chinese when neither says.
    pub(crate) fn of(headers: &HeaderMap, asked: Option<&str>) -> Self {
        let preferred = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let wanted = asked.filter(|word| !word.is_empty()).or(preferred).unwrap_or_default();
        if wanted.trim_start().to_ascii_lowercase().starts_with("en") { Self::En } else { Self::Zh }
    }

    /// From its word; Chinese when it is none.
    pub(crate) fn of_word(word: &str) -> Self {
        if word == "en" { Self::En } else { Self::Zh }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// One of two.
    pub(crate) const fn say<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The text in this language.
    pub(crate) fn of_text(self, text: &Text) -> String {
        self.say(&text.zh, &text.en).to_owned()
    }
}

/// Text as it may stand in HTML, inside and outside of quotation marks.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A page that is being made.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) language: Language,
    pub(crate) city: &'a Text,
    /// The city is made up.
    pub(crate) simulated: bool,
    pub(crate) title: &'a str,
    /// Its own address, to which the other language is added.
    pub(crate) address: &'a str,
}

impl Page<'_> {
    /// The page around a body of HTML.
    pub(crate) fn answer(&self, status: StatusCode, body: &str) -> Response {
        let say = |zh, en| self.language.say(zh, en);
        let (city, title) = (escape(&self.language.of_text(self.city)), escape(self.title));
        let other = match self.language {
            Language::Zh => ("en", "English"),
            Language::En => ("zh", "中文"),
        };
        let address = escape(self.address);
        let mark = if self.simulated {
            let words = say(
                "演示数据：本页内容均为模拟。",
                "Demonstration: everything on this page is simulated.",
            );
            format!("<p class=\"simulated\">{words}</p>")
        } else {
            String::new()
        };
        let html = format!(
            "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title} · {city}</title><link rel=\"stylesheet\" href=\"/public/citizen.css\">\
             <script src=\"/public/citizen.js\" defer></script></head><body>\
             <a class=\"skip\" href=\"#main\">{skip}</a>\
             <header><a class=\"home\" href=\"/public?lang={here}\">{city}</a><nav aria-label=\"{nav}\">\
             <a href=\"/report?lang={here}\">{report}</a><a href=\"/public?lang={here}\">{all}</a>\
             <a href=\"{address}?lang={other_word}\" lang=\"{other_word}\" hreflang=\"{other_word}\">{other_name}</a></nav></header>\
             <main id=\"main\">{mark}<h1>{title}</h1>{body}</main>\
             <footer><p>{urgent}</p></footer></body></html>",
            lang = say("zh-CN", "en"),
            here = self.language.word(),
            skip = say("跳到正文", "Skip to the content"),
            nav = say("导航", "Navigation"),
            report = say("我要上报", "Report"),
            all = say("公开信息", "All reports"),
            other_word = other.0,
            other_name = other.1,
            urgent = say(
                "有人受伤、燃气泄漏或触电危险时，请先拨打 110、119 或 120。",
                "If somebody is hurt, gas escapes or wires are down, call 110, 119 or 120 first."
            ),
        );
        page(status, html)
    }

    /// The page that says what went wrong and how to mend it.
    pub(crate) fn refused(&self, problem: &Problem) -> Response {
        let status = StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::BAD_REQUEST);
        self.answer(status, &notice(self.language, problem))
    }
}

/// A numbered error in words, as a part of a page.
pub(crate) fn notice(language: Language, problem: &Problem) -> String {
    format!(
        "<div class=\"notice\" role=\"alert\"><p><strong>{}</strong> {}</p><p>{}</p></div>",
        problem.code.label(),
        escape(&language.of_text(&problem.code.text())),
        escape(&language.of_text(&problem.code.hint())),
    )
}

fn page(status: StatusCode, html: String) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    // A tracking link is a secret: it is neither kept nor told on.
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    response
}

/// The pages' style sheet.
#[utoipa::path(get, path = "/public/citizen.css", tag = "citizens", security(()),
    responses((status = 200, description = "the style sheet of the citizens' pages")))]
pub(crate) async fn get_style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// The pages' script.
#[utoipa::path(get, path = "/public/citizen.js", tag = "citizens", security(()),
    responses((status = 200, description = "the script of the citizens' pages")))]
pub(crate) async fn get_script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_from_outside_becomes_a_tag_or_ends_a_quotation() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }

    #[test]
    fn a_page_speaks_the_language_asked_for_or_preferred() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of(&headers, None), Language::Zh);
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en-GB,zh;q=0.5"));
        assert_eq!(Language::of(&headers, None), Language::En);
        assert_eq!(Language::of(&headers, Some("zh")), Language::Zh);
    }

    #[test]
    fn style_and_script_stay_within_their_budget() {
        assert!(STYLE.len() + SCRIPT.len() <= 100 * 1024);
    }
}
