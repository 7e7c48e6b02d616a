//! The index of words: short runs of letters of every case's text, so that a search need not read every
//! case.
//!
//! Not the answer: it says which cases may hold the words, and the text of each then decides. So it may
//! name too many (on SQLite a text that changed keeps its old runs), never too few; and a search finds the
//! same with it and without it. Runs stand in the order of the text, so that on PostgreSQL, where a case has
//! one row, most words can be counted by the rows alone. Runs are letters and digits only, two long or, of
//! Latin letters and digits, three: Chinese needs no dictionary, and the middle of a word is found as well.
//! The last letters of a run stand alone too, so that whatever begins with a letter begins some run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Value};

use super::page::TOTAL_MAX;
use super::sql::{Columns, Sql, insert_or};
use super::{Result, begin, postgres};

/// Cases of one transaction of filling the index.
const FILLED_TOGETHER: i64 = 500;
/// Words with more cases than this are found sooner by walking the list in its order.
const RARE_MAX: u64 = 4_000;
/// Runs of a question that are looked up; more do not make it rarer.
const RUNS_MAX: usize = 24;
/// Words of a question.
const TERMS_MAX: usize = 16;
/// Under this key stands the last case that was filled in, while some are not.
pub(super) const FILLED_TO: &str = "case_words_filled_to";

/// Whether the index holds every case; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct WordIndex(Arc<AtomicBool>);

/// How a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the list, reading the text of each case.
    Walk,
    /// A page by walking; how many there are, where nothing else narrows the list, by the index.
    CountByIndex,
    /// By the index.
    Index,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// Each of them, in small letters, stands in the text.
    pub(super) terms: Vec<String>,
    runs: BTreeSet<String>,
    /// Runs that are shorter than those of the index; asked for only when there are no others.
    beginnings: BTreeSet<String>,
}

impl Words {
    /// What a question asks for: every word of it, in any order.
    pub(super) fn of(question: &str) -> Self {
        let terms: Vec<String> =
            question.to_lowercase().split_whitespace().take(TERMS_MAX).map(str::to_owned).collect();
        let (mut runs, mut beginnings) = (BTreeSet::new(), BTreeSet::new());
        for term in &terms {
            each_run(term, |run, is_whole| {
                if is_whole { &mut runs } else { &mut beginnings }.insert(run);
            });
        }
        // Half of all texts have a given digit or Latin letter.
        beginnings.retain(|run| run.len() > 1);
        if !runs.is_empty() {
            beginnings.clear();
        }
        Self { terms, runs, beginnings }
    }

    /// ` FROM` the cases that the index names, for more tests of each.
    pub(super) fn found(&self, backend: DbBackend) -> Sql {
        let once = if backend == DbBackend::Postgres { "" } else { "DISTINCT " };
        let mut sql = Sql::new(" FROM (SELECT ");
        sql.add(once).add("case_id FROM case_gram WHERE ");
        self.matching(&mut sql, backend);
        sql.add(") AS found CROSS JOIN \"case\" WHERE id = case_id");
        sql
    }

    /// ` FROM` the rows of the index that hold the words for sure; none where only the text of each tells.
    pub(super) fn sure(&self, backend: DbBackend) -> Option<Sql> {
        if backend != DbBackend::Postgres || !(1..=RUNS_MAX).contains(&self.runs.len()) {
            return None;
        }
        let mut sql = Sql::new(" FROM case_gram WHERE ");
        self.matching(&mut sql, backend);
        for term in &self.terms {
            let runs = whole_runs(term)?;
            // One that stands alone was looked up as it is.
            if let [_, _, ..] = runs.as_slice() {
                sql.add(" AND ' ' || grams || ' ' LIKE ");
                sql.value(format!("% {} %", runs.join(" ")));
            }
        }
        Some(sql)
    }

    /// The total of a question that goes by the index. PostgreSQL collects only so many rows that may hold the
    /// words; where few of very many do, all are looked at.
    pub(super) async fn total(&self, db: &DatabaseConnection, question: &Sql) -> Result<u64> {
        let total = question.total(db).await?;
        let may_be_cut = db.get_database_backend() == DbBackend::Postgres && total <= TOTAL_MAX;
        if !may_be_cut || self.candidates(db, 2 * TOTAL_MAX).await? <= 2 * TOTAL_MAX {
            return Ok(total);
        }
        let tx = begin(db).await?;
        tx.execute_unprepared(postgres::COLLECT_ALL).await?;
        question.total(&tx).await
    }

