//! Patrols 巡查: where grid workers walked, as far as they agreed to have it kept.
//!
//! Invariants: a track is read and deleted by the person who walked it and by nobody else; it goes with
//! the account; what others see are metres by area, without names. A track sent twice is kept once.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::QueryResult;

use super::sealing::patrol_place;
use super::sql::{Columns, Sql, from_json, insert, sum, to_json};
use super::{Records, Result};

/// Most tracks of a list; older ones are still there.
const LIST_MAX: u32 = 200;

/// A place and when somebody was there: longitude, latitude, milliseconds.
pub type TrackPoint = (f64, f64, i64);

/// A walk.
#[derive(Debug, Clone, PartialEq)]
pub struct PatrolRow {
    /// The phone's own number for it.
    pub key: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How far.
    pub metres: u64,
    /// Where.
    pub points: Vec<TrackPoint>,
}

/// What was walked in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatrolledArea {
    /// The smallest area.
    pub area: AreaPath,
    /// How far.
    pub metres: u64,
    /// In how many walks.
    pub walks: u64,
}

/// Methods on patrols.
#[derive(Debug, Clone, Copy)]
pub struct Patrols<'a>(pub(super) &'a Records);

impl Patrols<'_> {
    /// Keeps a walk and how far it went in which area; false when it was there already.
    pub async fn insert(
        &self,
        by: &str,
        row: &PatrolRow,
        parts: &[(AreaPath, u64)],
    ) -> Result<bool> {
        let points = self.0.seal_text(&patrol_place(by, &row.key), &to_json(&row.points))?;
        let tx = self.0.begin().await?;
        let mut sql = Sql::new(
            "INSERT INTO patrol (made_by, key, started_at, ended_at, metres, points) VALUES (",
        );
        sql.values([
            by.into(),
            row.key.as_str().into(),
            row.started_at.0.into(),
            row.ended_at.0.into(),
            row.metres.cast_signed().into(),
            points.into(),
        ]);
        let new = sql.add(") ON CONFLICT (made_by, key) DO NOTHING").run(&tx).await? > 0;
        if new {
            let rows: Vec<_> = parts
                .iter()
                .map(|(area, metres)| {
                    vec![
                        by.into(),
                        row.key.as_str().into(),
                        area.as_str().into(),
                        row.started_at.0.into(),
                        metres.cast_signed().into(),
                    ]
                })
                .collect();
            let head = "INSERT INTO patrol_area (made_by, key, area_path, started_at, metres)";
            insert(&tx, head, &rows).await?;
        }
        tx.commit().await?;
        Ok(new)
    }

    /// A person's own walks, the newest first.
    pub async fn of(&self, by: &str) -> Result<Vec<PatrolRow>> {
        let mut sql = Sql::new("SELECT * FROM patrol WHERE made_by = ");
        sql.value(by).add(" ORDER BY started_at DESC, key LIMIT ").value(i64::from(LIST_MAX));
        sql.all(&self.0.read).await?.iter().map(|row| self.read(row, by)).collect()
    }

    /// Deletes walks that ended before a time, with what they say of areas; how many.
    pub async fn delete_before(&self, time: Timestamp) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM patrol WHERE ended_at < ");
        sql.value(time.0).run(&self.0.write).await
    }

    /// Deletes a person's own walk; false when there is none.
    pub async fn delete(&self, by: &str, key: &str) -> Result<bool> {
        let mut sql = Sql::new("DELETE FROM patrol WHERE made_by = ");
        Ok(sql.value(by).add(" AND key = ").value(key).run(&self.0.write).await? > 0)
    }

    /// What was walked in these areas, by smallest area, in walks that began in `[from, to)`.
    pub async fn by_area(
        &self,
        areas: &[AreaPath],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<PatrolledArea>> {
        let mut sql = Sql::new("SELECT area_path, ");
        sql.add(&sum("metres")).add(" AS metres, count(*) AS walks FROM patrol_area");
        sql.add(" WHERE started_at >= ").value(from.0).add(" AND started_at < ").value(to.0);
        sql.within("area_path", areas).add(" GROUP BY area_path ORDER BY area_path");
        let rows = sql.all(&self.0.read).await?;
        rows.iter()
            .map(|row| {
                Ok(PatrolledArea {
                    area: row.path("area_path")?,
                    metres: row.count("metres")?,
                    walks: row.count("walks")?,
                })
            })
            .collect()
    }

    fn read(self, row: &QueryResult, by: &str) -> Result<PatrolRow> {
        let key: String = row.get("key")?;
        let points = self.0.open_text(&patrol_place(by, &key), row.get("points")?)?;
        Ok(PatrolRow {
            started_at: row.time("started_at")?,
            ended_at: row.time("ended_at")?,
            metres: row.count("metres")?,
            points: from_json("points", &points)?,
            key,
        })
    }
}
