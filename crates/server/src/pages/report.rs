//! The page to report something: photo, place, kind, words. What is near and looks the same is shown
//! before anything is sent.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::case::{Case, CaseSource, Photo, PhotoKind};
use chengmai_model::{AreaId, Tier, error};
use chengmai_wire::geo_report::form_fields;

use super::advice::{advice_html, percent, shown_words};
use super::track;
use super::{Language, Page, escape, notice};
use crate::api::geo_report::public_one;
use crate::city::City;
use crate::city::citizens::{NewReport, Person, Reported};
use crate::city::triage::LikelyType;
use crate::clock;
use crate::http::extract::{Taken, fields};
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;

/// Longest name, telephone number or e-mail address.
const CONTACT_LEN_MAX: usize = 200;

/// What the form holds.
#[derive(Debug, Default)]
pub(super) struct Form(pub(super) Vec<(String, String)>);

impl Form {
    pub(super) fn text(&self, name: &str) -> &str {
        let found =
            self.0.iter().rev().find(|(known, value)| known == name && !value.trim().is_empty());
        found.map_or("", |(_, value)| value.trim())
    }

    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name).chars().take(CONTACT_LEN_MAX).collect())
            .filter(|text: &String| !text.is_empty())
    }

    pub(super) fn position(&self) -> Option<[f64; 2]> {
        let degrees = |name: &str, most: f64| {
            self.text(name).parse().ok().filter(|value: &f64| value.abs() <= most)
        };
        Some([degrees("long", 180.0)?, degrees("lat", 90.0)?])
    }
}

