//! The short tables: areas, devices, kinds, indicators. Rows are made when they are asked for, a batch
//! at a time, and only those of the asker's areas.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringViewArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};
use chengmai_model::{AreaId, Tier};
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryPool;

use super::pushdown::Ask;
use super::readings::batch_of;
use super::table::{BATCH_ROWS, Batches, Source};
use super::view::View;
use super::{DeviceFacts, IndicatorFacts, KindFacts};
use crate::cold::{schema, time_type};

/// A column of a short table: its name, what it holds, and how it comes from a row.
struct Column<R> {
    name: &'static str,
    value: Value<R>,
}

enum Value<R> {
    Text(fn(&R, &View) -> Option<String>),
    Number(fn(&R) -> Option<f64>),
    Truth(fn(&R) -> bool),
    Time(fn(&R) -> i64),
}

/// One of the short tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Areas,
    Devices,
    Kinds,
    Indicators,
}

impl List {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Areas, "areas"),
        (Self::Devices, "devices"),
        (Self::Kinds, "kinds"),
        (Self::Indicators, "indicators"),
    ];
}

/// A short table as one asker sees it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) list: List,
    pub(super) view: View,
}

impl Source for Listed {
    fn schema(&self) -> SchemaRef {
        match self.list {
            List::Areas => schema_of(&area_columns()),
            List::Devices => schema_of(&device_columns()),
            List::Kinds => schema_of(&kind_columns()),
            List::Indicators => schema_of(&indicator_columns()),
        }
    }

    fn words(&self) -> &'static [&'static str] {
        &[]
    }

    fn time(&self) -> &'static str {
        ""
    }

    fn scan(&self, ask: &Ask, _memory: &Arc<dyn MemoryPool>) -> Result<Batches> {
        let view = self.view.clone();
        let ask = ask.clone();
        Ok(match self.list {
            List::Areas => {
                let all: Vec<AreaId> = view.visible().collect();
                let pages = all.chunks(BATCH_ROWS).map(<[AreaId]>::to_vec).collect::<Vec<_>>();
                let columns = area_columns();
                Box::new(pages.into_iter().map(move |rows| batch(&columns, &rows, &view, &ask)))
            }
            List::Devices => devices(view, ask),
            List::Kinds => {
                let rows = view.directory.kinds();
                Box::new(std::iter::once(batch(&kind_columns(), &rows, &view, &ask)))
            }
            List::Indicators => {
                let rows = view.directory.indicators();
                Box::new(std::iter::once(batch(&indicator_columns(), &rows, &view, &ask)))
            }
        })
    }
}

fn devices(view: View, ask: Ask) -> Batches {
    let columns = device_columns();
    let mut start = 0;
    Box::new(std::iter::from_fn(move || {
        let mut rows = view.directory.devices(start, BATCH_ROWS);
        if rows.is_empty() {
            return None;
        }
        start += rows.len();
        rows.retain(|device| view.sees(device.area));
        Some(batch(&columns, &rows, &view, &ask))
    }))
}

fn schema_of<R>(columns: &[Column<R>]) -> SchemaRef {
    let fields = columns.iter().map(|column| match column.value {
        Value::Text(_) => (column.name, DataType::Utf8View, true),
        Value::Number(_) => (column.name, DataType::Float64, true),
        Value::Truth(_) => (column.name, DataType::Boolean, false),
        Value::Time(_) => (column.name, time_type(), false),
    });
    schema(&fields.collect::<Vec<_>>())
}

fn batch<R>(columns: &[Column<R>], rows: &[R], view: &View, ask: &Ask) -> Result<RecordBatch> {
    let schema = Arc::new(schema_of(columns).project(&ask.columns)?);
    let arrays = ask.columns.iter().map(|&index| -> ArrayRef {
        match columns[index].value {
            Value::Text(of) => {
                Arc::new(rows.iter().map(|row| of(row, view)).collect::<StringViewArray>())
            }
            Value::Number(of) => Arc::new(rows.iter().map(of).collect::<Float64Array>()),
            Value::Truth(of) => {
                Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
            }
            Value::Time(of) => Arc::new(
                TimestampMillisecondArray::from_iter_values(rows.iter().map(of))
                    .with_timezone("UTC"),
            ),
        }
    });
    batch_of(&schema, arrays.collect(), rows.len())
}

const fn text<R>(name: &'static str, of: fn(&R, &View) -> Option<String>) -> Column<R> {
    Column { name, value: Value::Text(of) }
}

const fn number<R>(name: &'static str, of: fn(&R) -> Option<f64>) -> Column<R> {
    Column { name, value: Value::Number(of) }
}

fn area_columns() -> [Column<AreaId>; 9] {
    [
        text("code", |&area, view| Some(view.code(area).to_owned())),
        text("name", |&area, view| Some(view.name(area).to_owned())),
        text("tier", |&area, view| Some(view.areas.get(area).row.tier.word().to_owned())),
        text("parent", |&area, view| {
            let parent = view.areas.get(area).parent;
            (parent != area).then(|| view.code(parent).to_owned())
        }),
        text("path", |&area, view| {
            let path = view.areas.path(area).into_iter();
            Some(path.map(|step| view.name(step)).collect::<Vec<_>>().join(" / "))
        }),
        text("district", |&area, view| Some(view.code_at(area, Tier::District)?.to_owned())),
        text("town", |&area, view| Some(view.code_at(area, Tier::Town)?.to_owned())),
        text("community", |&area, view| Some(view.code_at(area, Tier::Community)?.to_owned())),
        text("note", |&area, view| view.areas.get(area).row.note.clone()),
    ]
}

fn device_columns() -> [Column<DeviceFacts>; 10] {
    [
        text("id", |device, _| Some(device.id.clone())),
        text("name", |device, _| device.name.clone()),
        text("area", |device, view| Some(view.code(device.area).to_owned())),
        text("area_name", |device, view| Some(view.name(device.area).to_owned())),
        text("agency", |device, _| device.agency.clone()),
        text("kinds", |device, _| Some(device.kinds.clone())),
        number("longitude", |device| device.position.map(|position| position[0])),
        number("latitude", |device| device.position.map(|position| position[1])),
        Column { name: "simulated", value: Value::Truth(|device| device.simulated) },
        Column { name: "registered_at", value: Value::Time(|device| device.registered_at.0) },
    ]
}

fn kind_columns() -> [Column<KindFacts>; 7] {
    [
        text("id", |kind, _| Some(kind.id.clone())),
        text("name_zh", |kind, _| Some(kind.name_zh.clone())),
        text("name_en", |kind, _| Some(kind.name_en.clone())),
        text("unit", |kind, _| Some(kind.unit.clone())),
        number("lowest", |kind| Some(kind.lowest)),
        number("highest", |kind| Some(kind.highest)),
        text("pack", |kind, _| Some(kind.pack.clone())),
    ]
}

fn indicator_columns() -> [Column<IndicatorFacts>; 5] {
    [
        text("code", |indicator, _| Some(indicator.code.clone())),
        text("name_zh", |indicator, _| Some(indicator.name_zh.clone())),
        text("name_en", |indicator, _| Some(indicator.name_en.clone())),
        text("unit", |indicator, _| Some(indicator.unit.clone())),
        text("pack", |indicator, _| Some(indicator.pack.clone())),
    ]
}
