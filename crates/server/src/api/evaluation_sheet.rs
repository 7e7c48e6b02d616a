//! The evaluation as a workbook (XLSX): figures, stars, the cases behind them, and how all of it is counted.
//!
//! Not here: the figures themselves (`evaluation`, `city::evaluation`). Invariant: what comes from outside is
//! written as text, never as a formula, whatever it begins with.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chengmai_engine::rating::Rate;
use chengmai_engine::rating::facts::{CaseFacts, NEVER};
use chengmai_engine::rating::formulas::{Part, Tally, classify, formulas_of};
use chengmai_engine::rating::stars::Verdict;
use chengmai_model::case::Case;
use chengmai_model::time::HOUR_MS;
use chengmai_model::{Formula, Text, Timestamp};
use chengmai_store::records::audit::AuditRow;
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde::Deserialize;
use utoipa::IntoParams;

use super::evaluation::{EvaluationQuery, Question, question};
use crate::city::evaluation::{RatedArea, tier_below};
use crate::city::{City, blocking, internal};
use crate::clock;
use crate::http::access::Caller;
use crate::http::extract::QueryOf;
use crate::http::problem::{Answer, Problem};

/// Most cases listed; the first sheet says when there are more.
const CASES_MAX: usize = 5_000;

/// What is evaluated, and in which language it is said.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SheetQuery {
    /// As of `GET /api/v1/evaluation`.
    object: Option<String>,
    /// As there.
    period: Option<String>,
    /// As there.
    at: Option<String>,
    /// As there.
    area: Option<String>,
    /// Only this agency, class or account.
    id: Option<String>,
    /// zh (default) or en.
    lang: Option<String>,
    /// What it is for: handle, review, law, statistics. It is put on record.
    purpose: Option<String>,
}

