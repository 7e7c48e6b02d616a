//! Expressions of packs: CEL text, parsed by the `cel` crate, checked and compiled by us to a small
//! program over named terms. Numbers are all `f64`; a value that is not known (no reading yet, a
//! division by zero) is NaN, and a condition over it is neither true nor false (Kleene's logic),
//! so an unknown value never raises an alarm.
//!
//! Not here: what the terms mean. Rules and indicators each bring a [`Vocabulary`].

pub(crate) mod program;
pub(crate) mod values;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use chengmai_model::Text;

use crate::limits::{EXPRESSION_LEN_MAX, EXPRESSION_STACK_MAX};

pub(crate) use program::Program;

/// Number or truth value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Number,
    Bool,
}

/// What is wrong with an expression, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: Text,
    pub(crate) fix: Text,
}

impl Problem {
    pub(crate) fn new(
        what: (impl Into<String>, impl Into<String>),
        fix: (impl Into<String>, impl Into<String>),
    ) -> Self {
        Self { what: Text::new(what.0, what.1), fix: Text::new(fix.0, fix.1) }
    }
}

/// Names and functions that an expression may use.
pub(crate) trait Vocabulary {
    type Term: Copy + PartialEq + std::fmt::Debug;

    /// The term that a bare name means.
    fn name(&mut self, name: &str) -> Result<(Self::Term, Type), Problem>;

    /// The term that a call means.
    fn call(&mut self, name: &str, args: &[IdedExpr]) -> Result<(Self::Term, Type), Problem>;
}

/// An expression with its terms resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<T> {
    Number(f64),
    Bool(bool),
    Term(T),
    Unary(Unary, Box<Node<T>>),
    Binary(Binary, Box<Node<T>>, Box<Node<T>>),
    Choose(Box<Node<T>>, Box<Node<T>>, Box<Node<T>>),
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Negate,
    Not,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

impl Binary {
    fn from_operator(name: &str) -> Option<Self> {
        Some(match name {
            operators::ADD => Self::Add,
            operators::SUBSTRACT => Self::Subtract,
            operators::MULTIPLY => Self::Multiply,
            operators::DIVIDE => Self::Divide,
            operators::LESS => Self::Less,
            operators::LESS_EQUALS => Self::LessEqual,
            operators::GREATER => Self::Greater,
            operators::GREATER_EQUALS => Self::GreaterEqual,
            operators::EQUALS => Self::Equal,
            operators::NOT_EQUALS => Self::NotEqual,
            operators::LOGICAL_AND => Self::And,
            operators::LOGICAL_OR => Self::Or,
            _ => return None,
        })
    }

    /// Type of the operands and of the result.
    const fn types(self) -> (Type, Type) {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide => {
                (Type::Number, Type::Number)
            }
            Self::And | Self::Or => (Type::Bool, Type::Bool),
            _ => (Type::Number, Type::Bool),
        }
    }

    /// The comparison that means the same with its operands exchanged.
    pub(crate) const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            other => other,
        }
    }
}

/// Parses, resolves and type-checks an expression.
pub(crate) fn resolve<V: Vocabulary>(
    source: &str,
    wanted: Type,
    vocabulary: &mut V,
) -> Result<Node<V::Term>, Problem> {
    let parsed = parse(source)?;
    let node = resolve_parsed(&parsed, wanted, vocabulary)?;
    if program::stack_needed(&node) > EXPRESSION_STACK_MAX {
        return Err(Problem::new(
            (format!("表达式 `{source}` 嵌套过深"), format!("`{source}` is nested too deeply")),
            ("拆成较简单的表达式", "split it into simpler expressions"),
        ));
    }
    Ok(node)
}

/// Resolves and type-checks a syntax tree.
pub(crate) fn resolve_parsed<V: Vocabulary>(
    expr: &IdedExpr,
    wanted: Type,
    vocabulary: &mut V,
) -> Result<Node<V::Term>, Problem> {
    let (node, found) = lower(expr, vocabulary)?;
    if found == wanted { Ok(node) } else { Err(wrong_type(wanted)) }
}

