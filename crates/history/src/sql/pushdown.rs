//! From the conditions of a query to what need not be read: words allowed in columns, and a range of
//! time. The library applies every condition again, so all here may let through too much, never too
//! little.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// What is known of the rows wanted of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    /// Columns wanted, by place in the table, in the order wanted.
    pub(super) columns: Vec<usize>,
    /// Words allowed, by column.
    pub(super) words: Vec<(&'static str, BTreeSet<String>)>,
    /// Earliest time.
    pub(super) from: i64,
    /// First time not wanted any more.
    pub(super) to: i64,
}

impl Ask {
    /// Reads the conditions, all of which must hold, for a table with these columns of words and this
    /// column of time.
    pub(super) fn new(
        columns: Vec<usize>,
        conditions: &[Expr],
        words: &[&'static str],
        time: &str,
    ) -> Self {
        let mut ask = Self { columns, words: Vec::new(), from: i64::MIN, to: i64::MAX };
        for condition in conditions {
            ask.narrow(condition, words, time);
        }
        ask
    }

    /// The words allowed in a column; none when all are.
    pub(super) fn words_of(&self, column: &str) -> Option<&BTreeSet<String>> {
        self.words.iter().find(|(name, _)| *name == column).map(|(_, words)| words)
    }

    fn narrow(&mut self, condition: &Expr, words: &[&'static str], time: &str) {
        let Some(found) = read(condition) else { return };
        match found {
            Found::Both(left, right) => {
                self.narrow(left, words, time);
                self.narrow(right, words, time);
            }
            Found::OneOf(column, values) => {
                let Some(&column) = words.iter().find(|name| **name == column) else { return };
                match self.words.iter_mut().find(|(name, _)| *name == column) {
                    Some((_, known)) => known.retain(|word| values.contains(word)),
                    None => self.words.push((column, values)),
                }
            }
            Found::Time(column, operator, bound) if column == time => {
                self.narrow_time(operator, bound);
            }
            Found::Time(..) => {}
        }
    }

    /// A bound between two milliseconds is taken as both: one too many does no harm.
    fn narrow_time(&mut self, operator: Operator, (floor, exact): (i64, bool)) {
        let after = floor.saturating_add(1);
        match operator {
            Operator::Gt if exact => self.from = self.from.max(after),
            Operator::Gt | Operator::GtEq => self.from = self.from.max(floor),
            Operator::Lt if exact => self.to = self.to.min(floor),
            Operator::Lt | Operator::LtEq => self.to = self.to.min(after),
            Operator::Eq => {
                self.from = self.from.max(floor);
                self.to = self.to.min(after);
            }
            _ => {}
        }
    }
}

/// Whether a condition narrows what is read.
pub(super) fn narrows(condition: &Expr, words: &[&'static str], time: &str) -> bool {
    let ask = Ask::new(Vec::new(), std::slice::from_ref(condition), words, time);
    !ask.words.is_empty() || ask.from != i64::MIN || ask.to != i64::MAX
}

enum Found<'a> {
    Both(&'a Expr, &'a Expr),
    OneOf(&'a str, BTreeSet<String>),
    /// A bound in milliseconds, rounded down, and whether nothing was lost.
    Time(&'a str, Operator, (i64, bool)),
}

fn read(condition: &Expr) -> Option<Found<'_>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(Found::Both(left, right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            // So the simplifier writes a short list.
            let (Found::OneOf(one, mut words), Found::OneOf(other, more)) =
                (read(left)?, read(right)?)
            else {
                return None;
            };
            words.extend(more);
            (one == other).then_some(Found::OneOf(one, words))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            compare(left, *op, right).or_else(|| compare(right, op.swap()?, left))
        }
        Expr::InList(list) if !list.negated => {
            let column = column_of(&list.expr)?;
            let words = list.list.iter().map(|value| word_of(literal_of(value)?));
            Some(Found::OneOf(column, words.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn compare<'a>(left: &'a Expr, operator: Operator, right: &Expr) -> Option<Found<'a>> {
    let (column, value) = (column_of(left)?, literal_of(right)?);
    if let Some(bound) = time_of(value) {
        return Some(Found::Time(column, operator, bound));
    }
    let word = word_of(value)?;
    (operator == Operator::Eq).then(|| Found::OneOf(column, BTreeSet::from([word])))
}

/// The column itself, or behind one change of type that keeps its order and loses nothing.
fn column_of(expression: &Expr) -> Option<&str> {
    let (inner, kind) = match expression {
        Expr::Column(column) => return Some(&column.name),
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
        _ => return None,
    };
    let Expr::Column(column) = &**inner else { return None };
    let keeps = match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Timestamp(unit, _) => *unit != TimeUnit::Second,
        _ => false,
    };
    keeps.then_some(column.name.as_str())
}

fn literal_of(expression: &Expr) -> Option<&ScalarValue> {
    match expression {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn word_of(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.clone()
        }
        ScalarValue::Dictionary(_, inner) => word_of(inner),
        _ => None,
    }
}

fn time_of(value: &ScalarValue) -> Option<(i64, bool)> {
    let parts = |value: i64, of: i64| (value.div_euclid(of), value.rem_euclid(of) == 0);
    match value {
        ScalarValue::TimestampSecond(Some(s), _) => Some((s.saturating_mul(1_000), true)),
        ScalarValue::TimestampMillisecond(Some(ms), _) => Some((*ms, true)),
        ScalarValue::TimestampMicrosecond(Some(us), _) => Some(parts(*us, 1_000)),
        ScalarValue::TimestampNanosecond(Some(ns), _) => Some(parts(*ns, 1_000_000)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::{Expr, col, lit};

    use super::{Ask, narrows};

    const WORDS: [&str; 2] = ["device", "kind"];

    fn at(ms: i64) -> Expr {
        lit(ScalarValue::TimestampMillisecond(Some(ms), Some("UTC".into())))
    }

    fn nanos(ns: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(ns), Some("UTC".into())))
    }

    fn ask(conditions: &[Expr]) -> Ask {
        Ask::new(Vec::new(), conditions, &WORDS, "at")
    }

    #[test]
    fn conditions_on_words_and_time_narrow() {
        let ask = ask(&[
            col("device").eq(lit("m1")).and(col("at").gt_eq(at(1_000))),
            col("at").lt(at(2_000)),
            col("kind").in_list(vec![lit("a"), lit("b")], false),
        ]);
        assert_eq!((ask.from, ask.to), (1_000, 2_000));
        assert_eq!(ask.words_of("device").unwrap().len(), 1);
        assert_eq!(ask.words_of("kind").unwrap().len(), 2);
        assert_eq!(ask.words_of("area"), None);
    }

    #[test]
    fn a_list_written_out_is_a_list() {
        let ask = ask(&[col("device").eq(lit("m1")).or(lit("m2").eq(col("device")))]);
        assert_eq!(ask.words_of("device").unwrap().iter().collect::<Vec<_>>(), ["m1", "m2"]);
    }

    #[test]
    fn two_conditions_on_one_column_must_both_hold() {
        let ask =
            ask(&[col("kind").in_list(vec![lit("a"), lit("b")], false), lit("b").eq(col("kind"))]);
        assert_eq!(ask.words_of("kind").unwrap().iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_bound_between_two_milliseconds_keeps_the_rows_on_both_sides() {
        let half = 1_000_500_000;
        assert_eq!(ask(&[col("at").gt(nanos(half))]).from, 1_000);
        assert_eq!(ask(&[col("at").lt(nanos(half))]).to, 1_001);
        assert_eq!(ask(&[col("at").gt(at(5))]).from, 6);
        assert_eq!(ask(&[col("at").lt_eq(at(5))]).to, 6);
        assert_eq!(ask(&[at(5).lt_eq(col("at"))]).from, 5);
    }

    #[test]
    fn what_may_hold_otherwise_does_not_narrow() {
        for condition in [
            col("device").eq(lit("m1")).or(col("kind").eq(lit("a"))),
            col("device").eq(lit("m1")).or(col("value").gt(lit(3.0))),
            col("device").not_eq(lit("m1")),
            col("kind").in_list(vec![lit("a")], true),
            col("value").gt(lit(3.0)),
            col("value").eq(lit("a")),
            col("received_at").gt(at(1)),
            !col("at").gt(at(1)),
        ] {
            assert!(!narrows(&condition, &WORDS, "at"), "{condition}");
        }
    }
}