/// The page to report something. Open to everybody; shows the kinds of things and the names of areas.
#[utoipa::path(get, path = "/report", tag = "citizens", security(()),
    params(("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, description = "a page")))]
pub(crate) async fn get_report(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form(form_fields(query.unwrap_or_default().as_bytes()));
    let language = Language::of(&headers, Some(form.text("lang")));
    show(&city, language, &form, None)
}

fn frame<'a>(city: &'a City, language: Language, title: &'a str) -> Page<'a> {
    Page {
        language,
        city: &city.profile.name,
        simulated: city.config.simulated,
        title,
        address: "/report",
    }
}

fn show(city: &City, language: Language, form: &Form, problem: Option<&Problem>) -> Response {
    let status = problem.map_or(StatusCode::OK, |problem| {
        StatusCode::from_u16(problem.code.status).unwrap_or(StatusCode::BAD_REQUEST)
    });
    let mut body = problem.map(|problem| notice(language, problem)).unwrap_or_default();
    body.push_str(&form_html(city, language, form));
    frame(city, language, language.say("上报一个问题", "Report a problem")).answer(status, &body)
}

fn form_html(city: &City, language: Language, form: &Form) -> String {
    let say = |zh, en| language.say(zh, en);
    let value = |name: &str| escape(form.text(name));
    format!(
        "<form method=\"post\" action=\"/report\" enctype=\"multipart/form-data\" id=\"report\">\
         <input type=\"hidden\" name=\"lang\" value=\"{lang}\"><input type=\"hidden\" name=\"photo_hash\" value=\"{photo_hash}\">\
         <fieldset><legend>{l_photo}</legend>\
         <label for=\"photo\">{h_photo}</label>\
         <input id=\"photo\" name=\"photo\" type=\"file\" accept=\"image/jpeg,image/png,image/webp\" capture=\"environment\"></fieldset>\
         <fieldset><legend>{l_place}</legend><p>{h_place}</p>\
         <div id=\"map\" data-root=\"{root}\" data-locate=\"{locate}\" data-back=\"{back}\" data-label=\"{map}\"></div>\
         <input type=\"hidden\" id=\"lat\" name=\"lat\" value=\"{lat}\"><input type=\"hidden\" id=\"long\" name=\"long\" value=\"{long}\">\
         <label for=\"area\">{l_area}</label><select id=\"area\" name=\"area\"><option value=\"\">{choose}</option>{areas}</select>\
         <label for=\"address\">{l_address}</label><input id=\"address\" name=\"address\" maxlength=\"200\" value=\"{address}\" autocomplete=\"street-address\"></fieldset>\
         <fieldset><legend>{l_kind}</legend><label for=\"type\">{h_kind}</label>\
         <select id=\"type\" name=\"type\" data-search=\"{search}\"><option value=\"\">{unsure}</option>{kinds}</select>\
         <label for=\"words\">{l_words}</label><textarea id=\"words\" name=\"words\" rows=\"4\" maxlength=\"1500\">{words}</textarea>\
         {advice}</fieldset>\
         <fieldset><legend>{l_contact}</legend><p>{h_contact}</p>\
         <label for=\"name\">{l_name}</label><input id=\"name\" name=\"name\" maxlength=\"100\" autocomplete=\"name\" value=\"{name}\">\
         <label for=\"phone\">{l_phone}</label><input id=\"phone\" name=\"phone\" type=\"tel\" maxlength=\"40\" autocomplete=\"tel\" value=\"{phone}\">\
         <label for=\"email\">{l_email}</label><input id=\"email\" name=\"email\" type=\"email\" maxlength=\"200\" autocomplete=\"email\" value=\"{email}\">{mails}</fieldset>\
         <button type=\"submit\">{send}</button></form>",
        lang = language.word(),
        photo_hash = value("photo_hash"),
        l_photo = say("1. 照片", "1. Photo"),
        h_photo = say(
            "拍一张或选一张（可不选）。照片里的拍摄地点会用来定位，之后从照片中去除。",
            "Take or choose one (not required). Where it was taken helps to find the place, and is then removed from the photo."
        ),
        l_place = say("2. 地点", "2. Place"),
        h_place = say(
            "在地图上点一下，或从列表选择街道。照片带有位置时可以都不填。",
            "Touch the map, or choose the street office from the list. With a photo that knows its place you can skip both."
        ),
        root = escape(city.root_path().code()),
        locate = say("用我的位置", "Use my position"),
        back = say("返回上一级", "Back"),
        map = say("地图：选择地点", "Map: choose the place"),
        lat = value("lat"),
        long = value("long"),
        l_area = say("街道或乡镇", "Town or street office"),
        choose = say("请选择", "Choose"),
        areas = area_options(city, form.text("area")),
        l_address = say("门牌、路口或旁边有什么", "Street number, crossing, or what is beside it"),
        address = value("address"),
        l_kind = say("3. 什么问题", "3. What is it"),
        h_kind = say("类别", "Kind"),
        search = say("搜索类别", "Search the kinds"),
        unsure = say("不确定", "Not sure"),
        kinds = kind_options(city, language, form.text("type")),
        l_words = say("说明情况", "What did you see"),
        advice = advice_html(language),
        words = value("words"),
        l_contact = say("4. 联系方式（可不填）", "4. How to reach you (not required)"),
        h_contact = say(
            "只有值班员能看到，不会公开；不填也能用跟踪链接查看进展。",
            "Only the duty officer sees this, it is never published. Without it the tracking link still shows you what happens."
        ),
        l_name = say("称呼", "Name"),
        name = value("name"),
        l_phone = say("电话", "Telephone"),
        phone = value("phone"),
        l_email = say("电子邮箱", "E-mail"),
        email = value("email"),
        mails = mails_html(city, language, form),
        send = say("提交", "Send"),
    )
}

/// The box to tick for e-mail, where there is a mail server.
fn mails_html(city: &City, language: Language, form: &Form) -> String {
    if city.outlet.mailer.is_none() {
        return String::new();
    }
    let checked = if form.text("mails").is_empty() { "" } else { " checked" };
    format!(
        "<label class=\"star\"><input type=\"checkbox\" name=\"mails\" value=\"1\"{checked}> {}</label>",
        language.say(
            "每一步都发邮件告诉我（可随时取消）",
            "Send me each step by e-mail (you can stop it at any time)"
        )
    )
}

/// Whether the box is ticked; then there must be an address.
fn wants_mail(city: &City, form: &Form) -> Answer<bool> {
    if form.text("mails").is_empty() || city.outlet.mailer.is_none() {
        return Ok(false);
    }
    let address = form.text("email").parse::<lettre::Address>();
    address.map(|_address| true).map_err(|_bad| Problem::new(&error::REPORT_FIELD, "email"))
}

fn area_options(city: &City, chosen: &str) -> String {
    let mut html = String::new();
    let option = |html: &mut String, id: AreaId| {
        let row = &city.areas.get(id).row;
        let selected = if row.code.as_str() == chosen { " selected" } else { "" };
        let (code, name) = (escape(row.code.as_str()), escape(&row.name));
        write!(html, "<option value=\"{code}\"{selected}>{name}</option>")
            .expect("writing to a string cannot fail");
    };
    for district in city.areas.children(AreaId::ROOT) {
        let name = escape(&city.areas.get(district).row.name);
        write!(html, "<optgroup label=\"{name}\">").expect("writing to a string cannot fail");
        option(&mut html, district);
        for town in
            city.areas.children(district).filter(|&id| city.areas.get(id).row.tier == Tier::Town)
        {
            option(&mut html, town);
        }
        html.push_str("</optgroup>");
    }
    html
}

fn kind_options(city: &City, language: Language, chosen: &str) -> String {
    let mut html = String::new();
    for pack in city.packs.iter().filter(|pack| !pack.case_types.is_empty()) {
        let name = escape(&language.of_text(&pack.head.name));
        write!(html, "<optgroup label=\"{name}\">").expect("writing to a string cannot fail");
        for case_type in &pack.case_types {
            let selected = if case_type.id == chosen { " selected" } else { "" };
            let (id, name) = (escape(&case_type.id), escape(&language.of_text(&case_type.name)));
            write!(html, "<option value=\"{id}\"{selected}>{name}</option>")
                .expect("writing to a string cannot fail");
        }
        html.push_str("</optgroup>");
    }
    html
}

/// Send a report, or join one that is there already. Open to everybody, a few at a time from one
/// address; answers with the secret tracking link.
#[utoipa::path(post, path = "/report", tag = "citizens", security(()),
    request_body(content = String, content_type = "multipart/form-data", example = "photo, lat, long, area, address, type, words, name, phone, email, mails, join, confirmed"),
    responses((status = 303, description = "to the tracking page"), (status = 200, description = "a page with reports that look the same")))]
