//! The public reports as feeds and files: RSS, Atom, CSV, GeoJSON; and public photos.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::text::for_a_sheet;
use serde_json::json;

use super::escape;
use super::overview::{Asked, asked};
use crate::city::citizens::public::PublicCase;
use crate::city::{City, internal};
use crate::http::extract::base;
use crate::http::problem::{Answer, Problem};

/// Public reports of an area as `reports.rss`, `reports.atom`, `reports.csv` or `reports.geojson`. Open
/// to everybody; the same as on the page.
#[utoipa::path(get, path = "/public/{file}", tag = "citizens", security(()),
    params(("file" = String, Path, example = "reports.csv"), ("area" = Option<String>, Query, example = "500103"), ("status" = Option<String>, Query, example = "open"), ("type" = Option<String>, Query, example = "dirty_road")),
    responses((status = 200, description = "a feed or file", body = String, content_type = "text/csv",
        example = "id,type,status,reported_at,changed_at,due_at,closed_at,area,longitude,latitude,joined,words\n")))]
pub(crate) async fn get_file(
    State(city): State<Arc<City>>,
    Path(file): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let missing = || Problem::not_found(&*file);
    let kind = file.strip_prefix("reports.").ok_or_else(missing)?;
    let asked = asked(&city, &headers, query).await?;
    let (media, body) = match kind {
        "csv" => ("text/csv; charset=utf-8", csv(&asked)?),
        "geojson" => ("application/geo+json", geojson(&asked)),
        "rss" => ("application/rss+xml; charset=utf-8", rss(&city, &asked, &base(&headers))),
        "atom" => ("application/atom+xml; charset=utf-8", atom(&city, &asked, &base(&headers))),
        _ => return Err(missing()),
    };
    Ok(([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "public, max-age=60")], body)
        .into_response())
}

fn csv(asked: &Asked) -> Answer<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = [
        "id",
        "type",
        "status",
        "reported_at",
        "changed_at",
        "due_at",
        "closed_at",
        "area",
        "longitude",
        "latitude",
        "joined",
        "words",
        "simulated",
    ];
    let written = writer.write_record(columns).and_then(|()| {
        asked.cases.iter().try_for_each(|case| {
            let time = |at: Option<chengmai_model::Timestamp>| {
                at.map(chengmai_model::Timestamp::to_rfc3339).unwrap_or_default()
            };
            let degrees =
                |axis: usize| case.position.map(|p| p[axis].to_string()).unwrap_or_default();
            writer.write_record([
                case.id.clone(),
                case.type_id.clone(),
                case.state.word().to_owned(),
                case.reported_at.to_rfc3339(),
                case.changed_at.to_rfc3339(),
                time(case.due_at),
                time(case.closed_at),
                case.area.clone(),
                degrees(0),
                degrees(1),
                case.joined.to_string(),
                // A sheet must not take words for a formula.
                case.words.as_deref().map(for_a_sheet).unwrap_or_default().into_owned(),
                case.simulated.to_string(),
            ])
        })
    });
    written.map_err(|error| internal(&error))?;
    let bytes = writer.into_inner().map_err(|error| internal(&error))?;
    String::from_utf8(bytes).map_err(|error| internal(&error))
}

fn geojson(asked: &Asked) -> String {
    let feature = |case: &PublicCase| {
        json!({
            "type": "Feature", "id": case.id,
            "geometry": case.position.map(|p| json!({"type": "Point", "coordinates": p})),
            "properties": {
                "type": case.type_id, "status": case.state.word(), "area": case.area,
                "reported_at": case.reported_at.to_rfc3339(), "words": case.words,
                "joined": case.joined, "cell_m": 150, "simulated": case.simulated,
            },
        })
    };
    json!({"type": "FeatureCollection", "features": asked.cases.iter().map(feature).collect::<Vec<_>>()}).to_string()
}

/// What an entry of a feed says.
fn entry(asked: &Asked, case: &PublicCase) -> (String, String) {
    let language = asked.language;
    let title =
        format!("{} · {}", language.of_text(&case.type_name), language.of_text(&case.state.name()));
    let words = format!("{} {}", case.area_names, case.words.as_deref().unwrap_or_default());
    (xml(&title), xml(words.trim()))
}

/// Text as it may stand in XML.
fn xml(text: &str) -> String {
    let carried: String =
        text.chars().filter(|&c| c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    escape(&carried)
}

fn head(city: &City, asked: &Asked) -> String {
    let title = asked.language.say("公众上报", "What people reported");
    xml(&format!("{title} · {}", city.areas.get(asked.area).row.name))
}

fn link(base: &str, case: &PublicCase) -> String {
    xml(&format!("{base}/public?area={}#{}", case.area, case.id))
}

fn rss(city: &City, asked: &Asked, base: &str) -> String {
    let title = head(city, asked);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel><title>{title}</title><link>{}/public</link><description>{title}</description>",
        xml(base),
    );
    for case in &asked.cases {
        let (title, words) = entry(asked, case);
        let at = jiff::Timestamp::from_millisecond(case.reported_at.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = at.strftime("%a, %d %b %Y %H:%M:%S +0000");
        write!(text, "<item><title>{title}</title><link>{}</link><guid isPermaLink=\"false\">{}</guid><pubDate>{at}</pubDate><description>{words}</description></item>", link(base, case), xml(&case.id)).expect("writing to a string cannot fail");
    }
    text + "</channel></rss>"
}

fn atom(city: &City, asked: &Asked, base: &str) -> String {
    let newest = asked.cases.iter().map(|case| case.changed_at).max().unwrap_or_default();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>{}</title><id>{base}/public/reports.atom</id><link rel=\"self\" href=\"{base}/public/reports.atom\"/><updated>{}</updated><author><name>{}</name></author>",
        head(city, asked),
        newest.to_rfc3339(),
        xml(&asked.language.of_text(&city.profile.name)),
        base = xml(base),
    );
    for case in &asked.cases {
        let (title, words) = entry(asked, case);
        write!(text, "<entry><title>{title}</title><id>urn:case:{}</id><link href=\"{}\"/><updated>{}</updated><published>{}</published><summary>{words}</summary></entry>", xml(&case.id), link(base, case), case.changed_at.to_rfc3339(), case.reported_at.to_rfc3339()).expect("writing to a string cannot fail");
    }
    text + "</feed>"
}

/// A photo that a duty officer let everybody see. Open to everybody.
#[utoipa::path(get, path = "/public/photos/{hash}", tag = "citizens", security(()),
    params(("hash" = String, Path, example = "e3b0c442")),
    responses((status = 200, description = "a JPEG without camera data")))]
pub(crate) async fn get_public_photo(
    State(city): State<Arc<City>>,
    Path(hash): Path<String>,
) -> Answer<Response> {
    if !city.records.citizens().is_public_photo(&hash).await? {
        return Err(Problem::not_found(format!("photo {hash}")));
    }
    city.photo(&hash, "public, max-age=86400").await
}
