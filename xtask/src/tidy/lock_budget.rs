//! Dependencies are debts: how many packages the lock files may hold is written down.
//!
//! The budget (`xtask/lock-budget.txt`) has a line a lock file: name, number, and why it is that.

use super::Fault;
use super::tree::Tree;

const BUDGET: &str = "xtask/lock-budget.txt";

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let budget = tree.file(BUDGET).map_or("", |file| file.text.as_str());
    [("Cargo.lock", cargo_packages(tree)), ("web/package-lock.json", web_packages(tree))]
        .into_iter()
        .filter_map(|(lock, count)| fault(lock, count?, budget))
        .collect()
}

fn fault(lock: &str, count: usize, budget: &str) -> Option<Fault> {
    let entry = budget.lines().enumerate().find_map(|(index, line)| {
        let (number, note) = line.strip_prefix(lock)?.trim().split_once(' ')?;
        Some((index + 1, number.parse::<usize>().ok()?, note))
    });
    let Some((line, allowed, note)) = entry else {
        let mend = format!("add `{lock} {count} why` to {BUDGET}");
        return Some(Fault::new(BUDGET, 1, format!("{lock} has no budget"), mend));
    };
    if note.trim().is_empty() {
        return Some(Fault::new(BUDGET, line, "the number has no reason", "write why"));
    }
    (count > allowed).then(|| {
        Fault::new(
            lock,
            1,
            format!("{count} packages, the budget is {allowed}"),
            format!("do without, or raise {BUDGET} in a change that has a decision page"),
        )
    })
}

fn cargo_packages(tree: &Tree) -> Option<usize> {
    let lock = tree.file("Cargo.lock")?;
    Some(lock.text.lines().filter(|line| *line == "[[package]]").count())
}

fn web_packages(tree: &Tree) -> Option<usize> {
    let lock = tree.file("web/package-lock.json")?;
    let lock: serde_json::Value = serde_json::from_str(&lock.text).ok()?;
    // The entry without a name is the web itself.
    Some(lock["packages"].as_object()?.keys().filter(|name| !name.is_empty()).count())
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn whats(budget: &str) -> Vec<String> {
        let lock = "[[package]]\nname = \"a\"\n[[package]]\nname = \"b\"\n";
        let tree = Tree::of(&[("Cargo.lock", lock), ("xtask/lock-budget.txt", budget)]);
        super::check(&tree).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn within_the_budget_is_fine() {
        assert_eq!(whats("Cargo.lock 2 a and b\n"), [""; 0]);
    }

    #[test]
    fn one_package_too_many_is_refused() {
        assert_eq!(whats("Cargo.lock 1 a\n"), ["2 packages, the budget is 1"]);
    }

    #[test]
    fn a_budget_needs_a_number_and_a_reason() {
        assert_eq!(whats(""), ["Cargo.lock has no budget"]);
        assert_eq!(whats("Cargo.lock 5  \n").len(), 1);
    }

    #[test]
    fn packages_of_the_web_are_counted() {
        let lock = r#"{"packages":{"":{},"node_modules/a":{},"node_modules/b":{}}}"#;
        let budget = "web/package-lock.json 1 vue\n";
        let tree = Tree::of(&[("web/package-lock.json", lock), ("xtask/lock-budget.txt", budget)]);
        assert_eq!(super::check(&tree)[0].what, "2 packages, the budget is 1");
    }
}
