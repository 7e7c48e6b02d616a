//! Programs: an expression as a flat list of operations on a small stack. Truth values are 1 and 0,
//! NaN is "not known".

use super::{Binary, Node, Unary};
use crate::limits::EXPRESSION_STACK_MAX;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Op<T> {
    Push(f64),
    Load(T),
    Unary(Unary),
    Binary(Binary),
    Choose,
}

/// Operations in order; needs at most [`EXPRESSION_STACK_MAX`] places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Program<T> {
    ops: Box<[Op<T>]>,
}

impl<T: Copy> Program<T> {
    /// Compiles a checked expression.
    pub(crate) fn compile(node: &Node<T>) -> Self {
        debug_assert!(stack_needed(node) <= EXPRESSION_STACK_MAX, "checked when it was resolved");
        let mut ops = Vec::new();
        emit(node, &mut ops);
        Self { ops: ops.into() }
    }

    /// The same program over other terms.
    pub(crate) fn map<U: Copy>(&self, mut change: impl FnMut(T) -> U) -> Program<U> {
        let ops = self.ops.iter().map(|op| match *op {
            Op::Push(number) => Op::Push(number),
            Op::Load(term) => Op::Load(change(term)),
            Op::Unary(unary) => Op::Unary(unary),
            Op::Binary(binary) => Op::Binary(binary),
            Op::Choose => Op::Choose,
        });
        Program { ops: ops.collect() }
    }

    /// Every term it loads, in order, with repetitions.
    pub(crate) fn terms(&self) -> impl Iterator<Item = T> {
        self.ops.iter().filter_map(|op| if let Op::Load(term) = op { Some(*term) } else { None })
    }

    /// Its value; NaN when it is not known.
    #[inline]
    pub(crate) fn number(&self, load: impl Fn(T) -> f64) -> f64 {
        let mut stack = [0.0; EXPRESSION_STACK_MAX];
        let mut top = 0;
        for op in &self.ops {
            match *op {
                Op::Push(number) => {
                    stack[top] = number;
                    top += 1;
                }
                Op::Load(term) => {
                    stack[top] = load(term);
                    top += 1;
                }
                Op::Unary(unary) => stack[top - 1] = one(unary, stack[top - 1]),
                Op::Binary(binary) => {
                    stack[top - 2] = two(binary, stack[top - 2], stack[top - 1]);
                    top -= 1;
                }
                Op::Choose => {
                    let (test, yes, no) = (stack[top - 3], stack[top - 2], stack[top - 1]);
                    stack[top - 3] = choose(test, yes, no);
                    top -= 2;
                }
            }
        }
        debug_assert_eq!(top, 1, "a program leaves one value");
        stack[0]
    }

    /// Its values for up to [`LANES`] cases at once, which `load` fills in for a term; as many times
    /// cheaper as one case after the other.
    pub(crate) fn column<'c>(
        &self,
        columns: &'c mut Columns,
        mut load: impl FnMut(T, &mut [f64; LANES]),
    ) -> &'c [f64; LANES] {
        let rows = &mut columns.rows;
        rows.resize(EXPRESSION_STACK_MAX, [0.0; LANES]);
        let mut top = 0;
        for op in &self.ops {
            match *op {
                Op::Push(number) => {
                    rows[top] = [number; LANES];
                    top += 1;
                }
                Op::Load(term) => {
                    load(term, &mut rows[top]);
                    top += 1;
                }
                Op::Unary(unary) => rows[top - 1].iter_mut().for_each(|x| *x = one(unary, *x)),
                Op::Binary(binary) => {
                    let (left, right) = rows.split_at_mut(top - 1);
                    two_columns(binary, &mut left[top - 2], &right[0]);
                    top -= 1;
                }
                Op::Choose => {
                    let (tests, others) = rows[top - 3..top].split_at_mut(1);
                    for (lane, test) in tests[0].iter_mut().enumerate() {
                        *test = choose(*test, others[0][lane], others[1][lane]);
                    }
                    top -= 2;
                }
            }
        }
        debug_assert_eq!(top, 1, "a program leaves one value");
        &rows[0]
    }

    /// True only when it is known to be true.
    #[inline]
    pub(crate) fn holds(&self, load: impl Fn(T) -> f64) -> bool {
        self.number(load) > 0.5
    }
}

