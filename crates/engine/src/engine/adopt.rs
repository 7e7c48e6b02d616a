//! Rules that change while the engine runs. The journal says when, so a replay changes them at the
//! same place and gives the same bits.
//!
//! What stays: streams, windows, indicators, every standing alarm and warning. A changed rule judges
//! them at the next reading. What a rule remembers goes by its id, not its number.

use chengmai_model::KindId;

use super::Engine;
use crate::catalog::Catalog;
use crate::stream::SCHEDULED;

/// Why rules cannot be taken over while the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than rules differs: kinds, indicators or windows")]
pub struct MoreThanRules;

impl Engine {
    /// From now on the rules of `catalog` hold. Kinds and indicators must be the same.
    ///
    /// # Errors
    /// When anything but rules differs; then nothing changed.
    pub fn adopt(&mut self, mut catalog: Catalog) -> Result<(), MoreThanRules> {
        for name in self.catalog.added_kinds() {
            catalog.kind_or_add(name);
        }
        if !self.catalog.differs_in_rules_only(&catalog) {
            return Err(MoreThanRules);
        }
        // A snapshot on its way out is of the rules as they were.
        self.thaw_rest();
        let numbers: Vec<Option<u16>> =
            self.catalog.rules().iter().map(|rule| catalog.find_rule(&rule.id)).collect();
        self.rules.renumber(&numbers);
        self.warnings.renumber(&numbers);
        self.screen.renumber(&numbers);
        let before = std::mem::replace(&mut self.catalog, catalog);
        self.gates.clear();
        self.open_gates();
        let kinds = self.catalog.kinds();
        let streams = self.streams.as_slice();
        self.rings.retain(streams.iter().map(|s| kinds[usize::from(s.kind)].slope_ms > 0));
        self.watch.retain(|stream| kinds[usize::from(streams[stream as usize].kind)].anomaly);
        self.requiet();
        let kinds = self.catalog.kinds();
        let waits_anew: Vec<bool> = before
            .kinds()
            .iter()
            .zip(kinds)
            .map(|(before, now)| before.silences_ms != now.silences_ms)
            .collect();
        for number in 0..self.streams.len() {
            let stream = self.streams.get_mut(number);
            if waits_anew[usize::from(KindId(stream.kind).0)] && stream.reported() {
                // At the next tick it finds its own place; asking twice changes nothing.
                stream.set(SCHEDULED, true);
                self.put_in_wheel(0, u32::try_from(number).expect("streams are numbered in u32"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{engine, kind, pack, play, register, rule};

    const HIGH: &str = "alarm = { when = \"value >= 20\", clear = \"value < 15\" }\n\
        grade = [ { severity = 1, when = \"value >= 20\" }, { severity = 3, when = \"value >= 50\" } ]\n";
    const LOW: &str = "alarm = { when = \"value < 2\" }\n\
        grade = [ { severity = 2, when = \"value < 2\" } ]\n";
    const QUIET: &str = "alarm = { when = \"silent_for('15m')\" }\n\
        grade = [ { severity = 1, when = \"silent_for('15m')\" } ]\n";

    fn files(rules: &[(&str, &str)], more: &str) -> [(&'static str, String); 2] {
        let rules: String = rules.iter().map(|(id, body)| rule(id, body)).collect();
        [("kinds.toml", kind("k", more)), ("rules.toml", rules)]
    }

    fn catalog(rules: &[(&str, &str)], more: &str) -> Catalog {
        let files = files(rules, more);
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        Catalog::compile(&[pack(&files)]).unwrap()
    }

    fn running(rules: &[(&str, &str)]) -> Engine {
        let files = files(rules, "");
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let mut engine = engine(&files);
        register(&mut engine, "k", "T1");
        engine
    }

    #[test]
    fn the_same_rules_taken_over_change_nothing() {
        let (before, after) = ("1m 30\n2m 30\n", "3m 60\n4m 1\n5m 30\n");
        let mut left = running(&[("high", HIGH)]);
        let mut right = running(&[("high", HIGH)]);
        assert_eq!(play(&mut left, before), play(&mut right, before));
        right.adopt(catalog(&[("high", HIGH)], "")).unwrap();
        assert_eq!(play(&mut left, after), play(&mut right, after));
        assert_eq!(left.snapshot(), right.snapshot());
    }

    #[test]
    fn a_standing_warning_is_judged_by_the_changed_rule_at_the_next_reading() {
        let mut engine = running(&[("high", HIGH)]);
        assert!(play(&mut engine, "1m 30\n").contains("warning 1"));
        let lower = HIGH.replace("clear = \"value < 15\"", "clear = \"value < 18\"");
        engine.adopt(catalog(&[("high", &lower)], "")).unwrap();
        let said = play(&mut engine, "2m 17\n");
        assert!(said.contains("warning off"), "{said}");
    }

    #[test]
    fn a_new_rule_in_front_takes_no_state_from_the_others() {
        let mut engine = running(&[("high", HIGH)]);
        play(&mut engine, "1m 30\n");
        engine.adopt(catalog(&[("a_low", LOW), ("high", HIGH)], "")).unwrap();
        let said = play(&mut engine, "2m 10\n3m 1\n");
        assert!(said.contains("warning off 1") && said.contains("warning 2"), "{said}");
        let restored = Engine::restore(
            catalog(&[("a_low", LOW), ("high", HIGH)], ""),
            std::sync::Arc::clone(engine.areas()),
            crate::testing::settings(),
            &engine.snapshot(),
        );
        let after = "4m 30\n5m 10\n";
        assert_eq!(play(&mut restored.unwrap(), after), play(&mut engine, after));
    }

    #[test]
    fn a_silence_that_is_asked_about_from_now_on_is_found() {
        let mut engine = running(&[("high", HIGH)]);
        play(&mut engine, "1m 3\n1m tick\n");
        engine.adopt(catalog(&[("high", HIGH), ("quiet", QUIET)], "")).unwrap();
        let said = play(&mut engine, "2m tick\n10m tick\n17m tick\n");
        assert!(said.contains("warning 1"), "{said}");
    }

    #[test]
    fn other_kinds_are_refused_and_nothing_changed() {
        let mut engine = running(&[("high", HIGH)]);
        let other = catalog(&[("high", HIGH)], "stuck_after = \"6h\"");
        assert_eq!(engine.adopt(other), Err(MoreThanRules));
        assert!(play(&mut engine, "1m 30\n").contains("warning 1"));
    }
}
