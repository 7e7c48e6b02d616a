//! What is different on PostgreSQL: how it is connected, what it must promise before it is trusted, and
//! how the schema, whose one text is SQLite's, is said to it.
//!
//! What it is not: the statements of the records. Those are the same text on both databases.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::place::Server;
use super::sql::{Columns, Sql};
use super::{BUSY_TIMEOUT_MS, RecordsError, Result};

/// Holds the schema against a second process that starts at the same moment. Any number, but always this.
const SCHEMA_LOCK: &str = "SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(4207849484)";

/// A reader collects no more rows than about this many of a word that very many cases hold. Lists are counted to
/// a third of it ([`super::page::TOTAL_MAX`]), and an index of words is only listed from where fewer were found.
const FOUND_MAX: u64 = 3 * super::page::TOTAL_MAX;

/// Lifts that to the end of a transaction.
pub(super) const COLLECT_ALL: &str = "SET LOCAL gin_fuzzy_search_limit = 0";

/// Has an index followed in its order to the end of a transaction, rather than rows sorted.
pub(super) const IN_ORDER: &str = "SET LOCAL enable_sort = off";

/// A setting, whether a value of it will do, and what to set.
type Needed = (&'static str, fn(&str) -> bool, &'static str);

/// What a server must have so that what was acknowledged is on its disk and reads back as it was
/// written.
const NEEDED: [Needed; 3] = [
    ("fsync", |value| value == "on", "on"),
    // `local` and all above wait for the server's own disk.
    ("synchronous_commit", |value| value != "off", "on"),
    ("server_encoding", |value| value == "UTF8", "UTF8 (when the database is made)"),
];

/// Connections to the server, and whether it can be trusted.
pub(super) async fn connect(
    server: &Server,
    most: u32,
    read_only: bool,
) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(&server.url);
    options.max_connections(most).min_connections(1).sqlx_logging(false);
    options.acquire_timeout(Duration::from_secs(30));
    let password = server.password.clone();
    options.map_sqlx_postgres_opts(move |options| {
        let options = match &password {
            Some(password) => options.password(password),
            None => options,
        };
        options.application_name("chengmai").options([
            ("default_transaction_read_only", if read_only { "on" } else { "off" }.to_owned()),
            ("lock_timeout", BUSY_TIMEOUT_MS.to_string()),
            ("gin_fuzzy_search_limit", if read_only { FOUND_MAX } else { 0 }.to_string()),
            // How to go about a list depends on how many cases its area has.
            ("plan_cache_mode", "force_custom_plan".to_owned()),
            // Every list has its index; PostgreSQL takes reading a table of words through for cheaper than it is.
            ("enable_seqscan", if read_only { "off" } else { "on" }.to_owned()),
            ("jit", "off".to_owned()),
        ])
    });
    Ok(Database::connect(options).await?)
}

/// Refuses a server that may lose what it acknowledged.
pub(super) async fn check(db: &DatabaseConnection) -> Result<()> {
    for (name, will_do, needed) in NEEDED {
        let mut sql = Sql::new("SELECT current_setting(");
        let row = sql.value(name).add(") AS value").one(db).await?;
        let found: String = row.map_or(Ok(String::new()), |row| row.get("value"))?;
        if !will_do(&found) {
            return Err(RecordsError::Unfit { name, found, needed });
        }
    }
    Ok(())
}

/// Waits until no other process changes the schema; held to the end of the transaction.
pub(super) async fn lock_schema<C: ConnectionTrait>(db: &C) -> Result<()> {
    db.execute_unprepared(SCHEMA_LOCK).await?;
    Ok(())
}

/// A migration in PostgreSQL's words. Texts compare by their bytes there too, because areas are ranges
/// of paths; a trigger's condition and refusal become a function.
pub(super) fn schema(text: &str) -> String {
    const TRIGGER: &str = "CREATE TRIGGER ";
    let mut parts = text.split(TRIGGER);
    let mut said = tables(parts.next().unwrap_or_default());
    for part in parts {
        let (head, rest) = part.split_once("END;").expect("a trigger ends with END;");
        said.push_str(&trigger(head));
        said.push_str(&tables(rest));
    }
    said
}

