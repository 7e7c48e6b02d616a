//! The page of everything that citizens reported: a drawn map, counts of the week, and a list.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, AreaPath, Timestamp};
use chengmai_store::records::citizens::PublicFilter;
use chengmai_wire::geo_report::{SPAN_MS_MAX, form_fields};
use serde_json::Value;

use super::track;
use super::{Language, Page, escape};
use crate::city::City;
use crate::city::citizens::public::{PublicCase, counts};
use crate::clock;
use crate::http::problem::{Answer, Problem};

/// Reports of the page.
const LIST_MAX: usize = 100;
/// Reports drawn and downloaded.
pub(crate) const ROWS_MAX: u64 = 1_000;
/// Width of the drawn map; its height follows from the area.
const MAP_WIDTH: f64 = 600.0;

/// Which reports everybody may see: those of an area and of the last 90 days.
pub(crate) struct Asked {
    pub(crate) language: Language,
    pub(crate) area: AreaId,
    pub(crate) cases: Vec<PublicCase>,
}

pub(crate) async fn asked(
    city: &City,
    headers: &HeaderMap,
    query: Option<String>,
) -> Answer<Asked> {
    let query = form_fields(query.unwrap_or_default().as_bytes());
    let text = |name: &str| {
        query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    };
    let area = match text("area") {
        "" => AreaId::ROOT,
        code => city.areas.find(code).ok_or_else(|| Problem::not_found(format!("area {code}")))?,
    };
    let now = clock::now();
    let filter = PublicFilter {
        areas: vec![AreaPath::of(&city.areas, area)],
        types: Some(text("type").to_owned()).filter(|id| !id.is_empty()).into_iter().collect(),
        from: now.plus_ms(-SPAN_MS_MAX),
        to: now,
        changed_from: None,
        changed_to: None,
        open: match text("status") {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        },
        skip: 0,
        rows_max: ROWS_MAX,
    };
    let cases = city.records.citizens().list(&filter).await?;
    let cases = cases.iter().filter_map(|case| city.public_case(case)).collect();
    Ok(Asked { language: Language::of(headers, Some(text("lang"))), area, cases })
}

/// Reports of citizens: map, counts and list. Open to everybody; places by cell, words without personal
/// data, counts below five only together with others.
#[utoipa::path(get, path = "/public", tag = "citizens", security(()),
    params(("area" = Option<String>, Query, example = "500103"), ("status" = Option<String>, Query, example = "open"), ("type" = Option<String>, Query, example = "dirty_road"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, description = "a page")))]
pub(crate) async fn get_public(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match asked(&city, &headers, query).await {
        Ok(asked) => show(&city, &asked),
        Err(problem) => {
            let language = Language::of(&headers, None);
            let title = language.say("无法打开", "This does not work");
            frame(&city, language, title).refused(&problem)
        }
    }
}

fn frame<'a>(city: &'a City, language: Language, title: &'a str) -> Page<'a> {
    Page {
        language,
        city: &city.profile.name,
        simulated: city.config.simulated,
        title,
        address: "/public",
    }
}

fn show(city: &City, asked: &Asked) -> Response {
    let language = asked.language;
    let say = |zh, en| language.say(zh, en);
    let area = &city.areas.get(asked.area).row;
    let mut body = filters(city, asked);
    body.push_str(&map(city, asked));
    body.push_str(&week(city, asked, clock::now()));
    write!(body, "<section><h2>{}</h2>", say("最近的上报", "Latest reports"))
        .expect("writing to a string cannot fail");
    if asked.cases.is_empty() {
        let empty =
            say("最近 90 天这里还没有公众上报。", "Nothing was reported here in the last 90 days.");
        write!(body, "<p>{empty}</p>").expect("writing to a string cannot fail");
    }
    body.push_str("<ul class=\"cards\">");
    for case in asked.cases.iter().take(LIST_MAX) {
        write!(
            body,
            "<li id=\"{id}\"><h3>{name}</h3><p>{words}</p><p class=\"small\">{id} · {state} · {area} · <time datetime=\"{at}\">{shown}</time></p></li>",
            id = escape(&case.id),
            name = escape(&language.of_text(&case.type_name)),
            words = escape(case.words.as_deref().unwrap_or_default()),
            state = escape(&language.of_text(&case.state.name())),
            area = escape(&case.area_names),
            at = case.reported_at.to_rfc3339(),
            shown = track::local(city, case.reported_at),
        )
        .expect("writing to a string cannot fail");
    }
    let links = ["rss", "atom", "csv", "geojson"].map(|kind| {
        format!(
            "<a href=\"/public/reports.{kind}?area={}\">{}</a>",
            escape(area.code.as_str()),
            kind.to_uppercase()
        )
    });
    write!(
        body,
        "</ul></section><section><h2>{}</h2><p>{}</p><p>{}</p></section>",
        say("下载与订阅", "Download and subscribe"),
        links.join(" · "),
        say("位置模糊到 150 米网格，文字去除个人信息；照片经值班员确认后才公开。", "Places are told by cells of 150 m, words are without personal data; photos are public only after a duty officer looked at them."),
    )
    .expect("writing to a string cannot fail");
    let title = format!("{} · {}", say("公众上报", "What people reported"), area.name);
    frame(city, language, &title).answer(StatusCode::OK, &body)
}

