//! Which columns are sealed, and sealing what lies there in the open or under an older key.
//!
//! What it is not: keys (`crate::seal`). Invariant: a leaf of the proof log commits to what a text says, not to
//! how it is sealed; only a second factor's leaf holds the sealed text, so it gets a new one when that changes.

use sea_orm::{QueryResult, Value};

use super::sql::{Columns, Sql};
use super::{Records, RecordsError, Result, factors, proof};
use crate::proof::Source;
use crate::seal::{self, SealError};

/// Rows that are sealed in one transaction.
const TOGETHER: u32 = 500;
/// What is known of a citizen.
pub(super) const CONTACT: [&str; 4] = ["person", "phone", "email", "words"];

/// How many rows were sealed anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Citizens who reported.
    pub contacts: u64,
    /// Walks of grid workers.
    pub patrols: u64,
    /// Second factors.
    pub factors: u64,
}

impl Records {
    pub(super) fn open_text(&self, place: &str, stored: String) -> Result<String> {
        seal::open(self.keys.as_deref(), place, stored).map_err(|source| failed(place, source))
    }

    pub(super) fn seal_text(&self, place: &str, plain: &str) -> Result<String> {
        seal::seal(self.keys.as_deref(), place, plain).map_err(|source| failed(place, source))
    }

    /// Column of a contact, opened.
    pub(super) fn open_contact(&self, row: &QueryResult, column: &str) -> Result<Option<String>> {
        let stored: Option<String> = row.get(column)?;
        let Some(stored) = stored else { return Ok(None) };
        let reporter: String = row.get("reporter")?;
        self.open_text(&contact_place(column, &reporter), stored).map(Some)
    }

    /// Column of a contact as it is stored.
    pub(super) fn seal_contact(
        &self,
        column: &str,
        reporter: &str,
        plain: Option<&str>,
    ) -> Result<Option<String>> {
        plain.map(|plain| self.seal_text(&contact_place(column, reporter), plain)).transpose()
    }

    /// Seals under the first key what lies in the open or under another key.
    ///
    /// # Errors
    /// `Sealed` when a text cannot be opened: nothing of its row is changed.
    pub async fn reseal(&self) -> Result<Resealed> {
        let mut done = Resealed::default();
        if self.keys.is_none() {
            return Ok(done);
        }
        done.contacts = self.reseal_contacts().await?;
        done.patrols = self.reseal_patrols().await?;
        done.factors = self.reseal_factors().await?;
        Ok(done)
    }

    /// The text sealed anew, when it is not as it should be.
    fn anew(&self, place: &str, stored: &str) -> Result<Option<String>> {
        if self.keys.as_ref().is_none_or(|keys| keys.is_current(stored)) {
            return Ok(None);
        }
        let plain = self.open_text(place, stored.to_owned())?;
        self.seal_text(place, &plain).map(Some)
    }

    async fn reseal_contacts(&self) -> Result<u64> {
        let (mut last, mut count) = (String::new(), 0);
        loop {
            let tx = self.begin().await?;
            let mut sql =
                Sql::new("SELECT reporter, person, phone, email, words FROM case_contact");
            sql.add(" WHERE erased_at IS NULL AND reporter > ").value(last.as_str());
            sql.add(" ORDER BY reporter LIMIT ").value(i64::from(TOGETHER));
            let rows = sql.all(&tx).await?;
            let Some(end) = rows.last() else { return Ok(count) };
            last = end.get("reporter")?;
            for row in &rows {
                let reporter: String = row.get("reporter")?;
                let mut is_anew = false;
                let mut sql = Sql::new("UPDATE case_contact SET reporter = ");
                sql.value(reporter.as_str());
                for column in CONTACT {
                    let Some(stored) = row.get::<Option<String>>(column)? else { continue };
                    let anew = self.anew(&contact_place(column, &reporter), &stored)?;
                    let Some(anew) = anew else { continue };
                    is_anew = true;
                    sql.add(", ").add(column).add(" = ").value(anew);
                }
                if is_anew {
                    sql.add(" WHERE reporter = ").value(reporter.as_str()).run(&tx).await?;
                    count += 1;
                }
            }
            tx.commit().await?;
        }
    }

    async fn reseal_patrols(&self) -> Result<u64> {
        let (mut last, mut count) = ((String::new(), String::new()), 0);
        loop {
            let tx = self.begin().await?;
            let mut sql =
                Sql::new("SELECT made_by, key, points FROM patrol WHERE (made_by, key) > (");
            sql.values([last.0.as_str().into(), last.1.as_str().into()]);
            sql.add(") ORDER BY made_by, key LIMIT ").value(i64::from(TOGETHER));
            let rows = sql.all(&tx).await?;
            let Some(end) = rows.last() else { return Ok(count) };
            last = (end.get("made_by")?, end.get("key")?);
            for row in &rows {
                let (by, key): (String, String) = (row.get("made_by")?, row.get("key")?);
                let anew = self.anew(&patrol_place(&by, &key), &row.get::<String>("points")?)?;
                let Some(anew) = anew else { continue };
                let mut sql = Sql::new("UPDATE patrol SET points = ");
                sql.value(anew).add(" WHERE made_by = ").value(by).add(" AND key = ").value(key);
                count += sql.run(&tx).await?;
            }
            tx.commit().await?;
        }
    }

    async fn reseal_factors(&self) -> Result<u64> {
        let tx = self.begin().await?;
        let mut keys: Vec<Vec<Value>> = Vec::new();
        for row in Sql::new("SELECT user_name, secret FROM second_factor").all(&tx).await? {
            let user: String = row.get("user_name")?;
            let anew = self.anew(&factors::place(&user), &row.get::<String>("secret")?)?;
            let Some(anew) = anew else { continue };
            let mut sql = Sql::new("UPDATE second_factor SET secret = ");
            sql.value(anew).add(" WHERE user_name = ").value(user.as_str()).run(&tx).await?;
            keys.push(vec![user.into()]);
        }
        let count = keys.len() as u64;
        proof::as_they_stand(&tx, Source::SecondFactor, keys).await?;
        tx.commit().await?;
        Ok(count)
    }
}

/// Where a column of a contact is sealed for.
fn contact_place(column: &str, reporter: &str) -> String {
    format!("case_contact.{column}/{reporter}")
}

/// Where the points of a walk are sealed for.
pub(super) fn patrol_place(by: &str, key: &str) -> String {
    format!("patrol.points/{by}/{key}")
}

fn failed(place: &str, source: SealError) -> RecordsError {
    RecordsError::Sealed { place: place.to_owned(), source }
}