/// Tests that a row of the index of words has all these runs, or begins with them.
pub(super) fn matching<'a>(sql: &mut Sql, runs: impl Iterator<Item = (&'a String, bool)>) {
    let runs = runs.map(|(run, begins)| format!("'{run}'{}", if begins { ":*" } else { "" }));
    sql.add(RUNS).add(" @@ CAST(").value(runs.collect::<Vec<_>>().join(" & ")).add(" AS tsquery)");
}

/// Stands before a line of a migration that SQLite takes for a comment.
const ONLY_HERE: &str = "--postgres ";

/// The runs of a row as its index has them: cut at spaces, with no language's ideas of words.
const RUNS: &str = "array_to_tsvector(string_to_array(grams, ' '))";

/// An index of words: a table, and an index of what it holds.
fn virtual_tables(text: &str) -> String {
    const VIRTUAL: &str = "CREATE VIRTUAL TABLE ";
    let Some((before, rest)) = text.split_once(VIRTUAL) else { return text.to_owned() };
    let (table, rest) = rest.split_once(");").expect("a virtual table ends with );");
    let (name, _) = table.split_once(' ').expect("a virtual table has a name");
    format!(
        "{before}CREATE TABLE {name} (case_id TEXT NOT NULL, grams TEXT NOT NULL);\n\
         CREATE INDEX {name}_runs ON {name} USING gin ({RUNS});{}",
        virtual_tables(rest)
    )
}

fn tables(text: &str) -> String {
    virtual_tables(text)
        .replace(ONLY_HERE, "")
        .replace(
            "INTEGER PRIMARY KEY AUTOINCREMENT",
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        )
        .replace(" INTEGER", " BIGINT")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
        .replace(" REAL", " DOUBLE PRECISION")
        .replace(" BLOB", " BYTEA")
        .replace(" WITHOUT ROWID", "")
        .replace("ifnull(", "coalesce(")
}

/// A trigger `name BEFORE event ON table [WHEN condition] BEGIN SELECT RAISE(ABORT, 'words'); `.
fn trigger(text: &str) -> String {
    let (head, body) = text.split_once("BEGIN ").expect("a trigger has a body");
    let (target, condition) = head.split_once("WHEN ").unwrap_or((head, "true"));
    let condition = condition.replace("ifnull(", "coalesce(");
    let words = body.split('\'').nth(1).expect("our triggers only refuse, in words");
    let (name, event) = target.trim().split_once(' ').expect("a trigger has a name");
    let row = if event.contains("DELETE") { "OLD" } else { "NEW" };
    // Emptying a table asks no trigger on rows.
    let guard = event.strip_prefix("BEFORE DELETE ON ").map(|table| {
        format!(
            "\nCREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION {name}();"
        )
    });
    let guard = guard.unwrap_or_default();
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n    \
         IF {condition} THEN RAISE EXCEPTION '{words}'; END IF; RETURN {row}; END $$;\n\
         CREATE TRIGGER {name} {event} FOR EACH ROW EXECUTE FUNCTION {name}();{guard}"
    )
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn tables_are_said_with_wide_numbers_and_texts_by_their_bytes() {
        let said =
            schema("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL);");
        assert_eq!(
            said,
            "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, \
             a TEXT COLLATE \"C\" NOT NULL);"
        );
    }

    #[test]
    fn a_trigger_becomes_a_function_that_refuses_and_also_guards_against_emptying() {
        let said = schema(
            "CREATE TRIGGER a_no_delete BEFORE DELETE ON a WHEN OLD.x > 1\n    \
             BEGIN SELECT RAISE(ABORT, 'never'); END;\nCREATE INDEX b ON a (x);",
        );
        assert!(said.contains("IF OLD.x > 1\n     THEN RAISE EXCEPTION 'never'"), "{said}");
        assert!(said.contains("a_no_delete_all BEFORE TRUNCATE ON a FOR EACH STATEMENT"), "{said}");
        assert!(said.ends_with("\nCREATE INDEX b ON a (x);"), "{said}");
    }
}