    /// How many rows may hold the words, counted to one more than `most`.
    async fn candidates(&self, db: &DatabaseConnection, most: u64) -> Result<u64> {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM case_gram WHERE ");
        self.matching(&mut sql, db.get_database_backend());
        sql.add(" LIMIT ").value(most.cast_signed() + 1).add(") AS counted").count(db).await
    }

    /// Adds the test that a row of the index may hold the words; none when nothing can be looked up.
    fn matching(&self, sql: &mut Sql, backend: DbBackend) {
        let runs = self.runs.iter().map(|run| (run, false));
        let all = runs.chain(self.beginnings.iter().map(|run| (run, true))).take(RUNS_MAX);
        if backend == DbBackend::Postgres {
            postgres::matching(sql, all);
        } else {
            let all =
                all.map(|(run, begins)| format!("\"{run}\"{}", if begins { "*" } else { "" }));
            sql.add("case_gram MATCH ").value(all.collect::<Vec<_>>().join(" AND "));
        }
    }

    fn can_be_looked_up(&self) -> bool {
        !self.runs.is_empty() || !self.beginnings.is_empty()
    }
}

impl WordIndex {
    /// The index of this database. What was written before there was an index is filled in beside the
    /// work that goes on; until then a search walks.
    pub(super) async fn start(db: &DatabaseConnection) -> Result<Self> {
        let index = Self::default();
        if filled_to(db).await?.is_none() {
            index.0.store(true, Ordering::Release);
            return Ok(index);
        }
        let (db, filled) = (db.clone(), index.clone());
        tokio::spawn(async move {
            match fill(&db).await {
                Ok(()) => filled.0.store(true, Ordering::Release),
                // Searches go on without it, and the next start goes on with it.
                Err(error) => tracing::warn!(%error, "the index of words was not filled"),
            }
        });
        Ok(index)
    }

    /// How to look for these words.
    pub(super) async fn way(&self, db: &DatabaseConnection, words: &Words) -> Result<Way> {
        if !self.0.load(Ordering::Acquire) || !words.can_be_looked_up() {
            return Ok(Way::Walk);
        }
        let is_rare = words.candidates(db, RARE_MAX).await? <= RARE_MAX;
        Ok(if is_rare { Way::Index } else { Way::CountByIndex })
    }
}

/// The row of a case with this text: its number and its runs in order.
pub(super) fn row(id: String, text: &str) -> (String, String) {
    let mut runs = String::new();
    each_run(text, |run, _| {
        runs.push_str(if runs.is_empty() { "" } else { " " });
        runs.push_str(&run);
    });
    (id, runs)
}

/// Puts cases, or the new words of cases, into the index; of two rows of one case the last counts.
pub(super) async fn write<C: ConnectionTrait>(
    db: &C,
    rows: impl IntoIterator<Item = (String, String)>,
) -> Result<()> {
    put(db, rows, " ON CONFLICT (case_id) DO UPDATE SET grams = excluded.grams").await
}

async fn put<C: ConnectionTrait>(
    db: &C,
    rows: impl IntoIterator<Item = (String, String)>,
    on_conflict: &str,
) -> Result<()> {
    let rows: BTreeMap<String, String> = rows.into_iter().collect();
    let rows: Vec<Vec<Value>> =
        rows.into_iter().map(|(id, grams)| vec![id.into(), grams.into()]).collect();
    // SQLite's index of texts knows no conflicts.
    let on_postgres = db.get_database_backend() == DbBackend::Postgres;
    let tail = if on_postgres { on_conflict } else { "" };
    insert_or(db, "INSERT INTO case_gram (case_id, grams)", &rows, tail).await
}

/// The runs of a term that follow each other where the term stands in a text, and nowhere else; none when they
/// do not reach its end or it has more than letters and digits.
fn whole_runs(term: &str) -> Option<Vec<String>> {
    let (mut runs, mut rest) = (Vec::new(), 0);
    each_run(term, |run, is_whole| {
        if is_whole {
            rest = run.chars().count() - 1;
            runs.push(run);
        }
    });
    let reached = runs.len() + rest;
    let is_plain = term.chars().all(char::is_alphanumeric);
    (is_plain && !runs.is_empty() && reached == term.chars().count()).then_some(runs)
}

