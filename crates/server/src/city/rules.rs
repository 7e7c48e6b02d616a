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

#[cfg(test)]
mod tests {
    use chengmai_model::Timestamp;

    use super::*;

    fn packs() -> Vec<Pack> {
        crate::packs::load(None).unwrap().packs
    }

    /// The text of a rule with another number in it.
    fn text(degrees: u32) -> String {
        let packs = packs();
        let street = packs.iter().find(|pack| pack.head.id == "street").unwrap();
        street.rule_text("manhole_open").unwrap().replace("> 15", &format!("> {degrees}"))
    }

    fn change(id: i64, degrees: u32, sequence: Option<u64>) -> RuleChangeRow {
        RuleChangeRow {
            id,
            at: Timestamp(0),
            by: "li".to_owned(),
            pack: "street".to_owned(),
            rule: "manhole_open".to_owned(),
            text: text(degrees),
            backtest: "B-0000000000000001".to_owned(),
            reason: None,
            sequence,
        }
    }

    fn catalog(degrees: u32) -> Catalog {
        fit(&packs(), "street", &text(degrees)).unwrap().catalog
    }

    /// A snapshot that was taken under these rules, and refuses others.
    fn saved_under(then: &Catalog) -> impl Fn(Catalog) -> Result<(), ()> {
        move |catalog| if catalog.rules() == then.rules() { Ok(()) } else { Err(()) }
    }

    #[test]
    fn each_frame_is_judged_by_the_changes_before_it() {
        let mut rules =
            Replayed::new(packs(), vec![change(1, 14, Some(5)), change(2, 13, Some(9))]);
        assert!(rules.before(5).is_none(), "the frame itself came before the change");
        assert_eq!(rules.before(6).unwrap().rules(), catalog(14).rules());
        assert!(rules.before(9).is_none());
        assert_eq!(rules.before(12).unwrap().rules(), catalog(13).rules());
        let settled = rules.settle();
        assert!(settled.catalog.is_none() && settled.placeless.is_empty());
        let street = settled.packs.iter().find(|pack| pack.head.id == "street").unwrap();
        assert_eq!(street.rule_text("manhole_open").unwrap(), text(13).trim());
    }

    #[test]
    fn a_snapshot_says_itself_whether_a_change_at_its_frame_is_in_it() {
        let own = catalog(15);
        for (then, rest) in [(catalog(14), 1), (catalog(13), 0)] {
            let changes = vec![change(1, 14, Some(5)), change(2, 13, Some(9))];
            let mut rules = Replayed::new(packs(), changes);
            assert_eq!(rules.at_snapshot(9, &own, saved_under(&then)), Ok(()));
            assert_eq!(rules.waiting.len(), rest, "what is not in it comes with the replay");
        }
    }

    #[test]
    fn a_snapshot_that_fits_no_rules_leaves_all_changes_to_the_replay() {
        let mut rules = Replayed::new(packs(), vec![change(1, 14, Some(5))]);
        assert_eq!(rules.at_snapshot(9, &catalog(15), saved_under(&catalog(11))), Err(()));
        assert_eq!(rules.before(6).unwrap().rules(), catalog(14).rules());
    }

    #[test]
    fn a_change_without_a_place_holds_at_the_end_and_is_named() {
        let changes = vec![change(1, 14, Some(5)), change(2, 13, None)];
        let mut rules = Replayed::new(packs(), changes.clone());
        assert!(rules.before(6).is_some());
        assert!(rules.before(100).is_none());
        let settled = rules.settle();
        assert_eq!(settled.catalog.unwrap().rules(), catalog(13).rules());
        assert_eq!(settled.placeless, [2]);
        // It was taken before the snapshot, and the program ended before it could say so.
        let mut rules = Replayed::new(packs(), changes);
        assert_eq!(rules.at_snapshot(9, &catalog(15), saved_under(&catalog(13))), Ok(()));
        let settled = rules.settle();
        assert!(settled.catalog.is_none());
        assert_eq!(settled.placeless, [2]);
    }

    #[test]
    fn a_change_that_fits_the_packs_no_more_is_left_out() {
        let mut gone = change(1, 14, Some(5));
        gone.pack = "nowhere".to_owned();
        let mut rules = Replayed::new(packs(), vec![gone, change(2, 13, Some(6))]);
        assert_eq!(rules.before(9).unwrap().rules(), catalog(13).rules());
    }
}
