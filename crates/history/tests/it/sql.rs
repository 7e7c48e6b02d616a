//! Questions in SQL: the rows, each once, of files and memory; only those of the asker's areas; and never
//! more time, memory or rows than allowed.

mod limits;
mod rows;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chengmai_history::sql::{
    Answer, DeviceFacts, Directory, Format, IndicatorFacts, KindFacts, Question, Sql, SqlError,
    SqlSettings,
};
use chengmai_history::{HistoryReader, LABELS_MAX, StreamLabel, StreamNames};
use chengmai_model::area::AreaRow;
use chengmai_model::{AreaCode, AreaId, AreaTree, StreamId, Tier, Timestamp};

/// A city with seven districts; the streams of [`Names`].
pub(crate) struct Asker {
    sql: Sql,
    areas: Arc<AreaTree>,
    directory: Arc<Known>,
    runtime: tokio::runtime::Runtime,
    pub(crate) scope: AreaId,
    pub(crate) rows_max: usize,
}

/// Names as [`crate::support::Names`] writes them to files.
#[derive(Debug)]
struct Known {
    devices: u32,
    areas: Arc<AreaTree>,
}

impl Known {
    fn area_of(device: u32) -> AreaId {
        // The city is 0, its seven districts follow in the order of their codes.
        AreaId(1 + device % 7)
    }
}

impl StreamNames for Known {
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        assert!(streams.len() <= LABELS_MAX);
        assert!(streams.is_sorted(), "streams are asked for in their order");
        for stream in streams {
            let device = stream.0 / 2;
            each(StreamLabel {
                device: &name_of(device),
                kind: stream.0 % 2,
                area: Self::area_of(device),
            });
        }
    }

    fn kind(&self, kind: u32) -> String {
        ["level", "flow"][kind as usize].to_owned()
    }

    fn area(&self, area: AreaId) -> String {
        self.areas.get(area).row.code.to_string()
    }
}

fn name_of(device: u32) -> String {
    format!("设备-{device:05}")
}

impl Directory for Known {
    fn streams_of(&self, device: &str) -> Vec<StreamId> {
        let found = (0..self.devices).find(|&n| name_of(n) == device);
        found.map_or_else(Vec::new, |n| vec![StreamId(n * 2), StreamId(n * 2 + 1)])
    }

    fn devices(&self, start: usize, rows_max: usize) -> Vec<DeviceFacts> {
        let all = (0..self.devices).skip(start).take(rows_max);
        let facts = all.map(|n| DeviceFacts {
            id: name_of(n),
            name: None,
            area: Self::area_of(n),
            position: Some([106.5, 29.5]),
            agency: None,
            kinds: "level,flow".to_owned(),
            simulated: false,
            registered_at: Timestamp(0),
        });
        facts.collect()
    }

    fn kinds(&self) -> Vec<KindFacts> {
        let kind = |id: &str| KindFacts {
            id: id.to_owned(),
            name_zh: "水位".to_owned(),
            name_en: "Level".to_owned(),
            unit: "m".to_owned(),
            lowest: 0.0,
            highest: 9.0,
            pack: "water".to_owned(),
        };
        vec![kind("level"), kind("flow")]
    }

    fn indicators(&self) -> Vec<IndicatorFacts> {
        Vec::new()
    }
}

fn area(code: &str, parent: Option<&str>, tier: Tier) -> AreaRow {
    AreaRow {
        line: 1,
        code: AreaCode::new(code).unwrap(),
        parent: parent.map(|code| AreaCode::new(code).unwrap()),
        name: format!("区域{code}"),
        tier,
        valid_from: None,
        valid_to: None,
        center: None,
        shape: None,
        generated: false,
        note: None,
    }
}

pub(crate) fn settings() -> SqlSettings {
    SqlSettings { time_max: Duration::from_mins(1), ..SqlSettings::default() }
}

impl Asker {
    pub(crate) fn new(reader: &HistoryReader, devices: u32) -> Self {
        Self::with(reader, devices, settings())
    }

    pub(crate) fn with(reader: &HistoryReader, devices: u32, settings: SqlSettings) -> Self {
        let mut rows = vec![area("50", None, Tier::City)];
        rows.extend((0..7).map(|n| area(&format!("50010{n}"), Some("50"), Tier::District)));
        let areas = Arc::new(AreaTree::build(rows).unwrap());
        Self {
            sql: Sql::start(reader, settings).unwrap(),
            directory: Arc::new(Known { devices, areas: Arc::clone(&areas) }),
            areas,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            scope: AreaId::ROOT,
            rows_max: 10_000,
        }
    }

    pub(crate) fn see(&mut self, code: &str) {
        self.scope = self.areas.find(code).unwrap();
    }

    pub(crate) fn question(&self, text: &str, format: Format) -> Question {
        Question {
            text: text.to_owned(),
            rows_max: self.rows_max,
            format,
            areas: Arc::clone(&self.areas),
            scope: self.scope,
            directory: Arc::clone(&self.directory) as Arc<dyn Directory>,
        }
    }

    pub(crate) fn answer(&self, text: &str, format: Format) -> Result<Answer, SqlError> {
        self.runtime.block_on(self.sql.ask(self.question(text, format)))
    }

    /// The rows, each as JSON writes it.
    pub(crate) fn rows(&self, text: &str) -> Vec<Vec<serde_json::Value>> {
        let answer = self.answer(text, Format::Json).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let json: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
        serde_json::from_value(json["rows"].clone()).unwrap()
    }

    /// The one value of an answer with one row and one column.
    pub(crate) fn one(&self, text: &str) -> serde_json::Value {
        let mut rows = self.rows(text);
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{text}: {rows:?}");
        rows.remove(0).remove(0)
    }

    /// Names in the first column, with the number in the second.
    pub(crate) fn counts(&self, text: &str) -> BTreeMap<String, f64> {
        let pair = |row: Vec<serde_json::Value>| {
            (row[0].as_str().unwrap().to_owned(), row[1].as_f64().unwrap())
        };
        self.rows(text).into_iter().map(pair).collect()
    }

    pub(crate) fn refusal(&self, text: &str) -> SqlError {
        match self.answer(text, Format::Json) {
            Err(error) => error,
            Ok(answer) => panic!("{text}: {}", String::from_utf8_lossy(&answer.bytes)),
        }
    }
}
