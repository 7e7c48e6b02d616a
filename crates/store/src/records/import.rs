//! Many cases at once, from another system or another year. A case that came before, by its number there,
//! is left as it is: so an import that broke off is simply done again.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_engine::case::replay;
use chengmai_model::case::{Case, CaseEvent, CaseId};
use sea_orm::{DatabaseTransaction, Value};

use super::cases::{Cases, file, insert_all, serials};
use super::sql::{Columns, Sql};
use super::{RecordsError, Result};

/// Cases that are looked up and written by the same statements.
const TOGETHER: usize = 512;

/// How an import went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// Cases added.
    pub added: u64,
    /// Those of them that are open.
    pub open: Vec<Case>,
    /// Cases that an earlier import had added; nothing was changed.
    pub known: u64,
}

/// A case to be imported: its number without the serial, and its events.
type Draft = (CaseId, Vec<CaseEvent>);

impl Cases<'_> {
    /// Files many cases in one transaction: all or none.
    pub async fn import(&self, cases: &[Draft]) -> Result<Imported> {
        let tx = self.0.begin().await?;
        let mut imported = Imported::default();
        for cases in cases.chunks(TOGETHER) {
            import(&tx, cases, &mut imported).await?;
        }
        tx.commit().await?;
        imported.known = cases.len() as u64 - imported.added;
        Ok(imported)
    }
}

/// Imports a few hundred cases.
async fn import(tx: &DatabaseTransaction, cases: &[Draft], imported: &mut Imported) -> Result<()> {
    let mut seen = known(tx, cases).await?;
    let mut new = Vec::new();
    let mut note = |case: Case| {
        imported.added += 1;
        imported.open.extend(Some(case).filter(|case| case.closed_at.is_none()));
    };
    for case in cases {
        let filing = case.1.first().and_then(|event| event.filing.as_deref());
        let external = filing.and_then(|filing| filing.external.as_ref());
        if external.is_some_and(|external| !seen.insert(external.clone())) {
            continue;
        }
        if filing.is_some_and(|filing| filing.warning.is_some()) {
            // It answers its warning too.
            let filed = file(tx, case.0.clone(), &case.1, None).await?;
            if filed.created {
                note(filed.case);
            }
        } else {
            new.push(case);
        }
    }
    let numbered = numbered(tx, &new).await?;
    insert_all(tx, &numbered).await?;
    for (case, _) in numbered {
        note(case);
    }
    Ok(())
}

/// Which of their numbers elsewhere are there already.
async fn known(tx: &DatabaseTransaction, cases: &[Draft]) -> Result<BTreeSet<String>> {
    let filings = cases.iter().filter_map(|(_, events)| events.first()?.filing.as_deref());
    let numbers: Vec<Value> = filings.filter_map(|f| Some(f.external.clone()?.into())).collect();
    if numbers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut sql = Sql::new("SELECT external FROM \"case\" WHERE external IN (");
    let rows = sql.values(numbers).add(")").all(tx).await?;
    rows.iter().map(|row| row.get("external")).collect()
}

/// The cases with their serials, given in their order.
async fn numbered<'a>(
    tx: &DatabaseTransaction,
    new: &[&'a Draft],
) -> Result<Vec<(Case, &'a [CaseEvent])>> {
    let mut counts: BTreeMap<(&str, String), (u32, &CaseId)> = BTreeMap::new();
    for (draft, _) in new {
        counts.entry((draft.code.as_str(), draft.date.to_string())).or_insert((0, draft)).0 += 1;
    }
    let mut next = BTreeMap::new();
    for (key, (count, draft)) in counts {
        next.insert(key, serials(tx, draft, count).await?);
    }
    let mut cases = Vec::with_capacity(new.len());
    for (draft, events) in new {
        let mut id = draft.clone();
        if let Some(serial) = next.get_mut(&(draft.code.as_str(), draft.date.to_string())) {
            id.serial = *serial;
            *serial += 1;
        }
        let case = replay(id, events)
            .ok_or_else(|| RecordsError::Unreadable("the events of a case have a gap".into()))?;
        cases.push((case, events.as_slice()));
    }
    Ok(cases)
}