/// Hands every run to `take`, and whether it is as long as runs are.
fn each_run(text: &str, mut take: impl FnMut(String, bool)) {
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        for (at, letter) in word.char_indices() {
            let length = if letter.is_ascii() { 3 } else { 2 };
            let run: String = word[at..].chars().take(length).collect();
            let is_whole = run.chars().count() == length;
            take(run, is_whole);
        }
    }
}

async fn filled_to<C: ConnectionTrait>(db: &C) -> Result<Option<String>> {
    let mut sql = Sql::new("SELECT value FROM setting WHERE key = ");
    sql.value(FILLED_TO).one(db).await?.map(|row| row.get("value")).transpose()
}

/// Fills in what is missing, from the last case that was.
async fn fill(db: &DatabaseConnection) -> Result<()> {
    loop {
        let tx = begin(db).await?;
        let Some(last) = filled_to(&tx).await? else { return Ok(()) };
        let mut sql = Sql::new("SELECT id, words FROM \"case\" WHERE id > ");
        sql.value(last).add(" ORDER BY id LIMIT ").value(FILLED_TOGETHER);
        let mut rows = Vec::new();
        let mut last = None;
        for found in sql.all(&tx).await? {
            let (id, text): (String, String) = (found.get("id")?, found.get("words")?);
            rows.push(row(id.clone(), &text));
            last = Some(id);
        }
        // What a step wrote meanwhile is newer.
        put(&tx, rows, " ON CONFLICT (case_id) DO NOTHING").await?;
        let mut sql = Sql::new(if last.is_some() { "UPDATE setting SET value = " } else { "" });
        match last {
            Some(last) => sql.value(last).add(" WHERE key = "),
            None => sql.add("DELETE FROM setting WHERE key = "),
        };
        sql.value(FILLED_TO).run(&tx).await?;
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(text: &str) -> Vec<String> {
        let mut runs = Vec::new();
        each_run(text, |run, _| runs.push(run));
        runs
    }

    #[test]
    fn chinese_is_cut_into_twos_and_latin_into_threes_and_ends_stand_alone() {
        assert_eq!(runs("井盖坏"), ["井盖", "盖坏", "坏"]);
        assert_eq!(runs("lamp, 7"), ["lam", "amp", "mp", "p", "7"]);
        assert_eq!(runs("第12路"), ["第1", "12路", "2路", "路"]);
    }

    #[test]
    fn short_words_are_looked_up_by_how_runs_begin_and_only_alone() {
        let words = Words::of(" 盖 ");
        assert_eq!(words.beginnings, BTreeSet::from(["盖".to_owned()]));
        let words = Words::of("人民路 盖 LAMP");
        assert_eq!(words.terms, ["人民路", "盖", "lamp"]);
        assert!(words.beginnings.is_empty() && words.runs.contains("人民"));
        assert!(!Words::of("5 %_").can_be_looked_up());
    }

    #[test]
    fn runs_that_follow_each_other_tell_a_term_unless_its_end_is_shorter_than_a_run() {
        assert_eq!(whole_runs("占道"), Some(vec!["占道".to_owned()]));
        assert_eq!(whole_runs("lamp"), Some(vec!["lam".to_owned(), "amp".to_owned()]));
        for unsure in ["盖", "ab", "井盖ab", "盖x井", "a-lamp", ""] {
            assert_eq!(whole_runs(unsure), None, "{unsure}");
        }
    }

    proptest! {
        #[test]
        fn what_runs_in_order_say_is_what_the_text_says(
            text in "[a-c井盖路1é ,]{0,30}", term in "[a-c井盖路1é]{1,6}",
        ) {
            if let Some(wanted) = whole_runs(&term) {
                let (_, grams) = row(String::new(), &text);
                let told = format!(" {grams} ").contains(&format!(" {} ", wanted.join(" ")));
                prop_assert_eq!(told, text.contains(&term), "{} in {}", term, text);
            }
        }

        #[test]
        fn whatever_a_text_holds_has_its_runs_in_the_index(
            text in "[a-c井盖路1-3é ,]{0,30}", from in 0_usize..30, length in 1_usize..12,
        ) {
            let part: String = text.chars().skip(from).take(length).collect();
            let known: BTreeSet<String> = runs(&text).into_iter().collect();
            let words = Words::of(&part);
            for run in &words.runs {
                prop_assert!(known.contains(run), "{run} of {part} in {known:?}");
            }
            for run in &words.beginnings {
                prop_assert!(known.iter().any(|known| known.starts_with(run.as_str())));
            }
        }
    }
}
