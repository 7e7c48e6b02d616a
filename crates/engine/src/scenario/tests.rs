//! The runner itself: what it says when a scenario is not true, and that rewriting makes it true.

use super::{rewrite, run};
use crate::Catalog;

const TEXT: &str = "\
area    CQ > YZ
# nobody knows the type
t=0     file nothing at YZ row 0
";

#[test]
fn lines_that_cannot_be_done_are_named() {
    let mismatch = run(&Catalog::empty(), TEXT).unwrap_err();
    assert_eq!(mismatch.to_string(), "line 3: there is no case type `nothing`");
    let mismatch = run(&Catalog::empty(), "area CQ\ndevice m1 methane at CQ\n").unwrap_err();
    assert_eq!(mismatch.to_string(), "line 2: no kind `methane`");
    let mismatch = run(&Catalog::empty(), "area CQ\nt=5m tick\nt=1m tick\n").unwrap_err();
    assert_eq!(mismatch.to_string(), "line 3: time does not run backwards");
    let mismatch = run(&Catalog::empty(), "area CQ > YZ\narea CQ > JB > YZ\n").unwrap_err();
    assert_eq!(mismatch.to_string(), "line 2: `YZ` already lies in another area");
}

#[test]
fn what_is_expected_and_does_not_happen_is_named_and_rewritten() {
    let text = "area CQ\nt=1m tick\n  expect warning W1 cleared # 说明\n  expect none\n";
    let mismatch = run(&Catalog::empty(), text).unwrap_err();
    assert_eq!(mismatch.to_string(), "line 3: expected `warning W1 cleared`, which did not happen");
    let mended = rewrite(&Catalog::empty(), text).unwrap();
    assert_eq!(mended, "area CQ\nt=1m tick\n        expect none\n");
    run(&Catalog::empty(), &mended).unwrap();
}