/// Cases that a program works out together.
pub(crate) const LANES: usize = 64;

/// The stack of a program that works out many cases at once. It takes no memory before its first use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    rows: Vec<[f64; LANES]>,
}

/// Stack places an expression needs.
pub(crate) fn stack_needed<T>(node: &Node<T>) -> usize {
    match node {
        Node::Number(_) | Node::Bool(_) | Node::Term(_) => 1,
        Node::Unary(_, inner) => stack_needed(inner),
        Node::Binary(_, left, right) => stack_needed(left).max(1 + stack_needed(right)),
        Node::Choose(test, yes, no) => {
            stack_needed(test).max(1 + stack_needed(yes)).max(2 + stack_needed(no))
        }
    }
}

fn emit<T: Copy>(node: &Node<T>, ops: &mut Vec<Op<T>>) {
    match node {
        Node::Number(number) => ops.push(Op::Push(*number)),
        Node::Bool(truth) => ops.push(Op::Push(f64::from(u8::from(*truth)))),
        Node::Term(term) => ops.push(Op::Load(*term)),
        Node::Unary(unary, inner) => {
            emit(inner, ops);
            ops.push(Op::Unary(*unary));
        }
        Node::Binary(binary, left, right) => {
            emit(left, ops);
            emit(right, ops);
            ops.push(Op::Binary(*binary));
        }
        Node::Choose(test, yes, no) => {
            emit(test, ops);
            emit(yes, ops);
            emit(no, ops);
            ops.push(Op::Choose);
        }
    }
}

fn one(unary: Unary, x: f64) -> f64 {
    match unary {
        Unary::Negate => -x,
        Unary::Not => 1.0 - x,
    }
}

#[expect(clippy::float_cmp, reason = "a pack that writes == means the very same number")]
fn two(binary: Binary, x: f64, y: f64) -> f64 {
    let truth = match binary {
        Binary::Add => return x + y,
        Binary::Subtract => return x - y,
        Binary::Multiply => return x * y,
        Binary::Divide => return if y == 0.0 { f64::NAN } else { x / y },
        Binary::And => return and(x, y),
        Binary::Or => return 1.0 - and(1.0 - x, 1.0 - y),
        _ if x.is_nan() || y.is_nan() => return f64::NAN,
        Binary::Less => x < y,
        Binary::LessEqual => x <= y,
        Binary::Greater => x > y,
        Binary::GreaterEqual => x >= y,
        Binary::Equal => x == y,
        Binary::NotEqual => x != y,
    };
    f64::from(u8::from(truth))
}

/// The same over columns; the usual operators without a decision for each case.
fn two_columns(binary: Binary, left: &mut [f64; LANES], right: &[f64; LANES]) {
    fn each(left: &mut [f64; LANES], right: &[f64; LANES], f: impl Fn(f64, f64) -> f64) {
        left.iter_mut().zip(right).for_each(|(x, &y)| *x = f(*x, y));
    }
    match binary {
        Binary::Add => each(left, right, |x, y| x + y),
        Binary::Subtract => each(left, right, |x, y| x - y),
        Binary::Multiply => each(left, right, |x, y| x * y),
        Binary::Divide => each(left, right, |x, y| if y == 0.0 { f64::NAN } else { x / y }),
        _ => each(left, right, |x, y| two(binary, x, y)),
    }
}

/// False when either is false, else unknown when either is unknown.
fn and(x: f64, y: f64) -> f64 {
    if x == 0.0 || y == 0.0 { 0.0 } else { x * y }
}

fn choose(test: f64, yes: f64, no: f64) -> f64 {
    if test.is_nan() {
        f64::NAN
    } else if test > 0.5 {
        yes
    } else {
        no
    }
}
