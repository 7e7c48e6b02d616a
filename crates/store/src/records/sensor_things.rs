//! Entities that clients of SensorThings made, how they hang together, and what they said of readings
//! besides the value.
//!
//! What it is not: it knows no kind by name and no rule of the standard; a body is text to it. Devices
//! and their readings are not here (registry, journal, history), but entities may be linked to their
//! numbers. Invariant: a link stands in both directions, so each way is one look into an index.

mod together;

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, Value};

use super::sql::{Columns, Sql, insert};
use super::{Records, Result};
pub use together::Together;

/// Rows that one statement names.
const NAMED_MAX: usize = 500;

/// An entity.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityRow {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// Where it belongs.
    pub area: AreaPath,
    /// What its kind is ordered by; 0 where that is the number.
    pub at: Timestamp,
    /// Its fields, as they are shown.
    pub body: String,
}

/// One to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntity {
    /// Its kind.
    pub kind: &'static str,
    /// Where it belongs.
    pub area: AreaPath,
    /// Its name, if it is looked for by one.
    pub name: Option<String>,
    /// What its kind is ordered by.
    pub at: Timestamp,
    /// Its fields.
    pub body: String,
    /// Its place among its like, at the neighbours that have those in an order of their own.
    pub rank: Option<i64>,
    /// Its neighbours: their kind, and which.
    pub links: Vec<(&'static str, Target)>,
}

/// A neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One that is there, here or in the registry.
    Known(i64),
    /// One that is there, at that place among its like.
    Ranked(i64, i64),
    /// The one at that place of the same list.
    New(usize),
}

/// Which entities.
#[derive(Debug, Clone)]
pub struct Question {
    /// Of this kind.
    pub kind: &'static str,
    /// In this area or below.
    pub area: AreaPath,
    /// Also those of the areas above it.
    pub above: bool,
    /// Linked to this one.
    pub linked: Option<(&'static str, i64)>,
    /// With this number.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// From this time on, and before that one.
    pub span: (i64, i64),
    /// The newest first; else in order of time and number.
    pub newest_first: bool,
    /// Behind this one, by its time and number.
    pub behind: Option<(i64, i64)>,
    /// At most so many.
    pub limit: usize,
}

/// What was said of a reading besides its value.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteRow {
    /// Number of the observation that the reading is.
    pub observation: i64,
    /// What it is about, where that is not the place of its device.
    pub feature: Option<i64>,
    /// Its other fields.
    pub body: String,
}

/// Methods on them: each a transaction of its own, or all within one.
#[derive(Debug, Clone, Copy)]
pub struct SensorThings<'a> {
    pub(super) records: &'a Records,
    /// What they are done within; it is seen by them and, until it is over, by nobody else.
    pub(super) within: Option<&'a DatabaseTransaction>,
}