fn filters(city: &City, asked: &Asked) -> String {
    let say = |zh, en| asked.language.say(zh, en);
    let mut options = String::new();
    let parent = city.areas.path(asked.area);
    for id in parent.into_iter().chain(city.areas.children(asked.area)) {
        let row = &city.areas.get(id).row;
        let selected = if id == asked.area { " selected" } else { "" };
        write!(
            options,
            "<option value=\"{}\"{selected}>{}</option>",
            escape(row.code.as_str()),
            escape(&row.name)
        )
        .expect("writing to a string cannot fail");
    }
    format!(
        "<form method=\"get\" action=\"/public\" class=\"row\"><input type=\"hidden\" name=\"lang\" value=\"{}\"><label for=\"area\">{}</label><select id=\"area\" name=\"area\">{options}</select><button type=\"submit\">{}</button></form>",
        asked.language.word(),
        say("区域", "Area"),
        say("查看", "Show"),
    )
}

/// Reports of the last seven days by area.
fn week(city: &City, asked: &Asked, now: Timestamp) -> String {
    let say = |zh, en| asked.language.say(zh, en);
    let since = now.plus_ms(-7 * DAY_MS);
    let recent: Vec<PublicCase> =
        asked.cases.iter().filter(|case| case.reported_at >= since).cloned().collect();
    let counts = counts(&city.areas, &recent);
    if counts.is_empty() {
        return String::new();
    }
    let rows = counts.iter().fold(String::new(), |html, count| {
        let rest =
            if count.is_rest { say("（其余合计）", " (the others together)") } else { "" };
        html + &format!(
            "<tr><th scope=\"row\">{}{rest}</th><td>{}</td></tr>",
            escape(&city.area_name(&count.area)),
            count.reports
        )
    });
    format!(
        "<section><h2>{}</h2><table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead><tbody>{rows}</tbody></table><p class=\"small\">{}</p></section>",
        say("最近七天", "The last seven days"),
        say("区域", "Area"),
        say("上报数", "Reports"),
        say("不足 5 件的区域合并计数。", "Areas with fewer than 5 are counted together."),
    )
}

/// The area and what lies in it, drawn; no tiles from anywhere.
fn map(city: &City, asked: &Asked) -> String {
    let shapes = city.areas.child_shapes(asked.area);
    let outline = city.areas.shape_of(asked.area).map(|(shape, _)| shape);
    let all = || shapes.iter().map(|(_, shape, _)| shape).chain(outline.as_ref());
    let points = || all().flat_map(|shape| shape.polygons.iter().flatten().flatten());
    let edge = |axis: usize, better: fn(f64, f64) -> f64, start: f64| {
        points().map(|p| p[axis]).fold(start, better)
    };
    let (west, east) = (edge(0, f64::min, f64::INFINITY), edge(0, f64::max, f64::NEG_INFINITY));
    let (south, north) = (edge(1, f64::min, f64::INFINITY), edge(1, f64::max, f64::NEG_INFINITY));
    if !(west < east && south < north) {
        return String::new();
    }
    let wide = f64::midpoint(south, north).to_radians().cos().max(0.01);
    let scale = MAP_WIDTH / ((east - west) * wide);
    let place = |[x, y]: [f64; 2]| [(x - west) * wide * scale, (north - y) * scale];
    let mut html = format!(
        "<svg class=\"map\" viewBox=\"0 0 {MAP_WIDTH:.0} {:.0}\" role=\"img\" aria-label=\"{}\">",
        (north - south) * scale,
        asked.language.say("地图：上报的大致位置", "Map: roughly where things were reported"),
    );
    for shape in all() {
        let path = shape.polygons.iter().flatten().fold(String::new(), |path, ring| {
            let points = ring.iter().map(|&p| place(p)).map(|[x, y]| format!("{x:.0} {y:.0}"));
            path + "M" + &points.collect::<Vec<_>>().join("L") + "Z"
        });
        write!(html, "<path d=\"{path}\"/>").expect("writing to a string cannot fail");
    }
    for case in &asked.cases {
        let Some([x, y]) = case.position.map(place) else { continue };
        let kind = if case.is_open() { "open" } else { "closed" };
        write!(html, "<circle class=\"{kind}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"5\"/>")
            .expect("writing to a string cannot fail");
    }
    html + "</svg>"
}

/// Outlines of an area and its parts, for drawing. Open to everybody: administrative boundaries only.
#[utoipa::path(get, path = "/public/areas/{code}", tag = "citizens", security(()),
    params(("code" = String, Path, example = "500103")),
    responses((status = 200, description = "GeoJSON FeatureCollection", body = Value, example = json!({"type": "FeatureCollection", "features": []}))))]
pub(crate) async fn get_outlines(
    State(city): State<Arc<City>>,
    Path(code): Path<String>,
) -> Answer<Json<Value>> {
    let id = city.areas.find(&code).ok_or_else(|| Problem::not_found(format!("area {code}")))?;
    Ok(Json(crate::api::areas::shapes(&city, id).await?))
}