pub(crate) async fn post_report(State(city): State<Arc<City>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (from, headers) = (sender(&parts), parts.headers.clone());
    let taken = match fields(Request::from_parts(parts, body)).await {
        Ok(taken) => taken,
        Err(problem) => {
            return show(&city, Language::of(&headers, None), &Form::default(), Some(&problem));
        }
    };
    let Taken { fields, photo } = taken;
    let mut form = Form(fields);
    let language = Language::of(&headers, Some(form.text("lang")));
    match send(&city, language, &mut form, photo, &from).await {
        Ok(Sent::Done(reported)) => {
            let address = format!("/track/{}?new=1&lang={}", reported.token, language.word());
            let address =
                HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/public"));
            (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
        }
        Ok(Sent::Ask(cases, types)) => ask(&city, language, &form, &cases, &types),
        Err(problem) => show(&city, language, &form, Some(&problem)),
    }
}

enum Sent {
    Done(Box<Reported>),
    /// It looks as if it were reported already, or its kind is not clear.
    Ask(Vec<Case>, Vec<LikelyType>),
}

async fn send(
    city: &City,
    language: Language,
    form: &mut Form,
    photo: Option<Vec<u8>>,
    from: &str,
) -> Answer<Sent> {
    city.report_rate.citizens.take(from, clock::now())?;
    let mut position = form.position();
    if let Some(bytes) = photo {
        let kept = city.keep_photo(bytes).await?;
        position = position.or(kept.position.filter(|at| city.areas.locate(*at).is_some()));
        form.0.push(("photo_hash".to_owned(), kept.hash));
        if let Some([longitude, latitude]) = position {
            form.0.push(("long".to_owned(), longitude.to_string()));
            form.0.push(("lat".to_owned(), latitude.to_string()));
        }
    }
    let person = Person {
        name: form.some("name"),
        phone: form.some("phone"),
        mails: wants_mail(city, form)?,
        email: form.some("email"),
        language: language.word().to_owned(),
        app: None,
    };
    if let Some(id) = form.some("join") {
        let (case, _) = public_one(city, &id).await?;
        let reported = city.join(&case, &person, form.text("words")).await?;
        return Ok(Sent::Done(Box::new(reported)));
    }
    let hash = form.some("photo_hash");
    if form.text("words").is_empty() && hash.is_none() && form.text("type").is_empty() {
        return Err(Problem::new(&error::REPORT_FIELD, "words"));
    }
    let type_id = form.some("type");
    if form.text("confirmed").is_empty() {
        let words = form.text("words");
        let proposed = city.propose_to_citizen(words, position);
        let cases = match position {
            Some(at) => city.near_reports(words, at, type_id.as_deref(), &proposed).await?,
            None => Vec::new(),
        };
        let unclear = type_id.is_none() && proposed.decided.is_none();
        let types = if unclear { proposed.types } else { Vec::new() };
        if !cases.is_empty() || !types.is_empty() {
            return Ok(Sent::Ask(cases, types));
        }
    }
    let photo = hash.filter(|hash| city.photos.has(hash)).map(|hash| Photo {
        kind: PhotoKind::Near,
        hash,
        at: None,
        position: None,
    });
    let report = NewReport {
        type_id,
        position,
        area: form.some("area"),
        address: form.some("address"),
        words: form.text("words").to_owned(),
        photos: photo.into_iter().collect(),
        source: CaseSource::Public,
        person,
    };
    Ok(Sent::Done(Box::new(city.report(report).await?)))
}

/// Fields that go along while the citizen chooses.
const CARRIED: [&str; 11] = [
    "lat",
    "long",
    "area",
    "address",
    "type",
    "words",
    "name",
    "phone",
    "email",
    "mails",
    "photo_hash",
];

/// Before a report is sent: is it one of these, and which kind is it?
fn ask(
    city: &City,
    language: Language,
    form: &Form,
    cases: &[Case],
    types: &[LikelyType],
) -> Response {
    let say = |zh, en| language.say(zh, en);
    let mut carried =
        format!("<input type=\"hidden\" name=\"lang\" value=\"{}\">", language.word());
    for name in CARRIED.into_iter().filter(|name| *name != "type" || types.is_empty()) {
        let value = escape(form.text(name));
        write!(carried, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
            .expect("writing to a string cannot fail");
    }
    let mut body = String::new();
    if !cases.is_empty() {
        body.push_str(&near_html(city, language, &carried, cases));
    }
    write!(body, "{OPEN}{carried}<input type=\"hidden\" name=\"confirmed\" value=\"1\">")
        .expect("writing to a string cannot fail");
    if !types.is_empty() {
        body.push_str(&types_html(language, types));
    }
    let (send, title) = if cases.is_empty() {
        (say("提交", "Send"), say("是哪一类问题？", "Which kind is it?"))
    } else {
        (say("不是，提交我的", "No, send mine"), say("是不是同一个问题？", "Is it this one?"))
    };
    write!(body, "<button class=\"second\" type=\"submit\">{send}</button></form>")
        .expect("writing to a string cannot fail");
    frame(city, language, title).answer(StatusCode::OK, &body)
}

const OPEN: &str = "<form method=\"post\" action=\"/report\">";

fn near_html(city: &City, language: Language, carried: &str, cases: &[Case]) -> String {
    let mut html = format!(
        "<p>{}</p><ul class=\"cards\">",
        language.say(
            "附近最近有人报过类似的问题。是同一个吗？",
            "Something like it was reported near there recently. Is it the same?"
        )
    );
    for case in cases.iter().filter_map(|case| city.public_case(case)) {
        write!(
            html,
            "<li><h2>{name}</h2><p>{words}</p><p class=\"small\">{id} · {state} · {time}</p>\
             {OPEN}{carried}<input type=\"hidden\" name=\"join\" value=\"{id}\"><button type=\"submit\">{same}</button></form></li>",
            name = escape(&language.of_text(&case.type_name)),
            words = escape(shown_words(language, &case)),
            id = escape(&case.id),
            state = escape(&language.of_text(&case.state.name())),
            time = track::time(city, case.reported_at),
            same = language.say("是同一个，算我一个", "It is this one: add me"),
        )
        .expect("writing to a string cannot fail");
    }
    html.push_str("</ul>");
    html
}

/// Three kinds to choose from, and the honest way out.
fn types_html(language: Language, types: &[LikelyType]) -> String {
    let mut html = format!(
        "<fieldset><legend>{}</legend>",
        language.say("按您写的，可能是哪一类？", "From your words: which kind may it be?")
    );
    for likely in types {
        write!(
            html,
            "<label><input type=\"radio\" name=\"type\" value=\"{id}\"> {name} <span class=\"small\">{percent} %</span></label>",
            id = escape(&likely.id),
            name = escape(&language.of_text(&likely.name)),
            percent = percent(likely.probability),
        )
        .expect("writing to a string cannot fail");
    }
    write!(
        html,
        "<label><input type=\"radio\" name=\"type\" value=\"\" checked> {}</label></fieldset>",
        language.say("不确定，由工作人员判断", "Not sure: the officer decides")
    )
    .expect("writing to a string cannot fail");
    html
}
