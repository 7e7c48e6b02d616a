//! What may be asked: one statement that reads, and nothing else. An allow-list on the parsed text, so
//! that a statement which a later library learns is refused until somebody allows it.

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SetExpr, Statement as Sql, TableFactor, Visit as _, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use std::ops::ControlFlow;

use super::error::SqlError;

/// Longest text of a query. People write a few hundred bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Deepest nesting that the parser follows.
const DEPTH_MAX: usize = 64;
/// Deepest term: `1 + 1 + 1` is three deep.
const EXPRESSION_DEPTH_MAX: usize = 100;
/// Most terms; a list of two thousand devices is fine.
const EXPRESSIONS_MAX: usize = 4_000;
/// Most `SELECT` in one statement.
const SELECTS_MAX: usize = 50;

/// Parses a text and lets it through when it only reads.
pub(super) fn parse(text: &str) -> Result<Statement, SqlError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(refuse(format!("the text has more than {TEXT_BYTES_MAX} bytes")));
    }
    let mut statements = DFParserBuilder::new(text)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .build()?
        .parse_statements()?;
    let Some(statement) = statements.pop_front() else {
        return Err(SqlError::Syntax { text: "there is nothing to run".to_owned(), at: None });
    };
    if !statements.is_empty() {
        return Err(refuse("one statement at a time".to_owned()));
    }
    check(&statement)?;
    Ok(statement)
}

/// Whether the answer of a statement is rows of data (and not a plan or a list of tables).
pub(super) fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(sql) if matches!(**sql, Sql::Query(_)))
}

fn check(statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::Statement(sql) => check_sql(sql),
        Statement::Explain(explain) => match &*explain.statement {
            Statement::Statement(sql) if matches!(**sql, Sql::Query(_)) => check_sql(sql),
            other => Err(only_reading(&other.to_string())),
        },
        other => Err(only_reading(&other.to_string())),
    }
}

fn check_sql(sql: &Sql) -> Result<(), SqlError> {
    match sql {
        Sql::Query(query) => match query.visit(&mut OnlyReads::default()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(what) => Err(refuse(what)),
        },
        Sql::ExplainTable { .. } | Sql::ShowTables { .. } | Sql::ShowColumns { .. } => Ok(()),
        other => Err(only_reading(&other.to_string())),
    }
}

/// Looks into every query and every table of a statement. It also counts: planning works through a deep
/// or wide statement in one step that nothing can stop.
#[derive(Default)]
struct OnlyReads {
    depth: usize,
    expressions: usize,
    selects: usize,
}

impl Visitor for OnlyReads {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return ControlFlow::Break("FOR is not allowed".to_owned());
        }
        body(&query.body)
    }

    fn pre_visit_select(&mut self, _select: &Select) -> ControlFlow<String> {
        self.selects += 1;
        if self.selects > SELECTS_MAX {
            return ControlFlow::Break(format!("more than {SELECTS_MAX} SELECT are not allowed"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _expression: &Expr) -> ControlFlow<String> {
        self.depth += 1;
        self.expressions += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let what = format!("terms more than {EXPRESSION_DEPTH_MAX} deep are not allowed");
            return ControlFlow::Break(what);
        }
        if self.expressions > EXPRESSIONS_MAX {
            return ControlFlow::Break(format!(
                "more than {EXPRESSIONS_MAX} terms are not allowed"
            ));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expression: &Expr) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::Table { args: Some(_), name, .. } | TableFactor::Function { name, .. } => {
                function_allowed(&name.to_string())
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            other => ControlFlow::Break(format!("`{other}` is not allowed in FROM")),
        }
    }
}

/// `SELECT`, `VALUES`, and both combined; not the `INSERT` and its like that may stand in their place.
fn body(set: &SetExpr) -> ControlFlow<String> {
    match set {
        SetExpr::Select(select) if select.into.is_some() => {
            ControlFlow::Break("SELECT INTO is not allowed".to_owned())
        }
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Query(_) => ControlFlow::Continue(()),
        SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)
        }
        other => ControlFlow::Break(format!("`{}` is not allowed", opening(&other.to_string()))),
    }
}

/// The one function that may stand as a table makes a series of numbers or times.
fn function_allowed(name: &str) -> ControlFlow<String> {
    if name.eq_ignore_ascii_case("generate_series") {
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(format!("the function `{name}` is not allowed in FROM"))
}

fn only_reading(statement: &str) -> SqlError {
    refuse(format!(
        "`{}` is not allowed: SELECT, WITH, EXPLAIN, SHOW TABLES, SHOW COLUMNS and DESCRIBE are",
        opening(statement)
    ))
}

/// The first words of a statement.
fn opening(statement: &str) -> String {
    statement.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn refuse(text: String) -> SqlError {
    SqlError::NotAllowed { text }
}

#[cfg(test)]
mod tests {
    use super::{SqlError, parse};

    #[test]
    fn what_reads_is_let_through() {
        for text in [
            "SELECT 1",
            "select device, avg(value) from readings group by device;",
            "WITH t AS (SELECT 1 AS n) SELECT n FROM t UNION ALL SELECT 2",
            "EXPLAIN SELECT * FROM readings",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "DESCRIBE readings",
            "SHOW COLUMNS FROM readings",
            "SELECT * FROM generate_series(1, 3)",
            "VALUES (1), (2)",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "INSERT INTO readings VALUES (1)",
            "UPDATE readings SET value = 0",
            "DELETE FROM readings",
            "DROP TABLE readings",
            "CREATE TABLE t (a INT)",
            "CREATE VIEW v AS SELECT 1",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "COPY readings TO 'x.csv'",
            "COPY (SELECT 1) TO 'x.csv' STORED AS CSV",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "SHOW ALL",
            "SHOW datafusion.execution.time_zone",
            "SHOW FUNCTIONS",
            "BEGIN",
            "COMMIT",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "EXPLAIN INSERT INTO readings VALUES (1)",
            "EXPLAIN COPY readings TO 'x.csv'",
            "EXPLAIN CREATE TABLE t AS SELECT 1",
            "WITH t AS (INSERT INTO readings VALUES (1)) SELECT 1",
            "WITH t AS (DELETE FROM readings RETURNING device) SELECT * FROM t",
            "SELECT * INTO other FROM readings",
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE readings",
            "SELECT * FROM readings FOR UPDATE",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM parquet_metadata('x')",
            "SELECT (SELECT 1 FROM read_parquet('x'))",
            "SELECT * FROM areas a JOIN LATERAL read_parquet('x') b ON true",
            "TRUNCATE readings",
            "GRANT SELECT ON readings TO x",
        ] {
            match parse(text) {
                Err(SqlError::NotAllowed { .. } | SqlError::Syntax { .. }) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn too_long_and_too_deep_are_refused() {
        let long = format!("SELECT '{}'", "x".repeat(super::TEXT_BYTES_MAX));
        assert!(parse(&long).is_err());
        let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
        assert!(parse(&deep).is_err());
        assert_eq!(
            parse("  "),
            Err(SqlError::Syntax { text: "there is nothing to run".to_owned(), at: None })
        );
    }
}
