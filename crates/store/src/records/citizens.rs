//! Citizens and their cases: who reported what and how to reach them, kept apart from the case; the
//! cases that everybody may see.
//!
//! Not here: what of a case is public and how its place is blurred (`server`). Invariants: a contact
//! is in no case event and can be erased without touching one; of a tracking link only the hash is
//! kept; a report and its contact are written together or not at all.

use std::collections::BTreeMap;

use chengmai_model::case::{Case, CaseEvent, CaseId};
use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{DatabaseTransaction, QueryResult, Value};

use super::audit::{self, AuditRow};
use super::cases::{self, read};
use super::sealing::CONTACT;
use super::sql::{Columns, Sql};
use super::{Records, Result};
use super::{notices, proof};
use crate::proof::Source;

/// Most cases that one question brings back.
pub const PUBLIC_ROWS_MAX: u64 = 10_000;
/// Most numbers of cases in one question.
const IDS_MAX: usize = 500;

/// Someone who reported a case, or joined in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRow {
    /// The name that stands in the case: it says nothing of who they are.
    pub reporter: String,
    /// The case.
    pub case: CaseId,
    /// When.
    pub at: Timestamp,
    /// Account of the app it came by.
    pub app: Option<String>,
    /// Language they read: `zh` or `en`.
    pub language: String,
    /// Their name, as far as they gave it.
    pub person: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// What they wrote, word for word.
    pub words: Option<String>,
    /// Whether they want to be told by e-mail.
    pub mails: bool,
    /// When all this was erased.
    pub erased_at: Option<Timestamp>,
}

/// A contact on its way in.
#[derive(Debug, Clone, Default)]
pub struct NewContact {
    /// The name that stands in the case.
    pub reporter: String,
    /// Hash of the tracking link's secret.
    pub token_hash: String,
    /// Account of the app it came by.
    pub app: Option<String>,
    /// `zh` or `en`.
    pub language: String,
    /// Their name.
    pub person: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether they want to be told by e-mail.
    pub mails: bool,
    /// What they wrote, word for word.
    pub words: Option<String>,
}

/// Which public cases: those that a citizen reported.
#[derive(Debug, Clone)]
pub struct PublicFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// Of one of these types; none: of all.
    pub types: Vec<String>,
    /// Reported at or after.
    pub from: Timestamp,
    /// Reported at or before.
    pub to: Timestamp,
    /// Changed at or after.
    pub changed_from: Option<Timestamp>,
    /// Changed at or before.
    pub changed_to: Option<Timestamp>,
    /// Open or ended; both if absent.
    pub open: Option<bool>,
    /// Leave out this many of the newest.
    pub skip: u64,
    /// At most so many.
    pub rows_max: u64,
}

/// Methods on citizens and their cases.
#[derive(Debug, Clone, Copy)]
pub struct Citizens<'a>(pub(super) &'a Records);

