//! The rules that hold now: the packs' own, with what was enabled in their place. A change is on
//! record with its place in the journal, so that a replay changes rules where the first run did.

use std::collections::VecDeque;
use std::sync::Arc;

use chengmai_engine::Catalog;
use chengmai_model::Text;
use chengmai_model::pack::{Pack, PackFault, RULES_FILE, Rule};
use chengmai_store::records::rules::RuleChangeRow;
use parking_lot::RwLock;

/// The packs as they hold now, and the gate through which one change at a time goes.
#[derive(Debug)]
pub(crate) struct RuleBook {
    packs: RwLock<Arc<Vec<Pack>>>,
    pub(crate) gate: tokio::sync::Mutex<()>,
}

/// A rule text that fits: the packs and catalog with it.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) rule: Rule,
    pub(crate) packs: Vec<Pack>,
    pub(crate) catalog: Catalog,
}

impl RuleBook {
    pub(crate) fn new(packs: Vec<Pack>) -> Self {
        Self { packs: RwLock::new(Arc::new(packs)), gate: tokio::sync::Mutex::default() }
    }

    pub(crate) fn packs(&self) -> Arc<Vec<Pack>> {
        Arc::clone(&self.packs.read())
    }

    pub(crate) fn set(&self, packs: Vec<Pack>) {
        *self.packs.write() = Arc::new(packs);
    }
}

/// Puts a rule's text into a pack, checked as `pack check` does.
///
/// # Errors
/// The faults, with lines of the text.
pub(crate) fn fit(packs: &[Pack], pack: &str, text: &str) -> Result<Fitted, Vec<PackFault>> {
    let Some(place) = packs.iter().position(|p| p.head.id == pack) else {
        return Err(vec![no_pack(pack)]);
    };
    let mut alone = packs.to_vec();
    alone[place] = packs[place].only_rule(text)?;
    let rule = alone[place].rules[0].clone();
    Catalog::compile(&alone)?;
    let mut packs = packs.to_vec();
    packs[place] = packs[place].with_rule(text)?;
    let catalog = Catalog::compile(&packs)?;
    Ok(Fitted { rule, packs, catalog })
}

/// Changes on record, on their way into an engine that replays the journal.
#[derive(Debug, Clone)]
pub(crate) struct Replayed {
    packs: Vec<Pack>,
    waiting: VecDeque<RuleChangeRow>,
    /// Changes taken whose place in the journal is not on record yet: the program ended before the
    /// engine had said where.
    placeless: Vec<i64>,
}

/// How things stand behind the last frame of the journal.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) packs: Vec<Pack>,
    /// The rules, when there were changes that no frame came after.
    pub(crate) catalog: Option<Catalog>,
    /// Changes that hold from here on, and should say so.
    pub(crate) placeless: Vec<i64>,
}

impl Replayed {
    pub(crate) fn new(packs: Vec<Pack>, changes: Vec<RuleChangeRow>) -> Self {
        Self { packs, waiting: changes.into(), placeless: Vec::new() }
    }

    /// Restores what was saved as of a frame, with the rules that held there. A change right at that
    /// frame may have come before it was saved or after: what was saved knows, and refuses others.
    /// When all are refused, nothing has changed.
    ///
    /// # Errors
    /// Of the last try.
    pub(crate) fn at_snapshot<T, E>(
        &mut self,
        sequence: u64,
        own: &Catalog,
        restore: impl Fn(Catalog) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut then = self.clone();
        let catalog = then.before(sequence);
        let mut outcome = restore(catalog.unwrap_or_else(|| own.clone()));
        let near = |row: &mut RuleChangeRow| row.sequence.is_none_or(|place| place == sequence);
        while outcome.is_err()
            && let Some(row) = then.waiting.pop_front_if(near)
        {
            if let Some(catalog) = then.put(&row) {
                outcome = restore(catalog);
            }
        }
        if outcome.is_ok() {
            *self = then;
        }
        outcome
    }

    /// The rules by which a frame is judged; `None` when they are those of the frame before.
    pub(crate) fn before(&mut self, sequence: u64) -> Option<Catalog> {
        let due = |row: &mut RuleChangeRow| row.sequence.is_some_and(|place| place < sequence);
        let mut catalog = None;
        while let Some(row) = self.waiting.pop_front_if(due) {
            catalog = self.put(&row).or(catalog);
        }
        catalog
    }

    /// What was enabled behind the last frame.
    pub(crate) fn settle(mut self) -> Settled {
        let mut catalog = None;
        while let Some(row) = self.waiting.pop_front() {
            catalog = self.put(&row).or(catalog);
        }
        Settled { packs: self.packs, catalog, placeless: self.placeless }
    }

    fn put(&mut self, row: &RuleChangeRow) -> Option<Catalog> {
        if row.sequence.is_none() {
            self.placeless.push(row.id);
        }
        match fit(&self.packs, &row.pack, &row.text) {
            Ok(fitted) => {
                self.packs = fitted.packs;
                Some(fitted.catalog)
            }
            Err(faults) => {
                let faults = crate::packs::render(&faults);
                tracing::warn!(rule = %row.rule, pack = %row.pack, %faults,
                    "a rule enabled earlier does not fit the packs any more and is left out");
                None
            }
        }
    }
}

fn no_pack(pack: &str) -> PackFault {
    PackFault {
        file: RULES_FILE.to_owned(),
        line: 0,
        what: Text::new(format!("没有场景包 `{pack}`"), format!("there is no pack `{pack}`")),
        fix: Text::new("检查场景包编号", "check the id of the pack"),
    }
}