/// The syntax tree of a text.
pub(crate) fn parse(source: &str) -> Result<IdedExpr, Problem> {
    if source.trim().is_empty() || source.len() > EXPRESSION_LEN_MAX {
        return Err(Problem::new(
            ("表达式为空或过长", "the expression is empty or too long"),
            (
                format!("写 1 到 {EXPRESSION_LEN_MAX} 个字节的表达式，例如 `value >= 20`"),
                format!("write 1 to {EXPRESSION_LEN_MAX} bytes, such as `value >= 20`"),
            ),
        ));
    }
    cel::parser::Parser::new().max_recursion_depth(32).parse(source).map_err(|errors| {
        let first = errors.errors.first().map(|e| (e.pos.1, e.msg.clone())).unwrap_or_default();
        Problem::new(
            (
                format!("表达式 `{source}` 第 {} 个字符处有语法错误", first.0),
                format!("`{source}` is not an expression: character {}: {}", first.0, first.1),
            ),
            (
                "用 + - * / < <= > >= == != && || ! 与文档所列函数书写",
                "use + - * / < <= > >= == != && || ! and the functions of the guide",
            ),
        )
    })
}

/// `a` or `a.b.c` as one name.
pub(crate) fn dotted_name(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", dotted_name(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// The text of a string literal.
pub(crate) fn string_literal(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn lower<V: Vocabulary>(
    expr: &IdedExpr,
    vocabulary: &mut V,
) -> Result<(Node<V::Term>, Type), Problem> {
    match &expr.expr {
        Expr::Literal(literal) => lower_literal(literal),
        Expr::Ident(_) | Expr::Select(_) => {
            let name = dotted_name(expr).ok_or_else(unsupported)?;
            vocabulary.name(&name).map(|(term, found)| (Node::Term(term), found))
        }
        Expr::Call(call) => lower_call(call, vocabulary),
        _ => Err(unsupported()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "packs write constants far below 2^53")]
fn lower_literal<T>(literal: &LiteralValue) -> Result<(Node<T>, Type), Problem> {
    match literal {
        LiteralValue::Int(n) => Ok((Node::Number(n.into_inner() as f64), Type::Number)),
        LiteralValue::UInt(n) => Ok((Node::Number(n.into_inner() as f64), Type::Number)),
        LiteralValue::Double(n) => Ok((Node::Number(n.into_inner()), Type::Number)),
        LiteralValue::Boolean(b) => Ok((Node::Bool(*b.inner()), Type::Bool)),
        _ => Err(Problem::new(
            ("此处不能使用文字", "a text cannot stand here"),
            ("文字只用作函数参数，例如 slope('10m')", "texts are arguments only: slope('10m')"),
        )),
    }
}

fn lower_call<V: Vocabulary>(
    call: &CallExpr,
    vocabulary: &mut V,
) -> Result<(Node<V::Term>, Type), Problem> {
    if call.target.is_some() {
        return Err(unsupported());
    }
    let name = call.func_name.as_str();
    match (name, call.args.as_slice()) {
        (operators::NEGATE, [inner]) => {
            let inner = resolve_parsed(inner, Type::Number, vocabulary)?;
            Ok((Node::Unary(Unary::Negate, Box::new(inner)), Type::Number))
        }
        (operators::LOGICAL_NOT, [inner]) => {
            let inner = resolve_parsed(inner, Type::Bool, vocabulary)?;
            Ok((Node::Unary(Unary::Not, Box::new(inner)), Type::Bool))
        }
        (operators::CONDITIONAL, [test, yes, no]) => {
            let test = resolve_parsed(test, Type::Bool, vocabulary)?;
            let (yes, found) = lower(yes, vocabulary)?;
            let no = resolve_parsed(no, found, vocabulary)?;
            Ok((Node::Choose(Box::new(test), Box::new(yes), Box::new(no)), found))
        }
        (_, [left, right]) if Binary::from_operator(name).is_some() => {
            let binary = Binary::from_operator(name).ok_or_else(unsupported)?;
            let (operand, result) = binary.types();
            let left = resolve_parsed(left, operand, vocabulary)?;
            let right = resolve_parsed(right, operand, vocabulary)?;
            Ok((Node::Binary(binary, Box::new(left), Box::new(right)), result))
        }
        (_, args) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            vocabulary.call(name, args).map(|(term, found)| (Node::Term(term), found))
        }
        _ => Err(unsupported()),
    }
}

fn wrong_type(wanted: Type) -> Problem {
    let (zh, en) = match wanted {
        Type::Number => ("数值", "a number"),
        Type::Bool => ("条件（真或假）", "a condition (true or false)"),
    };
    Problem::new(
        (format!("此处应为{zh}"), format!("{en} is wanted here")),
        (
            "比较与 && || ! 得到条件，+ - * / 得到数值",
            "comparisons and && || ! make conditions, + - * / make numbers",
        ),
    )
}

fn unsupported() -> Problem {
    Problem::new(
        ("表达式用了不支持的写法", "the expression uses a form that is not supported"),
        (
            "只用 + - * / 比较、&& || ! ?: 与文档所列函数",
            "use + - * /, comparisons, && || ! ?: and the functions of the guide",
        ),
    )
}
