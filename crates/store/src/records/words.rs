//! The index of words: short runs of letters of every case's text, so that a search need not read every
//! case.
//!
//! Not the answer: it says which cases may hold the words, and the text of each then decides. So it may
//! name too many (a text that changed keeps its old runs), never too few; and a search finds the same
//! with it and without it. Runs are letters and digits only, two long or, of Latin letters and digits,
//! three: Chinese needs no dictionary, and the middle of a word is found as well. The last letters of a
//! run stand alone too, so that whatever begins with a letter begins some run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Value};

use super::sql::{Columns, Sql, insert};
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

    /// Adds the test that a row of the index may hold the words; none when nothing can be looked up.
    pub(super) fn matching(&self, sql: &mut Sql, backend: DbBackend) {
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
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM case_gram WHERE ");
        words.matching(&mut sql, db.get_database_backend());
        sql.add(" LIMIT ").value(RARE_MAX.cast_signed() + 1).add(") AS counted");
        Ok(if sql.count(db).await? <= RARE_MAX { Way::Index } else { Way::CountByIndex })
    }
}

/// How a case is put into the index; its values are a [`row`].
pub(super) const HEAD: &str = "INSERT INTO case_gram (case_id, grams)";

/// The row of a case with this text.
pub(super) fn row(id: String, text: &str) -> Vec<Value> {
    let mut runs = BTreeSet::new();
    each_run(text, |run, _| {
        runs.insert(run);
    });
    let runs: Vec<String> = runs.into_iter().collect();
    vec![id.into(), runs.join(" ").into()]
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
        insert(&tx, HEAD, &rows).await?;
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

    proptest! {
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