/// The evaluation of a period as an Excel workbook: figures with what they are counted of, stars, cases,
/// definitions.
#[utoipa::path(get, path = "/api/v1/evaluation.xlsx", tag = "evaluation", params(SheetQuery),
    responses((status = 200, description = "a workbook, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))]
pub(crate) async fn get_workbook(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<SheetQuery>,
) -> Answer<impl IntoResponse> {
    let SheetQuery { object, period, at, area, id, lang, purpose } = query;
    let purpose = caller.need_export(purpose.as_deref())?.to_owned();
    let evaluation = EvaluationQuery { object, period, at, area, ..EvaluationQuery::default() };
    let question = question(&city, &caller, &evaluation)?;
    let words = match lang.as_deref().unwrap_or("zh") {
        "zh" | "" => Words { english: false },
        "en" => Words { english: true },
        other => return Err(Problem::bad_query(format!("lang={other}"))),
    };
    let asked = &question.asked;
    let id = id.filter(|id| !id.is_empty());
    let mut tallies = city.tallies(asked).await?;
    if let Some(id) = &id {
        tallies.rows.retain(|row, _| row == id);
    }
    let tier = tier_below(&city.areas, asked.area);
    let stars = city.stars(tier, asked.area, asked.now).await?;
    let mut cases = Cases { rows: Vec::new(), total: 0 };
    city.each_of(asked, id.as_deref(), |case, facts, is_part| {
        cases.add(&city, words, &question, case, facts, is_part);
    })
    .await?;
    let report = Report { city: &city, words, question: &question };
    let mut figures = report.head(cases.total);
    figures.extend(report.figures(tallies.rows.iter()));
    let sheets = vec![
        Sheet { name: words.say("指标", "Figures"), rows: figures },
        Sheet { name: words.say("星级", "Stars"), rows: report.stars(&stars) },
        Sheet { name: words.say("案件", "Cases"), rows: report.cases(cases.rows) },
        Sheet { name: words.say("口径", "Definitions"), rows: report.definitions() },
    ];
    let bytes = blocking(move || workbook(&sheets)).await?.map_err(|error| internal(&error))?;
    note_export(&city, &caller, &question, &purpose).await?;
    let day = city.profile.local_date(asked.period.from);
    let name = format!("attachment; filename=\"evaluation-{}-{day}.xlsx\"", question.word);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// What leaves the program as a file is on record before it does.
async fn note_export(
    city: &City,
    caller: &Caller,
    question: &Question,
    purpose: &str,
) -> Answer<()> {
    let line = AuditRow {
        at: clock::now(),
        who: caller.user.name.clone(),
        what: "export.evaluation".to_owned(),
        object: city.areas.get(question.asked.area).row.code.to_string(),
        detail: format!("{}, {purpose}", question.word),
    };
    Ok(city.records.audit().add(&line).await?)
}

/// The language of a workbook.
#[derive(Clone, Copy)]
struct Words {
    english: bool,
}

impl Words {
    fn say(self, zh: &'static str, en: &'static str) -> &'static str {
        if self.english { en } else { zh }
    }

    fn of(self, text: &Text) -> Cell {
        Cell::Text(if self.english { text.en.clone() } else { text.zh.clone() })
    }

    fn cell(self, zh: &'static str, en: &'static str) -> Cell {
        self.say(zh, en).into()
    }

    /// A share in percent, or that there is none.
    fn share(self, rate: Rate) -> Cell {
        match rate.value() {
            Some(value) => Cell::Number((value * 10_000.0).round() / 100.0),
            None => self.cell("不计", "n/a"),
        }
    }
}

/// What stands in a cell: text is only ever text.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Text(String),
    Number(f64),
    /// Text of a head row.
    Head(&'static str),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        // Counts of cases are far below the numbers that a cell holds exactly.
        Self::Number(count as f64)
    }
}

type Row = Vec<Cell>;

struct Sheet {
    name: &'static str,
    rows: Vec<Row>,
}

/// Longest text of a cell, in characters: what Excel reads.
const TEXT_MAX: usize = 32_767;
/// Width of a column, in characters: the first holds names.
const WIDTHS: [f64; 2] = [28.0, 18.0];

fn workbook(sheets: &[Sheet]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let head = Format::new().set_bold();
    for sheet in sheets {
        let page = book.add_worksheet().set_name(sheet.name)?;
        let columns = sheet.rows.iter().map(Vec::len).max().unwrap_or(0);
        for (column, n) in (0..columns).zip(0_u16..) {
            page.set_column_width(n, WIDTHS[column.min(1)])?;
        }
        for (row, n) in sheet.rows.iter().zip(0_u32..) {
            for (cell, column) in row.iter().zip(0_u16..) {
                match cell {
                    Cell::Number(number) => page.write_number(n, column, *number)?,
                    Cell::Head(text) => page.write_string_with_format(n, column, *text, &head)?,
                    Cell::Text(text) => {
                        let short: String = text.chars().take(TEXT_MAX).collect();
                        page.write_string(n, column, short)?
                    }
                };
            }
        }
    }
    book.save_to_buffer()
}

/// The cases of a workbook, and how many there are.
struct Cases {
    rows: Vec<Row>,
    total: u64,
}

impl Cases {
    fn add(
        &mut self,
        city: &City,
        words: Words,
        question: &Question,
        case: &Case,
        facts: &CaseFacts,
        is_part: bool,
    ) {
        let m = classify(facts, question.asked.span());
        if m.of == 0 {
            return;
        }
        self.total += 1;
        if self.rows.len() >= CASES_MAX {
            return;
        }
        let time = |t: Timestamp| match t {
            NEVER => Cell::from(""),
            t => Cell::Text(local(city, t)),
        };
        let verdict = |formula: Formula| match (
            m.is(formula, Part::Denominator),
            m.is(formula, Part::Numerator),
        ) {
            (false, _) => Cell::from(""),
            (true, true) => words.cell("是", "yes"),
            (true, false) => words.cell("否", "no"),
        };
        let agency = case.agency.as_deref().unwrap_or_default();
        let agency_name = city.agencies.get(agency).map(|agency| &agency.name);
        let part = if is_part { words.say("协同部分", "a part of it") } else { "" };
        self.rows.push(vec![
            Cell::Text(case.id.to_string()),
            words.of(&case.filing.title),
            words.of(&case.state.name()),
            city.area_name(case.area.code()).as_str().into(),
            agency_name.map_or_else(|| agency.into(), |name| words.of(name)),
            part.into(),
            time(facts.handle.due_at),
            time(facts.handle.done_at),
            verdict(Formula::Disposed),
            verdict(Formula::DisposedOnTime),
            verdict(Formula::ClosedOnTime),
            if facts.handle.excused { words.cell("是", "yes") } else { "".into() },
            if case.filing.simulated { words.cell("模拟", "simulated") } else { "".into() },
        ]);
    }
}

/// A time in the city's zone, as people read it.
fn local(city: &City, time: Timestamp) -> String {
    let zoned = jiff::Timestamp::from_millisecond(time.0)
        .ok()
        .and_then(|at| at.in_tz(&city.profile.time_zone).ok());
    zoned.map_or_else(|| time.to_rfc3339(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// What the sheets say.
struct Report<'a> {
    city: &'a City,
    words: Words,
    question: &'a Question,
}

impl Report<'_> {
    /// What it is, of when, and what it leaves out.
    fn head(&self, cases: u64) -> Vec<Row> {
        let (city, words, asked) = (self.city, self.words, &self.question.asked);
        let line = |zh, en, what: Cell| vec![words.cell(zh, en), what];
        let area = city.area_name(&city.areas.get(asked.area).row.code.to_string());
        let mut rows = vec![
            line("城市", "City", words.of(&city.profile.name)),
            line("区域", "Area", area.as_str().into()),
            line("起", "From", Cell::Text(local(city, asked.period.from))),
            line("止（不含）", "To (not included)", Cell::Text(local(city, asked.period.to))),
            line("截至", "As known at", Cell::Text(local(city, asked.now))),
            line("时区", "Time zone", city.profile.time_zone.as_str().into()),
            line("案件数", "Cases", cases.into()),
        ];
        if cases > CASES_MAX as u64 {
            let listed = format!(
                "{} {CASES_MAX} {}",
                words.say("“案件”表只列前", "the sheet of cases has the first"),
                words.say("件；指标按全部案件计算", "only; the figures are of all")
            );
            rows.push(line("注意", "Note", Cell::Text(listed)));
        }
        if city.config.simulated {
            rows.push(line("注意", "Note", words.cell("模拟数据", "simulated data")));
        }
        rows.push(Vec::new());
        rows
    }

    /// A row a figure.
    fn figures<'t>(&self, tallies: impl Iterator<Item = (&'t String, &'t Tally)>) -> Vec<Row> {
        let words = self.words;
        let head = [
            ("对象", "Object"),
            ("编号", "Id"),
            ("指标", "Figure"),
            ("分子", "Numerator"),
            ("分母", "Denominator"),
            ("值（%）", "Value (%)"),
            ("分子（不计申诉）", "Numerator (without appeals)"),
            ("值（%，不计申诉）", "Value (%, without appeals)"),
        ];
        let mut rows = vec![self.row_of(&head)];
        let object = self.question.asked.object;
        for (id, tally) in tallies {
            let name = words.of(&self.city.object_name(object, id));
            for &formula in formulas_of(object) {
                let figure = tally.figure(formula);
                rows.push(vec![
                    name.clone(),
                    id.as_str().into(),
                    words.of(&formula.name()),
                    figure.rate.numerator.into(),
                    figure.rate.denominator.into(),
                    words.share(figure.rate),
                    figure.raw.numerator.into(),
                    words.share(figure.raw),
                ]);
            }
            let mean =
                tally.mean_handling_ms().map(|ms| (ms / HOUR_MS as f64 * 100.0).round() / 100.0);
            rows.push(vec![
                name,
                id.as_str().into(),
                words.cell("平均处置用时（小时）", "Mean time of handling (hours)"),
                "".into(),
                "".into(),
                mean.map_or_else(|| words.cell("不计", "n/a"), Cell::Number),
            ]);
        }
        rows
    }

    fn row_of(&self, head: &[(&'static str, &'static str)]) -> Row {
        head.iter().map(|(zh, en)| Cell::Head(self.words.say(zh, en))).collect()
    }

    /// Stars of the areas just below the one asked for.
    fn stars(&self, stars: &[RatedArea]) -> Vec<Row> {
        let words = self.words;
        let head = [
            ("区域", "Area"),
            ("编码", "Code"),
            ("星级", "Stars"),
            ("按期处置", "Handled on time"),
            ("案件", "Cases"),
            ("同类预期", "Expected of such cases"),
            ("五星把握（%）", "Certainty of five stars (%)"),
            ("参评单位数", "Compared with"),
        ];
        let mut rows = vec![self.row_of(&head)];
        for one in stars {
            let row = &self.city.areas.get(one.area).row;
            let verdict = match one.stars.verdict {
                Verdict::Stars(stars) => Cell::from(u64::from(stars)),
                Verdict::Insufficient(lack) => words.of(&lack.text()),
            };
            let evidence = &one.stars.evidence;
            let best = one.stars.place.map(|place| (place.best_outer * 1_000.0).round() / 10.0);
            rows.push(vec![
                row.name.as_str().into(),
                Cell::Text(row.code.to_string()),
                verdict,
                evidence.raw.numerator.into(),
                evidence.raw.denominator.into(),
                Cell::Number((evidence.expected * 10.0).round() / 10.0),
                best.map_or_else(|| words.cell("不计", "n/a"), Cell::Number),
                (one.peers as u64).into(),
            ]);
        }
        rows
    }

    fn cases(&self, cases: Vec<Row>) -> Vec<Row> {
        let head = [
            ("编号", "Number"),
            ("事由", "Subject"),
            ("状态", "State"),
            ("区域", "Area"),
            ("责任单位", "Agency"),
            ("协同", "Part"),
            ("处置时限", "Handling due"),
            ("处置完成", "Handled"),
            ("已处置", "Handled"),
            ("按期处置", "Handled on time"),
            ("按期结案", "Closed on time"),
            ("申诉成立", "Excused"),
            ("数据", "Data"),
        ];
        std::iter::once(self.row_of(&head)).chain(cases).collect()
    }

    /// What every figure is counted of, what a star asks for, and where weights come from.
    fn definitions(&self) -> Vec<Row> {
        let (city, words) = (self.city, self.words);
        let object = self.question.asked.object;
        let mut rows = vec![self.row_of(&[("名称", "Name"), ("口径", "Definition")])];
        for formula in formulas_of(object) {
            rows.push(vec![words.of(&formula.name()), words.of(&formula.meaning())]);
        }
        let notes = [
            (
                ("应处置、应结案等", "Due"),
                (
                    "时限落在周期内，或在周期内完成；时限未到且未完成的不计",
                    "the deadline falls in the period, or it was done in it; what still lies ahead is not due",
                ),
            ),
            (
                ("不计申诉", "Without appeals"),
                (
                    "如同没有申诉成立；原始超期始终保留",
                    "as if no appeal had been upheld; the raw breach always stays",
                ),
            ),
            (
                ("协同部分", "Parts"),
                (
                    "计入承担单位，按其自己的时限，不计入主办单位",
                    "count for the agency that does them, by their own clock, and not for the lead",
                ),
            ),
            (("不计", "n/a"), ("分母为零", "there is nothing to take a share of")),
        ];
        for ((zh, en), (what_zh, what_en)) in notes {
            rows.push(vec![words.cell(zh, en), words.cell(what_zh, what_en)]);
        }
        let stars = &city.profile.ratings.stars;
        let certainty = format!(
            "{} {}%{}{}",
            words.say("把握不低于", "given with a certainty of at least"),
            stars.certainty,
            words.say("才授予；依据：", "; source: "),
            stars.source
        );
        rows.push(vec![words.cell("星级", "Stars"), Cell::Text(certainty)]);
        for evaluation in &city.profile.ratings.evaluations {
            if evaluation.objects.contains(&object) {
                rows.push(vec![words.of(&evaluation.name), evaluation.source.as_str().into()]);
            }
        }
        rows
    }
}
