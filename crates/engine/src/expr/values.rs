//! Sets of values: for which values of one term can a condition hold? The answer is never too
//! small: whatever the analysis does not understand counts as possible. From it come the quiet band
//! of a kind, the check that a grade can be reached, and that an alarm can ring at all.

use super::{Binary, Node, Unary};

/// A union of closed intervals of `f64`, sorted and disjoint. Open ends are the neighbouring float.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueSet(Vec<(f64, f64)>);

impl ValueSet {
    pub(crate) fn all() -> Self {
        Self(vec![(f64::NEG_INFINITY, f64::INFINITY)])
    }

    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn interval(low: f64, high: f64) -> Self {
        if low <= high { Self(vec![(low, high)]) } else { Self::none() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one interval it is, if it is one.
    pub(crate) fn single(&self) -> Option<(f64, f64)> {
        if let [only] = self.0.as_slice() { Some(*only) } else { None }
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        for a in &self.0 {
            for b in &other.0 {
                let (low, high) = (a.0.max(b.0), a.1.min(b.1));
                if low <= high {
                    both.push((low, high));
                }
            }
        }
        Self::normal(both)
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        Self::normal(self.0.iter().chain(&other.0).copied().collect())
    }

    /// The widest interval inside `low..=high` that holds no value of this set.
    pub(crate) fn widest_gap(&self, low: f64, high: f64) -> Option<(f64, f64)> {
        let mut best: Option<(f64, f64)> = None;
        let mut from = low;
        for &(a, b) in self.0.iter().chain(&[(f64::INFINITY, f64::INFINITY)]) {
            let to = high.min(if a == f64::INFINITY { high } else { a.next_down() });
            if from <= to && best.is_none_or(|(x, y)| to - from > y - x) {
                best = Some((from, to));
            }
            from = from.max(b.next_up());
        }
        best
    }

    fn normal(mut parts: Vec<(f64, f64)>) -> Self {
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (low, high) in parts {
            match merged.last_mut() {
                Some(last) if low <= last.1.next_up() => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }
}

/// What the analysis is to think of a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Known {
    /// It is the value that the set is about.
    Value,
    /// It may be anything.
    Unknown,
    /// It is that number; NaN when it is not known, and then no comparison with it holds.
    Number(f64),
    /// It is false.
    False,
}

/// Values for which `node` can be `wanted`.
pub(crate) fn possible<T: Copy>(
    node: &Node<T>,
    wanted: bool,
    known: &impl Fn(T) -> Known,
) -> ValueSet {
    match node {
        Node::Bool(truth) if *truth == wanted => ValueSet::all(),
        Node::Bool(_) => ValueSet::none(),
        Node::Term(term) if known(*term) == Known::False && wanted => ValueSet::none(),
        Node::Unary(Unary::Not, inner) => possible(inner, !wanted, known),
        Node::Binary(Binary::And | Binary::Or, left, right) => {
            let left_set = possible(left, wanted, known);
            let right_set = possible(right, wanted, known);
            let is_and = matches!(node, Node::Binary(Binary::And, ..));
            if is_and == wanted { left_set.and(&right_set) } else { left_set.or(&right_set) }
        }
        Node::Binary(binary, left, right) => compared(*binary, left, right, wanted, known),
        _ => ValueSet::all(),
    }
}

/// True when [`possible`] is exact: nothing but comparisons of the value with constants.
pub(crate) fn exact<T: Copy>(node: &Node<T>, known: &impl Fn(T) -> Known) -> bool {
    let is_value = |node: &Node<T>| matches!(node, Node::Term(t) if known(*t) == Known::Value);
    match node {
        Node::Bool(_) => true,
        Node::Unary(Unary::Not, inner) => exact(inner, known),
        Node::Binary(Binary::And | Binary::Or, left, right) => {
            exact(left, known) && exact(right, known)
        }
        Node::Binary(_, left, right) => {
            (is_value(left) && constant(right, known).is_some())
                || (is_value(right) && constant(left, known).is_some())
        }
        _ => false,
    }
}

/// The number a constant expression is.
pub(crate) fn constant<T: Copy>(node: &Node<T>, known: &impl Fn(T) -> Known) -> Option<f64> {
    match node {
        Node::Number(number) => Some(*number),
        Node::Term(term) => match known(*term) {
            Known::Number(number) => Some(number),
            _ => None,
        },
        Node::Unary(Unary::Negate, inner) => constant(inner, known).map(|x| -x),
        Node::Binary(binary, left, right) => {
            let (x, y) = (constant(left, known)?, constant(right, known)?);
            match binary {
                Binary::Add => Some(x + y),
                Binary::Subtract => Some(x - y),
                Binary::Multiply => Some(x * y),
                Binary::Divide if y != 0.0 => Some(x / y),
                _ => None,
            }
        }
        _ => None,
    }
}

fn compared<T: Copy>(
    binary: Binary,
    left: &Node<T>,
    right: &Node<T>,
    wanted: bool,
    known: &impl Fn(T) -> Known,
) -> ValueSet {
    let is_value = |node: &Node<T>| matches!(node, Node::Term(t) if known(*t) == Known::Value);
    let (binary, number) = match (constant(left, known), constant(right, known)) {
        (None, Some(number)) if is_value(left) => (binary, number),
        (Some(number), None) if is_value(right) => (binary.mirrored(), number),
        _ => return ValueSet::all(),
    };
    let below = |top: f64| ValueSet::interval(f64::NEG_INFINITY, top);
    let above = |bottom: f64| ValueSet::interval(bottom, f64::INFINITY);
    let (low, high) = (number.next_down(), number.next_up());
    match (binary, wanted) {
        (Binary::Less, true) | (Binary::GreaterEqual, false) => below(low),
        (Binary::LessEqual, true) | (Binary::Greater, false) => below(number),
        (Binary::Greater, true) | (Binary::LessEqual, false) => above(high),
        (Binary::GreaterEqual, true) | (Binary::Less, false) => above(number),
        (Binary::Equal, true) | (Binary::NotEqual, false) => ValueSet::interval(number, number),
        (Binary::Equal, false) | (Binary::NotEqual, true) => below(low).or(&above(high)),
        _ => ValueSet::all(),
    }
}
