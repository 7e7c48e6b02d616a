//! What is asked of a set or an entity: `$filter`, `$expand` with options of its own, `$select`,
//! `$orderby`, `$top`, `$skip`, `$count`, `$resultFormat`.

use chengmai_model::error::STA_QUERY;

use super::filter::{self, Expr};
use super::{ADDRESS_LEN_MAX, DEPTH_MAX, Kind, Relation};
use crate::error::{Fault, quote};

/// Entities of a page when none asks for fewer or more.
pub const PAGE_ROWS: usize = 100;
/// Most entities of a page.
pub const PAGE_ROWS_MAX: usize = 10_000;
/// Ways of one expansion, and keys of one order.
const LIST_MAX: usize = 20;

/// Neighbours that are wanted too.
#[derive(Debug, Clone, PartialEq)]
pub struct Expand {
    /// Over which way.
    pub relation: &'static Relation,
    /// Which of them, and how.
    pub options: Options,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// By what.
    pub by: Expr,
    /// The greatest first.
    pub descending: bool,
}

/// Everything that may be asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Only those for which this holds.
    pub filter: Option<Expr>,
    /// With these neighbours.
    pub expand: Vec<Expand>,
    /// Only these fields.
    pub select: Option<Vec<String>>,
    /// In this order.
    pub order: Vec<Order>,
    /// At most so many.
    pub top: Option<usize>,
    /// Without the first so many.
    pub skip: usize,
    /// How many there are in all.
    pub count: bool,
    /// As rows of a table.
    pub data_array: bool,
    /// Behind this mark of the server's own.
    pub token: Option<String>,
    /// The options as they were written, to be written again in the address of the next page.
    pub written: Vec<(String, String)>,
}

impl Options {
    /// How many entities a page of this has at most.
    pub fn rows(&self) -> usize {
        self.top.unwrap_or(PAGE_ROWS).min(PAGE_ROWS_MAX)
    }

    /// The expansion of that way; it is made where it is missing.
    pub fn expanded(&mut self, relation: &'static Relation) -> &mut Self {
        let known = self.expand.iter().position(|expand| expand.relation == relation);
        let at = known.unwrap_or_else(|| {
            self.expand.push(Expand { relation, options: Self::default() });
            self.expand.len() - 1
        });
        &mut self.expand[at].options
    }
}

/// Reads the query of an address.
///
/// # Errors
/// [`STA_QUERY`] with the option that is not understood.
pub fn options(kind: Kind, query: &str) -> Result<Options, Fault> {
    if query.len() > ADDRESS_LEN_MAX {
        return Err(bad("", "the query is too long", "查询过长"));
    }
    let pairs = form_urlencoded::parse(query.as_bytes());
    let pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    from_pairs(kind, pairs, 0)
}

fn from_pairs(kind: Kind, pairs: Vec<(String, String)>, depth: usize) -> Result<Options, Fault> {
    if depth > DEPTH_MAX {
        return Err(bad("$expand", "nested too deep", "嵌套过深"));
    }
    let mut options = Options::default();
    for (name, value) in &pairs {
        let number = || {
            value.trim().parse::<usize>().map_err(|_not_a_number| {
                bad(name, "is not a whole number from 0 on", "不是非负整数")
            })
        };
        match name.as_str() {
            "$filter" => options.filter = Some(filter::parse(kind, value)?),
            "$orderby" => options.order = order(kind, value)?,
            "$select" => options.select = Some(select(kind, value)?),
            "$expand" => {
                for item in split(value, ',') {
                    expand(kind, item.trim(), &mut options, depth)?;
                }
            }
            "$top" => options.top = Some(number()?),
            "$skip" => options.skip = number()?,
            "$count" => {
                options.count = match value.trim() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(bad(name, "is true or false", "应为 true 或 false")),
                };
            }
            "$resultFormat" => match value.trim() {
                "dataArray" if kind == Kind::Observation => options.data_array = true,
                "default" => {}
                _ => {
                    return Err(bad(
                        name,
                        "is dataArray, of Observations",
                        "只支持观测的 dataArray",
                    ));
                }
            },
            "$skiptoken" => options.token = Some(value.clone()),
            _ if name.starts_with('$') => {
                return Err(bad(
                    name,
                    "is no option of SensorThings 1.1",
                    "不是 SensorThings 1.1 的选项",
                ));
            }
            // What is no option of the standard may be anybody's.
            _ => {}
        }
    }
    options.written = pairs;
    Ok(options)
}

