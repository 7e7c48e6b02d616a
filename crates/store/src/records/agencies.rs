//! Agencies 责任单位: who handles cases.

use chengmai_model::{AreaPath, Text};
use sea_orm::QueryResult;

use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{Page, PageRequest, Records, Result, proof};
use crate::proof::Source;

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyRow {
    /// Unique id: `yz_gas`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Kind, as case types name it: `gas_company`.
    pub kind: String,
    /// The area it looks after.
    pub area: AreaPath,
    /// Whom to ask for.
    pub person: Option<String>,
}

/// Methods on agencies.
#[derive(Debug, Clone, Copy)]
pub struct Agencies<'a>(pub(super) &'a Records);

impl Agencies<'_> {
    /// Adds agencies, or updates those that are known, all in one transaction.
    pub async fn upsert(&self, agencies: &[AgencyRow]) -> Result<()> {
        let tx = self.0.begin().await?;
        for agency in agencies {
            let mut sql = Sql::new(
                "INSERT INTO agency (id, name_zh, name_en, kind, area_path, person) VALUES (",
            );
            sql.values([
                agency.id.clone().into(),
                agency.name.zh.clone().into(),
                agency.name.en.clone().into(),
                agency.kind.clone().into(),
                agency.area.as_str().into(),
                agency.person.clone().into(),
            ]);
            sql.add(
                ") ON CONFLICT (id) DO UPDATE SET name_zh = excluded.name_zh, \
                 name_en = excluded.name_en, kind = excluded.kind, \
                 area_path = excluded.area_path, person = excluded.person",
            );
            sql.run(&tx).await?;
        }
        let ids = agencies.iter().map(|agency| vec![agency.id.clone().into()]);
        proof::as_they_stand(&tx, Source::Agency, ids).await?;
        Ok(tx.commit().await?)
    }

    /// The agency with that id.
    pub async fn find(&self, id: &str) -> Result<Option<AgencyRow>> {
        let mut sql = Sql::new("SELECT * FROM agency WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// All agencies, by id. There are few (thousands); the server keeps them for routing.
    pub async fn all(&self) -> Result<Vec<AgencyRow>> {
        Sql::new("SELECT * FROM agency ORDER BY id")
            .all(&self.0.read)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Agencies whose area lies within these, by id.
    pub async fn list(&self, areas: &[AreaPath], request: &PageRequest) -> Result<Page<AgencyRow>> {
        let mut from = Sql::new(" FROM agency WHERE 1 = 1");
        from.within("area_path", areas);
        let total = from.total(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        // By id alone: a bare 0 would mean the first column.
        page(&mut sql, request, "0 + 0", "id", false)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, request, total, |a| Cursor { key: 0, id: a.id.clone() }))
    }
}

fn read(row: &QueryResult) -> Result<AgencyRow> {
    Ok(AgencyRow {
        id: row.get("id")?,
        name: Text { zh: row.get("name_zh")?, en: row.get("name_en")? },
        kind: row.get("kind")?,
        area: row.path("area_path")?,
        person: row.get("person")?,
    })
}