impl Citizens<'_> {
    /// Opens a reported case together with the contact of its reporter.
    pub async fn report(
        &self,
        draft: CaseId,
        events: &[CaseEvent],
        contact: &NewContact,
    ) -> Result<Case> {
        let tx = self.0.begin().await?;
        let filed = cases::file(&tx, draft, events, None).await?;
        self.insert(&tx, &filed.case, contact).await?;
        notices::steps(&tx, &filed.case.id, events).await?;
        tx.commit().await?;
        Ok(filed.case)
    }

    /// Adds someone who reports the same.
    ///
    /// # Errors
    /// `NOT_ALLOWED_NOW` when someone else's step came in between.
    pub async fn join(
        &self,
        before: &Case,
        events: &[CaseEvent],
        contact: &NewContact,
    ) -> Result<Case> {
        // The step first: a contact without it would be of nobody. Whoever is told has both on disk.
        let case = self.0.cases().append(before, events).await?;
        let tx = self.0.begin().await?;
        self.insert(&tx, &case, contact).await?;
        if contact.mails {
            // Perhaps nobody wanted to be told before.
            notices::steps(&tx, &case.id, events).await?;
        }
        tx.commit().await?;
        Ok(case)
    }

    /// Whose tracking link it is.
    pub async fn by_token(&self, token_hash: &str) -> Result<Option<ContactRow>> {
        let mut sql = Sql::new("SELECT * FROM case_contact WHERE token = ");
        sql.value(token_hash)
            .one(&self.0.read)
            .await?
            .as_ref()
            .map(|row| self.read_contact(row))
            .transpose()
    }

    /// Everybody who reported a case, in order. Reading is put on record with its purpose.
    pub async fn contacts(
        &self,
        case: &CaseId,
        by: &str,
        purpose: &str,
        now: Timestamp,
    ) -> Result<Vec<ContactRow>> {
        let tx = self.0.begin().await?;
        let line = note(case, by, now, "contact_read");
        audit::add(&tx, &AuditRow { detail: purpose.to_owned(), ..line }).await?;
        let mut sql = Sql::new("SELECT * FROM case_contact WHERE case_id = ");
        sql.value(case.to_string()).add(" ORDER BY at, reporter");
        let rows = sql.all(&tx).await?;
        let rows = rows.iter().map(|row| self.read_contact(row)).collect::<Result<Vec<_>>>()?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Erases what is known of everybody who reported a case; how many they were. Links go on working.
    pub async fn erase(&self, case: &CaseId, by: &str, now: Timestamp) -> Result<u64> {
        let tx = self.0.begin().await?;
        audit::add(&tx, &note(case, by, now, "contact_erased")).await?;
        let mut sql =
            Sql::new("UPDATE case_contact SET person = NULL, phone = NULL, email = NULL, ");
        sql.add("words = NULL, salt = NULL, mails = 0, erased_at = ").value(now.0);
        sql.add(" WHERE erased_at IS NULL AND case_id = ").value(case.to_string());
        let erased = sql.run(&tx).await?;
        let mut sql = Sql::new("DELETE FROM delivery WHERE reporter IN ");
        sql.add("(SELECT reporter FROM case_contact WHERE case_id = ").value(case.to_string());
        sql.add(")").run(&tx).await?;
        tx.commit().await?;
        Ok(erased)
    }

    /// The same without putting it on record: for who shows it covered.
    pub async fn contacts_unsaid(&self, case: &CaseId) -> Result<Vec<ContactRow>> {
        let mut sql = Sql::new("SELECT * FROM case_contact WHERE case_id = ");
        sql.value(case.to_string()).add(" ORDER BY at, reporter");
        sql.all(&self.0.read).await?.iter().map(|row| self.read_contact(row)).collect()
    }

    /// Cases that ended before a time and of whose reporters something is still known, `most` at most.
    pub async fn kept_too_long(&self, ended_before: Timestamp, most: u32) -> Result<Vec<CaseId>> {
        let mut sql = Sql::new("SELECT DISTINCT k.case_id FROM case_contact k ");
        sql.add("JOIN \"case\" c ON c.id = k.case_id WHERE k.erased_at IS NULL AND k.at < ");
        sql.value(ended_before.0).add(" AND c.closed_at < ").value(ended_before.0);
        let rows = sql.add(" LIMIT ").value(i64::from(most)).all(&self.0.read).await?;
        rows.iter().map(|row| row.word("case_id", CaseId::parse)).collect()
    }

    /// Whom to write to, if they still want it.
    pub async fn follower(&self, reporter: &str) -> Result<Option<ContactRow>> {
        let mut sql = Sql::new("SELECT * FROM case_contact WHERE mails = 1 AND email IS NOT NULL");
        sql.add(" AND reporter = ").value(reporter);
        sql.one(&self.0.read).await?.as_ref().map(|row| self.read_contact(row)).transpose()
    }

    /// Sends no more e-mail to whoever has this tracking link; what waits is erased.
    pub async fn stop_mails(&self, reporter: &str) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE case_contact SET mails = 0 WHERE reporter = ");
        sql.value(reporter).run(&tx).await?;
        let mut sql = Sql::new("DELETE FROM delivery WHERE state <> 'sent' AND reporter = ");
        sql.value(reporter).run(&tx).await?;
        Ok(tx.commit().await?)
    }

    /// Lets everybody see a photo of a case.
    pub async fn publish_photo(
        &self,
        case: &CaseId,
        hash: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("INSERT INTO public_photo (hash, case_id, at, made_by) VALUES (");
        let row: [Value; 4] = [hash.into(), case.to_string().into(), now.0.into(), by.into()];
        sql.values(row.clone()).add(") ON CONFLICT (hash, case_id) DO NOTHING");
        if sql.run(&tx).await? > 0 {
            proof::row(&tx, Source::PublicPhoto, &row).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Of each of these cases the first photo that everybody may see, by the number of the case.
    pub async fn public_photos(&self, cases: &[String]) -> Result<BTreeMap<String, String>> {
        let mut photos = BTreeMap::new();
        for part in cases.chunks(IDS_MAX) {
            let mut sql = Sql::new("SELECT case_id, hash FROM public_photo WHERE case_id IN (");
            sql.values(part.iter().map(|id| id.clone().into()));
            for row in sql.add(") ORDER BY at, hash").all(&self.0.read).await? {
                photos.entry(row.get("case_id")?).or_insert(row.get("hash")?);
            }
        }
        Ok(photos)
    }

    /// Whether everybody may see a photo.
    pub async fn is_public_photo(&self, hash: &str) -> Result<bool> {
        let mut sql = Sql::new("SELECT count(*) FROM public_photo WHERE hash = ");
        Ok(sql.value(hash).count(&self.0.read).await? > 0)
    }

    /// Public cases, newest first.
    pub async fn list(&self, filter: &PublicFilter) -> Result<Vec<Case>> {
        let mut sql = Sql::new("SELECT body FROM \"case\" WHERE reporter IS NOT NULL");
        sql.within("area_path", &filter.areas);
        sql.add(" AND reported_at >= ").value(filter.from.0);
        sql.add(" AND reported_at <= ").value(filter.to.0);
        sql.and_if("changed_at >=", filter.changed_from.map(|t| t.0));
        sql.and_if("changed_at <=", filter.changed_to.map(|t| t.0));
        if let Some(open) = filter.open {
            sql.add(if open { " AND closed_at IS NULL" } else { " AND closed_at IS NOT NULL" });
        }
        if !filter.types.is_empty() {
            sql.add(" AND type_id IN (");
            sql.values(filter.types.iter().map(|id| id.clone().into())).add(")");
        }
        let rows_max = filter.rows_max.min(PUBLIC_ROWS_MAX);
        sql.add(" ORDER BY reported_at DESC, id DESC LIMIT ");
        sql.value(i64::try_from(rows_max).unwrap_or(0)).add(" OFFSET ");
        sql.value(i64::try_from(filter.skip).unwrap_or(i64::MAX));
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    async fn insert(&self, tx: &DatabaseTransaction, case: &Case, new: &NewContact) -> Result<()> {
        let personal = [&new.person, &new.phone, &new.email, &new.words];
        let (salt, commitment) = proof::personal(personal.map(|part| part.as_deref()))?;
        let mut sql = Sql::new(
            "INSERT INTO case_contact (reporter, case_id, token, at, app, language, commitment, salt, \
             person, phone, email, words, mails) VALUES (",
        );
        let said: [Value; 7] = [
            new.reporter.clone().into(),
            case.id.to_string().into(),
            new.token_hash.clone().into(),
            case.changed_at.0.into(),
            new.app.clone().into(),
            new.language.clone().into(),
            commitment.into(),
        ];
        let mut known: Vec<Value> = vec![salt.into()];
        for (column, plain) in CONTACT.into_iter().zip(personal) {
            known.push(self.0.seal_contact(column, &new.reporter, plain.as_deref())?.into());
        }
        known.push(i64::from(new.mails).into());
        sql.values(said.iter().cloned().chain(known)).add(")").run(tx).await?;
        proof::row(tx, Source::Contact, &said).await
    }

    fn read_contact(self, row: &QueryResult) -> Result<ContactRow> {
        Ok(ContactRow {
            reporter: row.get("reporter")?,
            case: row.word("case_id", CaseId::parse)?,
            at: row.time("at")?,
            app: row.get("app")?,
            language: row.get("language")?,
            person: self.0.open_contact(row, "person")?,
            phone: self.0.open_contact(row, "phone")?,
            email: self.0.open_contact(row, "email")?,
            words: self.0.open_contact(row, "words")?,
            mails: row.count("mails")? != 0,
            erased_at: row.time_if("erased_at")?,
        })
    }
}

fn note(case: &CaseId, by: &str, at: Timestamp, what: &str) -> AuditRow {
    AuditRow {
        at,
        who: by.to_owned(),
        what: what.to_owned(),
        object: case.to_string(),
        detail: String::new(),
    }
}