impl SensorThings<'_> {
    /// Some entities, in order.
    pub async fn list(&self, question: &Question) -> Result<Vec<EntityRow>> {
        // Neighbours are ordered by their place there, which is their own time for all but a few.
        let at = if question.linked.is_some() { "l.at" } else { "e.at" };
        let mut sql = Sql::new("SELECT e.id, e.kind, e.area_path, e.body, ");
        sql.add(at).add(" AS at");
        let (at, id) = chosen(&mut sql, question, true);
        let order = if question.newest_first { "DESC" } else { "ASC" };
        sql.add(&format!(" ORDER BY {at} {order}, {id} {order} LIMIT "));
        sql.value(i64::try_from(question.limit).unwrap_or(i64::MAX));
        self.all(&sql).await?.iter().map(read).collect()
    }

    /// How many there are, counted as far as lists are.
    pub async fn count(&self, question: &Question) -> Result<u64> {
        let mut sql = Sql::new("");
        chosen(&mut sql, question, false);
        match self.within {
            Some(tx) => sql.total(tx).await,
            None => sql.total(&self.records.read).await,
        }
    }

    /// Entities of a kind that are linked to these, each with the one it is linked to.
    pub async fn linked(
        &self,
        (one_kind, ones): (&'static str, &[i64]),
        kind: &'static str,
        area: &AreaPath,
        above: bool,
        limit: usize,
    ) -> Result<Vec<(i64, EntityRow)>> {
        let mut found = Vec::new();
        for some in ones.chunks(NAMED_MAX) {
            let mut sql = Sql::new("SELECT e.*, l.one AS one FROM sensor_link l");
            sql.add(" JOIN sensor_entity e ON e.id = l.other WHERE l.one_kind = ").value(one_kind);
            sql.add(" AND l.other_kind = ").value(kind);
            sql.add(" AND l.one IN (").values(some.iter().map(|&one| one.into())).add(")");
            scope(&mut sql, area, above);
            sql.add(" ORDER BY l.one, l.at, l.other LIMIT ");
            sql.value(i64::try_from(limit).unwrap_or(i64::MAX));
            for row in self.all(&sql).await? {
                found.push((row.get("one")?, read(&row)?));
            }
        }
        Ok(found)
    }

    /// Numbers of a kind that are linked to these and are none of ours: from `least` on.
    pub async fn foreign(
        &self,
        (one_kind, ones): (&'static str, &[i64]),
        kind: &'static str,
        least: i64,
    ) -> Result<Vec<(i64, i64)>> {
        let mut found = Vec::new();
        for some in ones.chunks(NAMED_MAX) {
            let mut sql = Sql::new("SELECT one, other FROM sensor_link WHERE one_kind = ");
            sql.value(one_kind).add(" AND other_kind = ").value(kind);
            sql.add(" AND other >= ").value(least);
            sql.add(" AND one IN (").values(some.iter().map(|&one| one.into()));
            sql.add(") ORDER BY one, other");
            for row in self.all(&sql).await? {
                found.push((row.get("one")?, row.get("other")?));
            }
        }
        Ok(found)
    }

    /// The first and last time of what is linked to these in order of time.
    pub async fn spans(
        &self,
        (one_kind, ones): (&'static str, &[i64]),
        kind: &'static str,
    ) -> Result<Vec<(i64, Timestamp, Timestamp)>> {
        let mut found = Vec::new();
        for some in ones.chunks(NAMED_MAX) {
            // Two looks into the index each, however much lies between.
            let mut sql = Sql::new("SELECT e.id AS one");
            for (of, named) in [("min", "first"), ("max", "last")] {
                sql.add(&format!(", (SELECT {of}(l.at) FROM sensor_link l WHERE l.one_kind = "));
                sql.value(one_kind).add(" AND l.one = e.id AND l.other_kind = ").value(kind);
                sql.add(&format!(") AS {named}"));
            }
            sql.add(" FROM sensor_entity e WHERE e.kind = ").value(one_kind);
            sql.add(" AND e.id IN (").values(some.iter().map(|&one| one.into()));
            sql.add(")");
            for row in self.all(&sql).await? {
                if let (Some(first), Some(last)) = (row.time_if("first")?, row.time_if("last")?) {
                    found.push((row.get("one")?, first, last));
                }
            }
        }
        Ok(found)
    }

    /// Makes them all, in order, or none; their numbers.
    pub async fn insert(&self, by: &str, at: Timestamp, new: &[NewEntity]) -> Result<Vec<i64>> {
        let work = self.begin().await?;
        let tx = work.db();
        let mut ids: Vec<i64> = Vec::with_capacity(new.len());
        let mut links = Vec::new();
        for entity in new {
            let mut sql = Sql::new(
                "INSERT INTO sensor_entity (kind, area_path, name, at, made_by, made_at, body) VALUES (",
            );
            sql.values([
                entity.kind.into(),
                entity.area.as_str().into(),
                Value::from(entity.name.clone()),
                entity.at.0.into(),
                by.into(),
                at.0.into(),
                entity.body.as_str().into(),
            ]);
            let row = sql.add(") RETURNING id").one(tx).await?;
            ids.push(row.map_or(Ok(0), |row| row.get("id"))?);
        }
        for (entity, &id) in new.iter().zip(&ids) {
            for &(kind, target) in &entity.links {
                let (other, time) = match target {
                    Target::Known(other) => (other, 0),
                    Target::Ranked(other, rank) => (other, rank),
                    Target::New(place) => {
                        (ids.get(place).copied().unwrap_or(0), new.get(place).map_or(0, |n| n.at.0))
                    }
                };
                let at = entity.rank.unwrap_or(entity.at.0);
                both(&mut links, (entity.kind, id, at), (kind, other, time));
            }
        }
        insert(tx, LINK_HEAD, &links).await?;
        work.commit().await?;
        Ok(ids)
    }

    /// Other fields, name and place for one.
    pub async fn update(&self, id: i64, name: Option<&str>, body: &str) -> Result<()> {
        let mut sql = Sql::new("UPDATE sensor_entity SET name = ");
        sql.value(name.map(str::to_owned)).add(", body = ").value(body);
        sql.add(" WHERE id = ").value(id);
        match self.within {
            Some(tx) => sql.run(tx).await?,
            None => sql.run(&self.records.write).await?,
        };
        Ok(())
    }

    /// Another time by which it is ordered, here and in its links.
    pub async fn set_time(&self, kind: &'static str, id: i64, at: Timestamp) -> Result<()> {
        let work = self.begin().await?;
        let tx = work.db();
        let mut sql = Sql::new("UPDATE sensor_entity SET at = ");
        sql.value(at.0).add(" WHERE id = ").value(id).run(tx).await?;
        let mut sql = Sql::new("UPDATE sensor_link SET at = ");
        sql.value(at.0).add(" WHERE other_kind = ").value(kind);
        sql.add(" AND other = ").value(id);
        sql.add(" AND (one_kind, one) IN (SELECT l.other_kind, l.other FROM sensor_link l");
        sql.add(" WHERE l.one_kind = ").value(kind).add(" AND l.one = ").value(id).add(")");
        sql.run(tx).await?;
        work.commit().await
    }

    /// Links one to these of a kind and to no others.
    pub async fn relink(
        &self,
        (kind, id, at): (&'static str, i64, Timestamp),
        other_kind: &'static str,
        others: &[i64],
    ) -> Result<()> {
        let work = self.begin().await?;
        let tx = work.db();
        unlink(tx, kind, &[id], Some(other_kind)).await?;
        let mut links = Vec::new();
        for &other in others {
            both(&mut links, (kind, id, at.0), (other_kind, other, 0));
        }
        insert(tx, LINK_HEAD, &links).await?;
        work.commit().await
    }

    /// Puts one, and all that hangs below it by these pairs of kinds, into an area.
    pub async fn set_area(
        &self,
        (kind, id): (&'static str, i64),
        below: &[(&'static str, &'static str)],
        area: &AreaPath,
    ) -> Result<()> {
        let work = self.begin().await?;
        let tx = work.db();
        let mut level = vec![(kind, vec![id])];
        while let Some((kind, ids)) = level.pop() {
            for some in ids.chunks(NAMED_MAX) {
                let mut sql = Sql::new("UPDATE sensor_entity SET area_path = ");
                sql.value(area.as_str()).add(" WHERE id IN (");
                sql.values(some.iter().map(|&id| id.into())).add(")").run(tx).await?;
            }
            for (_, child) in below.iter().filter(|(parent, _)| *parent == kind) {
                level.push((child, children(tx, kind, &ids, child).await?));
            }
        }
        work.commit().await
    }

    /// Removes one and all that hangs below it by these pairs of kinds; how many entities that were.
    pub async fn remove(
        &self,
        (kind, id): (&'static str, i64),
        below: &[(&'static str, &'static str)],
    ) -> Result<u64> {
        let work = self.begin().await?;
        let tx = work.db();
        let (mut level, mut removed) = (vec![(kind, vec![id])], 0);
        while let Some((kind, ids)) = level.pop() {
            for (_, child) in below.iter().filter(|(parent, _)| *parent == kind) {
                level.push((child, children(tx, kind, &ids, child).await?));
            }
            for some in ids.chunks(NAMED_MAX) {
                unlink(tx, kind, some, None).await?;
                let mut sql = Sql::new("DELETE FROM sensor_entity WHERE id IN (");
                removed += sql.values(some.iter().map(|&id| id.into())).add(")").run(tx).await?;
            }
        }
        work.commit().await?;
        Ok(removed)
    }

    /// Keeps what was said of readings, in place of what was said before.
    pub async fn note(&self, notes: &[NoteRow]) -> Result<()> {
        let work = self.begin().await?;
        let tx = work.db();
        for note in notes {
            let mut sql = Sql::new("INSERT INTO sensor_note (observation, feature, body) VALUES (");
            sql.values([
                note.observation.into(),
                Value::from(note.feature),
                note.body.as_str().into(),
            ]);
            sql.add(") ON CONFLICT (observation) DO UPDATE SET feature = excluded.feature,");
            sql.add(" body = excluded.body").run(tx).await?;
        }
        work.commit().await
    }

    /// What was said of these readings.
    pub async fn notes(&self, observations: &[i64]) -> Result<Vec<NoteRow>> {
        let mut found = Vec::new();
        for some in observations.chunks(NAMED_MAX) {
            let mut sql = Sql::new("SELECT * FROM sensor_note WHERE observation IN (");
            sql.values(some.iter().map(|&one| one.into()));
            sql.add(")");
            for row in self.all(&sql).await? {
                found.push(NoteRow {
                    observation: row.get("observation")?,
                    feature: row.get("feature")?,
                    body: row.get("body")?,
                });
            }
        }
        Ok(found)
    }
}

const LINK_HEAD: &str = "INSERT INTO sensor_link (one_kind, one, other_kind, at, other)";

/// A link as its two rows; each end stands at the time of the other.
fn both(
    links: &mut Vec<Vec<Value>>,
    (kind, id, at): (&'static str, i64, i64),
    (other_kind, other, other_at): (&'static str, i64, i64),
) {
    links.push(vec![kind.into(), id.into(), other_kind.into(), other_at.into(), other.into()]);
    links.push(vec![other_kind.into(), other.into(), kind.into(), at.into(), id.into()]);
}

/// Adds what follows `SELECT ...`; by which columns they are ordered.
fn chosen(sql: &mut Sql, question: &Question, paged: bool) -> (&'static str, &'static str) {
    let Question { kind, area, linked, .. } = question;
    let (at, id) = match linked {
        None => {
            sql.add(" FROM sensor_entity e WHERE e.kind = ").value(*kind);
            ("e.at", "e.id")
        }
        Some((one_kind, one)) => {
            sql.add(" FROM sensor_link l JOIN sensor_entity e ON e.id = l.other");
            sql.add(" WHERE l.one_kind = ").value(*one_kind).add(" AND l.one = ").value(*one);
            sql.add(" AND l.other_kind = ").value(*kind);
            ("l.at", "l.other")
        }
    };
    scope(sql, area, question.above);
    sql.and_if("e.id =", question.id).and_if("e.name =", question.name.clone());
    let (from, to) = question.span;
    sql.and_if(&format!("{at} >="), (from > i64::MIN).then_some(from));
    sql.and_if(&format!("{at} <"), (to < i64::MAX).then_some(to));
    if let Some((time, number)) = question.behind.filter(|_| paged) {
        let beyond = if question.newest_first { "<" } else { ">" };
        sql.add(&format!(" AND ({at}, {id}) {beyond} (")).value(time);
        sql.add(", ").value(number).add(")");
    }
    (at, id)
}

/// Adds that an entity lies in the area, or also above it.
fn scope(sql: &mut Sql, area: &AreaPath, above: bool) {
    let (low, high) = area.range();
    sql.add(" AND ((e.area_path >= ").value(low).add(" AND e.area_path < ").value(high).add(")");
    if above {
        let paths = (1..area.depth()).filter_map(|depth| area.ancestor(depth));
        for path in paths {
            sql.add(" OR e.area_path = ").value(path.as_str());
        }
    }
    sql.add(")");
}

/// Takes away both rows of the links of these, all or those to one kind.
async fn unlink<C: ConnectionTrait>(
    db: &C,
    kind: &'static str,
    ids: &[i64],
    other_kind: Option<&'static str>,
) -> Result<()> {
    let ours = |sql: &mut Sql| {
        sql.add("one_kind = ").value(kind);
        sql.add(" AND one IN (").values(ids.iter().map(|&id| id.into())).add(")");
        sql.and_if("other_kind =", other_kind);
    };
    // The other rows are found from these: an index leads from one end only.
    let mut sql = Sql::new("DELETE FROM sensor_link WHERE other_kind = ");
    sql.value(kind).add(" AND other IN (").values(ids.iter().map(|&id| id.into()));
    sql.add(") AND (one_kind, one) IN (SELECT other_kind, other FROM sensor_link WHERE ");
    ours(&mut sql);
    sql.add(")").run(db).await?;
    let mut sql = Sql::new("DELETE FROM sensor_link WHERE ");
    ours(&mut sql);
    sql.run(db).await?;
    Ok(())
}

async fn children<C: ConnectionTrait>(
    db: &C,
    kind: &'static str,
    ids: &[i64],
    child: &'static str,
) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    for some in ids.chunks(NAMED_MAX) {
        let mut sql = Sql::new("SELECT l.other AS id FROM sensor_link l");
        sql.add(" JOIN sensor_entity e ON e.id = l.other WHERE l.one_kind = ").value(kind);
        sql.add(" AND l.other_kind = ").value(child);
        sql.add(" AND l.one IN (").values(some.iter().map(|&id| id.into())).add(")");
        for row in sql.all(db).await? {
            found.push(row.get("id")?);
        }
    }
    Ok(found)
}

fn read(row: &QueryResult) -> Result<EntityRow> {
    Ok(EntityRow {
        id: row.get("id")?,
        kind: row.get("kind")?,
        area: row.path("area_path")?,
        at: row.time("at")?,
        body: row.get("body")?,
    })
}
