//! Expressions of `$filter` and `$orderby`: text to a tree, by recursive descent.
//!
//! Not here: what an expression is worth (`evaluate`). Invariant: a tree is at most [`DEPTH_MAX`] deep
//! and has at most [`NODES_MAX`] nodes, and every path in it leads somewhere.

use chengmai_model::error::STA_QUERY;

use super::evaluate::Value;
use super::function::Function;
use super::{DEPTH_MAX, Holds, Id, Kind, Relation};
use crate::error::{Fault, place, quote};

/// Nodes of one expression.
const NODES_MAX: usize = 500;
/// Bytes of one expression.
const TEXT_LEN_MAX: usize = 8_192;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A value as it stands.
    Literal(Value),
    /// A field of the entity or of a neighbour.
    Path(Path),
    /// A function of others.
    Call(Function, Vec<Expr>),
    /// Two with an operator between.
    Binary(Op, Box<Expr>, Box<Expr>),
    /// Whether it does not hold.
    Not(Box<Expr>),
}

/// Where a value is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Over which ways.
    pub ways: Vec<&'static Relation>,
    /// In which field of the kind at their end, and in which part of it; `id` is the id.
    pub names: Vec<String>,
    /// Whether the field holds a time.
    pub time: bool,
}

/// Operators, those that bind least first; their words are the standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Or,
    And,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Op {
    /// How tightly it binds.
    const fn rank(self) -> u8 {
        match self {
            Self::Or => 0,
            Self::And => 1,
            Self::Eq | Self::Ne | Self::Gt | Self::Ge | Self::Lt | Self::Le => 2,
            Self::Add | Self::Sub => 3,
            Self::Mul | Self::Div | Self::Mod => 4,
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "or" => Self::Or,
            "and" => Self::And,
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "add" => Self::Add,
            "sub" => Self::Sub,
            "mul" => Self::Mul,
            "div" => Self::Div,
            "mod" => Self::Mod,
            _ => return None,
        })
    }
}

impl Expr {
    /// Every path in it.
    pub fn paths<'a>(&'a self, each: &mut impl FnMut(&'a Path)) {
        match self {
            Self::Literal(_) => {}
            Self::Path(path) => each(path),
            Self::Call(_, of) => of.iter().for_each(|expr| expr.paths(each)),
            Self::Binary(_, left, right) => {
                left.paths(each);
                right.paths(each);
            }
            Self::Not(inner) => inner.paths(each),
        }
    }
}

/// What an expression says for certain of all that it lets through: enough to look there only.
#[derive(Debug, Clone, PartialEq)]
pub struct Narrow {
    /// Their id.
    pub id: Option<Id>,
    /// Their name.
    pub name: Option<String>,
    /// The first millisecond of their time.
    pub from: i64,
    /// The first millisecond that is not theirs any more.
    pub to: i64,
    /// A neighbour of theirs.
    pub of: Option<(&'static Relation, Id)>,
}

impl Default for Narrow {
    fn default() -> Self {
        Self { id: None, name: None, from: i64::MIN, to: i64::MAX, of: None }
    }
}

/// See [`Narrow`].
pub fn narrow(filter: Option<&Expr>) -> Narrow {
    let mut narrow = Narrow::default();
    if let Some(filter) = filter {
        narrow.add(filter);
    }
    narrow
}

impl Narrow {
    fn add(&mut self, expr: &Expr) {
        let Expr::Binary(op, left, right) = expr else { return };
        let (path, op, literal) = match (&**left, &**right) {
            _ if *op == Op::And => {
                self.add(left);
                self.add(right);
                return;
            }
            (Expr::Path(path), Expr::Literal(literal)) => (path, *op, literal),
            (Expr::Literal(literal), Expr::Path(path)) => (path, turned(*op), literal),
            _ => return,
        };
        let [name] = path.names.as_slice() else { return };
        match (path.ways.as_slice(), name.as_str(), op, literal) {
            ([], "id", Op::Eq, literal) => self.id = literal.as_id(),
            ([], "name", Op::Eq, Value::Text(text)) => self.name = Some(text.clone()),
            ([way], "id", Op::Eq, literal) if !way.many => {
                self.of = literal.as_id().map(|id| (*way, id));
            }
            // A span is known by its beginning, of which all of this holds too.
            ([], "phenomenonTime" | "time", op, &Value::Time(at)) => match op {
                Op::Eq => self.within(at, at.saturating_add(1)),
                Op::Ge => self.within(at, i64::MAX),
                Op::Gt => self.within(at.saturating_add(1), i64::MAX),
                Op::Lt => self.within(i64::MIN, at),
                Op::Le => self.within(i64::MIN, at.saturating_add(1)),
                _ => {}
            },
            _ => {}
        }
    }