/// `Datastreams($top=1;$expand=Thing)` or `Datastreams/Thing`.
fn expand(kind: Kind, text: &str, into: &mut Options, depth: usize) -> Result<(), Fault> {
    let fault =
        || bad("$expand", &format!("`{}` leads nowhere", quote(text.as_bytes())), "无此关系");
    let (ways, inner) = match text.split_once('(') {
        Some((ways, rest)) => (ways, Some(rest.strip_suffix(')').ok_or_else(fault)?)),
        None => (text, None),
    };
    let names: Vec<&str> = ways.split('/').map(str::trim).collect();
    if names.len() + depth > DEPTH_MAX {
        return Err(bad("$expand", "nested too deep", "嵌套过深"));
    }
    let (mut at, mut options) = (kind, into);
    for name in names {
        let relation = at.relation(name).ok_or_else(fault)?;
        if options.expand.len() >= LIST_MAX {
            return Err(bad("$expand", "too many ways", "展开项过多"));
        }
        options = options.expanded(relation);
        at = relation.to;
    }
    if let Some(inner) = inner {
        let pairs = split(inner, ';').into_iter().filter(|pair| !pair.trim().is_empty());
        let pairs: Vec<(String, String)> = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').ok_or_else(fault)?;
                Ok((name.trim().to_owned(), value.to_owned()))
            })
            .collect::<Result<_, Fault>>()?;
        let already = std::mem::take(&mut options.expand);
        *options = from_pairs(at, pairs, depth + 1)?;
        for expand in already {
            let known = options.expand.iter().any(|other| other.relation == expand.relation);
            if !known {
                options.expand.push(expand);
            }
        }
    }
    Ok(())
}

fn select(kind: Kind, text: &str) -> Result<Vec<String>, Fault> {
    text.split(',')
        .map(str::trim)
        .map(|name| {
            let first = name.split('/').next().unwrap_or_default();
            let known = kind.field(first).is_some()
                || kind.relation(name).is_some()
                || matches!(name, "id" | "@iot.id" | "@iot.selfLink" | "*");
            known.then(|| name.to_owned()).ok_or_else(|| {
                bad("$select", &format!("`{}` is no field", quote(name.as_bytes())), "无此字段")
            })
        })
        .collect()
}

fn order(kind: Kind, text: &str) -> Result<Vec<Order>, Fault> {
    let items = split(text, ',');
    if items.len() > LIST_MAX {
        return Err(bad("$orderby", "too many keys", "排序项过多"));
    }
    items
        .into_iter()
        .map(|item| {
            let item = item.trim();
            let lower = item.to_ascii_lowercase();
            let (by, descending) = if lower.ends_with(" desc") {
                (&item[..item.len() - 5], true)
            } else if lower.ends_with(" asc") {
                (&item[..item.len() - 4], false)
            } else {
                (item, false)
            };
            Ok(Order { by: filter::parse(kind, by)?, descending })
        })
        .collect()
}

/// Splits at a letter that stands in no quotes and no brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut depth, mut quoted) = (0_usize, false);
    text.split(move |letter| {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == at && depth == 0 && !quoted
    })
    .collect()
}

pub(super) fn bad(option: &str, en: &str, zh: &str) -> Fault {
    Fault::new(0, 1, &STA_QUERY, format!("{option}：{zh}"), format!("{option} {en}"))
}
