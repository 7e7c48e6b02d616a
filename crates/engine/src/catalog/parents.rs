//! Which rules follow from which: `under = ["pipe_burst"]`, checked and turned into numbers.

use chengmai_model::pack::Pack;

use super::Catalog;
use super::check::{Faults, Place};
use crate::expr::Problem;

/// Links every rule with its parents; refuses unknown ones, and circles, in which all would be silent.
pub(super) fn link(packs: &[Pack], catalog: &mut Catalog, faults: &mut Faults<'_>) {
    for pack in packs {
        for rule in pack.rules.iter().filter(|rule| !rule.under.is_empty()) {
            let place = Place::item(&pack.head.id, "rules.toml", &rule.id).key("under");
            let Some(child) = catalog.find_rule(&format!("{}/{}", pack.head.id, rule.id)) else {
                continue;
            };
            for name in &rule.under {
                let full = if name.contains('/') {
                    name.clone()
                } else {
                    format!("{}/{name}", pack.head.id)
                };
                let Some(parent) = catalog.find_rule(&full) else {
                    faults.add(place, unknown(name));
                    continue;
                };
                catalog.rules[usize::from(child)].parents.push(parent);
                catalog.rules[usize::from(parent)].children.push(child);
                if above(catalog, parent, child) {
                    faults.add(place, circle(name));
                    return;
                }
            }
        }
    }
}

/// True when `wanted` is `rule` or stands above it. Called before a circle can be longer than one
/// turn, so it ends.
fn above(catalog: &Catalog, rule: u16, wanted: u16) -> bool {
    rule == wanted
        || catalog.rules[usize::from(rule)]
            .parents
            .iter()
            .any(|&parent| above(catalog, parent, wanted))
}

fn unknown(name: &str) -> Problem {
    Problem::new(
        (format!("没有规则 `{name}`"), format!("there is no rule `{name}`")),
        (
            "写同一场景包规则的 id，或 `场景包/规则`",
            "write the id of a rule of the same pack, or `pack/rule`",
        ),
    )
}

fn circle(name: &str) -> Problem {
    Problem::new(
        (
            format!("`{name}` 又从属于本规则：全都会静默"),
            format!("`{name}` follows from this rule itself: all would be silent"),
        ),
        ("从其中一条规则的 under 中删去", "take one of them out of its `under`"),
    )
}