    fn within(&mut self, from: i64, to: i64) {
        self.from = self.from.max(from);
        self.to = self.to.min(to);
    }
}

fn turned(op: Op) -> Op {
    match op {
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        other => other,
    }
}

/// Reads an expression about entities of a kind.
pub(super) fn parse(kind: Kind, text: &str) -> Result<Expr, Fault> {
    let mut parser = Parser { kind, text, at: 0, depth: 0, nodes: 0 };
    if text.len() > TEXT_LEN_MAX {
        return Err(parser.fault("the expression is too long", "表达式过长"));
    }
    let expr = parser.binary(0)?;
    parser.spaces();
    if parser.at < text.len() {
        return Err(parser.fault("the expression should end here", "表达式应在此结束"));
    }
    Ok(expr)
}

struct Parser<'a> {
    kind: Kind,
    text: &'a str,
    at: usize,
    depth: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, en: &str, zh: &str) -> Fault {
        let here = quote(self.rest().as_bytes());
        let (zh, en) = (format!("表达式：{zh}：`{here}`"), format!("expression: {en}: `{here}`"));
        Fault::new(0, place(self.at + 1), &STA_QUERY, zh, en)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The word that begins here, of letters that occur in names.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_@.-:/".contains(c)));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn node(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX || self.depth > DEPTH_MAX * 2 {
            return Err(self.fault("too long or nested too deep", "过长或嵌套过深"));
        }
        Ok(())
    }

    /// Operators of this rank and above, those of one rank from left to right.
    fn binary(&mut self, rank: u8) -> Result<Expr, Fault> {
        self.depth += 1;
        self.node()?;
        let mut left = self.unary()?;
        loop {
            self.spaces();
            let word = self.word();
            let Some(op) = Op::from_word(word).filter(|op| op.rank() >= rank) else { break };
            self.at += word.len();
            let right = self.binary(op.rank() + 1)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        self.spaces();
        if self.word() == "not" {
            self.at += 3;
            // It is said of a whole comparison.
            return Ok(Expr::Not(Box::new(self.binary(Op::Eq.rank())?)));
        }
        let rest = self.rest();
        if rest.starts_with('(') {
            self.at += 1;
            let inner = self.binary(0)?;
            self.close()?;
            return Ok(inner);
        }
        if rest.starts_with('\'') {
            return self.quoted().map(|text| Expr::Literal(Value::Text(text)));
        }
        let number = rest.strip_prefix('-').unwrap_or(rest);
        if number.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number_or_time();
        }
        self.name()
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.spaces();
        if !self.rest().starts_with(')') {
            return Err(self.fault("a bracket is not closed", "括号未闭合"));
        }
        self.at += 1;
        Ok(())
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        let inner = &self.rest()[1..];
        let mut letters = inner.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter != '\'' {
                text.push(letter);
            } else if letters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                self.at += at + 2;
                return Ok(text);
            }
        }
        Err(self.fault("a quote is not closed", "引号未闭合"))
    }

    fn number_or_time(&mut self) -> Result<Expr, Fault> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.:/".contains(c)));
        let mut end = end.unwrap_or(rest.len());
        // The `+` of a zone that a client did not escape has become a space.
        let zone = rest.get(end..end + 6).filter(|zone| {
            zone.starts_with(' ')
                && zone.as_bytes().get(3) == Some(&b':')
                && rest[..end].contains('T')
        });
        let text = match zone {
            Some(zone) => {
                let text = format!("{}+{}", &rest[..end], &zone[1..]);
                end += 6;
                text
            }
            None => rest[..end].to_owned(),
        };
        let value = Value::number(&text).or_else(|| Value::time(&text));
        let value = value.ok_or_else(|| self.fault("no number and no time", "不是数也不是时间"))?;
        self.at += end;
        Ok(Expr::Literal(value))
    }

    /// A word: a constant, a marked literal, a function or a path.
    fn name(&mut self) -> Result<Expr, Fault> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.fault("a value is missing", "缺少值"));
        }
        let start = self.at;
        self.at += word.len();
        let rest = self.rest();
        match word {
            "true" | "false" => return Ok(Expr::Literal(Value::Bool(word == "true"))),
            "null" => return Ok(Expr::Literal(Value::Null)),
            "geography" | "geometry" | "duration" if rest.starts_with('\'') => {
                let text = self.quoted()?;
                let value = if word == "duration" {
                    Value::duration(&text)
                } else {
                    super::shape::wkt(&text).map(Value::Shape)
                };
                self.at = if value.is_some() { self.at } else { start };
                let value = value.ok_or_else(|| self.fault("not well formed", "格式错误"))?;
                return Ok(Expr::Literal(value));
            }
            _ => {}
        }
        if !rest.starts_with('(') {
            self.at = start;
            let path = self.path(word)?;
            self.at = start + word.len();
            return Ok(Expr::Path(path));
        }
        let Some(function) = Function::from_word(word) else {
            self.at = start;
            return Err(self.fault("there is no such function", "没有这个函数"));
        };
        self.at += 1;
        let mut arguments = Vec::new();
        self.spaces();
        while !self.rest().starts_with(')') {
            if !arguments.is_empty() {
                if !self.rest().starts_with(',') {
                    return Err(self.fault("a comma or a bracket is missing", "缺少逗号或括号"));
                }
                self.at += 1;
            }
            arguments.push(self.binary(0)?);
            self.spaces();
        }
        self.at += 1;
        if !function.takes(arguments.len()) {
            self.at = start;
            return Err(self.fault("so many arguments it does not take", "参数个数不对"));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn path(&self, word: &str) -> Result<Path, Fault> {
        let fault = || self.fault("no such field", "没有这个字段");
        let (mut kind, mut ways) = (self.kind, Vec::new());
        let mut names = word.split('/').peekable();
        while let Some(way) = names.peek().and_then(|name| kind.relation(name)) {
            ways.push(way);
            kind = way.to;
            names.next();
        }
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        let first = names.first_mut().ok_or_else(fault)?;
        if first == "@iot.id" || first == "id" {
            "id".clone_into(first);
            let whole = names.len() == 1;
            return whole.then_some(Path { ways, names, time: false }).ok_or_else(fault);
        }
        let field = kind.field(first).ok_or_else(fault)?;
        let fits = names.len() == 1 || matches!(field.holds, Holds::Object | Holds::Any);
        let time = field.holds == Holds::Time;
        (fits && ways.len() + names.len() <= DEPTH_MAX)
            .then_some(Path { ways, names, time })
            .ok_or_else(fault)
    }
}
