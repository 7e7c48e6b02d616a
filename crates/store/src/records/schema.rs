//! The schema as ordered migrations. A migration that was released is never edited: a change is a new
//! one at the end. They are written for SQLite; `postgres::schema` says them to PostgreSQL, so tables
//! use `INTEGER`, `TEXT`, `BLOB` and `INTEGER PRIMARY KEY AUTOINCREMENT`, a trigger only refuses, in words, and a
//! virtual table is an index of words.

use std::cmp::Ordering;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

use super::sql::Sql;
use super::{RecordsError, Result, begin, postgres};

/// What is done to reach version 1, 2, ...
const MIGRATIONS: &[&str] = &[
    FIRST,
    SCREENED_WARNINGS,
    LOOK_BACK,
    CORRECTIONS,
    MILLIONS_OF_CASES,
    WHOLE_LIFE,
    CITIZENS,
    FACTS_OF_CASES,
    WORDS_OF_CASES,
    NOTIFICATIONS,
    GRID_WORKERS,
    PROOF,
    LOCKS,
    SENSOR_THINGS,
    IDENTITIES,
    DRAFTS,
    ALERTS,
    WORDS_ONCE,
    TRANSIT,
    NGSI_LD,
    MORE_LEAVES,
];

/// Brings the schema up to the newest version, in one transaction: a second process that starts at the
/// same moment waits, and finds it done.
pub(super) async fn migrate(db: &DatabaseConnection) -> Result<()> {
    let on_postgres = db.get_database_backend() == DbBackend::Postgres;
    let tx = begin(db).await?;
    if on_postgres {
        postgres::lock_schema(&tx).await?;
    }
    tx.execute_unprepared("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)")
        .await?;
    let row = Sql::new("SELECT max(version) AS version FROM schema_version").one(&tx).await?;
    let found: Option<i64> = row.map_or(Ok(None), |r| r.try_get("", "version"))?;
    let (found, known) = (found.unwrap_or(0), i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX));
    if found > known {
        return Err(RecordsError::TooNew { found, known });
    }
    for (version, batch) in (1_i64..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        if on_postgres {
            tx.execute_unprepared(&postgres::schema(batch)).await?;
        } else {
            tx.execute_unprepared(batch).await?;
        }
        let mut done = Sql::new("INSERT INTO schema_version (version) VALUES (");
        done.value(version).add(")").run(&tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Whether a database has the schema that this program reads.
pub(super) async fn check(db: &DatabaseConnection) -> Result<()> {
    let found = Sql::new("SELECT max(version) FROM schema_version").count(db).await?;
    let (found, known) = (
        i64::try_from(found).unwrap_or(i64::MAX),
        i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX),
    );
    match found.cmp(&known) {
        Ordering::Greater => Err(RecordsError::TooNew { found, known }),
        Ordering::Less => Err(RecordsError::Unreadable(format!(
            "the records have schema version {found}, this program reads {known}: start the city once"
        ))),
        Ordering::Equal => Ok(()),
    }
}

const FIRST: &str = r#"
CREATE TABLE agency (
    id TEXT PRIMARY KEY, name_zh TEXT NOT NULL, name_en TEXT NOT NULL, kind TEXT NOT NULL,
    area_path TEXT NOT NULL, person TEXT);
CREATE INDEX agency_area ON agency (area_path);

CREATE TABLE "user" (
    name TEXT PRIMARY KEY, display_name TEXT NOT NULL, password_hash TEXT NOT NULL,
    roles TEXT NOT NULL, area_path TEXT NOT NULL, agency TEXT,
    failed_count INTEGER NOT NULL DEFAULT 0, locked_until INTEGER, created_at INTEGER NOT NULL);

CREATE TABLE token (
    hash TEXT PRIMARY KEY, user_name TEXT NOT NULL REFERENCES "user" (name) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'api')),
    created_at INTEGER NOT NULL, expires_at INTEGER);

CREATE TABLE warning (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, severity INTEGER NOT NULL, peak_severity INTEGER NOT NULL,
    area_path TEXT NOT NULL, state TEXT NOT NULL, raised_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL, answer_due INTEGER, escalated_to TEXT, answered_by TEXT,
    answered_at INTEGER, note TEXT, case_id TEXT, cleared_at INTEGER, body TEXT NOT NULL);
CREATE INDEX warning_time ON warning (raised_at, id);
CREATE INDEX warning_area ON warning (area_path);
CREATE INDEX warning_open ON warning (answer_due) WHERE answered_at IS NULL AND cleared_at IS NULL;

CREATE TABLE "case" (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, type_id TEXT NOT NULL, type_zh TEXT NOT NULL,
    type_en TEXT NOT NULL, words TEXT NOT NULL, state TEXT NOT NULL, severity INTEGER NOT NULL,
    area_path TEXT NOT NULL, agency TEXT, holder_role TEXT NOT NULL, holder_area TEXT NOT NULL,
    filed_at INTEGER NOT NULL, due_at INTEGER, clock_started INTEGER, clock_due INTEGER,
    closed_at INTEGER, on_time INTEGER, returns INTEGER NOT NULL, reworks INTEGER NOT NULL,
    warning TEXT UNIQUE REFERENCES warning (id), external TEXT UNIQUE, body TEXT NOT NULL,
    CHECK ((closed_at IS NULL) = (clock_due IS NOT NULL)));
CREATE INDEX case_filed ON "case" (filed_at, id);
CREATE INDEX case_due ON "case" (ifnull(due_at, 9223372036854775807), id);
CREATE INDEX case_area ON "case" (area_path);
CREATE INDEX case_agency ON "case" (agency);

CREATE TABLE case_serial (
    code TEXT NOT NULL, day TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (code, day));

CREATE TABLE case_event (
    case_id TEXT NOT NULL REFERENCES "case" (id), seq INTEGER NOT NULL, at INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
-- Also refuses INSERT OR REPLACE, which deletes without asking the trigger on DELETE.
CREATE TRIGGER case_event_no_gap BEFORE INSERT ON case_event
    WHEN NEW.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM case_event WHERE case_id = NEW.case_id)
    BEGIN SELECT RAISE(ABORT, 'case_event is append-only and has no gaps'); END;
CREATE TRIGGER case_event_no_update BEFORE UPDATE ON case_event
    BEGIN SELECT RAISE(ABORT, 'case_event is append-only'); END;
CREATE TRIGGER case_event_no_delete BEFORE DELETE ON case_event
    BEGIN SELECT RAISE(ABORT, 'case_event is append-only'); END;
CREATE TRIGGER case_no_replace BEFORE INSERT ON "case"
    WHEN EXISTS (SELECT 1 FROM "case" WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'a case is never replaced'); END;
CREATE TRIGGER case_no_delete BEFORE DELETE ON "case"
    BEGIN SELECT RAISE(ABORT, 'a case is never deleted'); END;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    object TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;

CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"#;

/// Why a warning is not shown, when it was, and what became of the alarms.
const SCREENED_WARNINGS: &str = r"
ALTER TABLE warning ADD COLUMN held TEXT CHECK (held IN ('parent', 'shelf', 'group'));
ALTER TABLE warning ADD COLUMN held_by TEXT;
ALTER TABLE warning ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;
ALTER TABLE warning ADD COLUMN chattering INTEGER NOT NULL DEFAULT 0;
CREATE INDEX warning_held ON warning (held_by) WHERE held_by IS NOT NULL;

CREATE TABLE warning_shown (
    warning TEXT NOT NULL REFERENCES warning (id), at INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (warning, at)) WITHOUT ROWID;
CREATE INDEX warning_shown_time ON warning_shown (at);
INSERT INTO warning_shown (warning, at, until) SELECT id, raised_at, cleared_at FROM warning;

CREATE TABLE alarm_tally (
    start INTEGER NOT NULL, area_path TEXT NOT NULL, rule TEXT NOT NULL, alarms INTEGER NOT NULL,
    shown INTEGER NOT NULL, under_parent INTEGER NOT NULL, shelved INTEGER NOT NULL,
    collapsed INTEGER NOT NULL, PRIMARY KEY (start, area_path, rule)) WITHOUT ROWID;
";

/// Rules tried on the past and rules changed, reviews and what came of them.
const LOOK_BACK: &str = r"
CREATE TABLE backtest (
    id TEXT PRIMARY KEY, pack TEXT NOT NULL, rule TEXT NOT NULL, text TEXT NOT NULL,
    area_path TEXT NOT NULL, made_by TEXT NOT NULL, at INTEGER NOT NULL, from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL, floods INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX backtest_text ON backtest (pack, text);

CREATE TABLE rule_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, made_by TEXT NOT NULL,
    pack TEXT NOT NULL, rule TEXT NOT NULL, text TEXT NOT NULL,
    backtest TEXT NOT NULL REFERENCES backtest (id), reason TEXT, sequence INTEGER);
CREATE TRIGGER rule_change_no_update BEFORE UPDATE ON rule_change WHEN OLD.sequence IS NOT NULL
    OR NEW.text <> OLD.text OR NEW.pack <> OLD.pack OR NEW.rule <> OLD.rule OR NEW.id <> OLD.id
    BEGIN SELECT RAISE(ABORT, 'rule_change is append-only'); END;
CREATE TRIGGER rule_change_no_delete BEFORE DELETE ON rule_change
    BEGIN SELECT RAISE(ABORT, 'rule_change is append-only'); END;

CREATE TABLE finding (
    id INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, area_path TEXT NOT NULL,
    at INTEGER NOT NULL, made_by TEXT NOT NULL, cause TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX finding_incident ON finding (incident);
CREATE TRIGGER finding_no_update BEFORE UPDATE ON finding
    BEGIN SELECT RAISE(ABORT, 'finding is append-only'); END;
CREATE TRIGGER finding_no_delete BEFORE DELETE ON finding
    BEGIN SELECT RAISE(ABORT, 'finding is append-only'); END;

CREATE TABLE task (
    id INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, area_path TEXT NOT NULL,
    text TEXT NOT NULL, agency TEXT, person TEXT, at INTEGER NOT NULL, made_by TEXT NOT NULL,
    due_at INTEGER NOT NULL, done_at INTEGER, done_by TEXT, evidence TEXT,
    CHECK ((agency IS NULL) <> (person IS NULL)), CHECK ((done_at IS NULL) = (evidence IS NULL)));
CREATE INDEX task_incident ON task (incident);
CREATE INDEX task_open ON task (due_at) WHERE done_at IS NULL;
CREATE TRIGGER task_no_delete BEFORE DELETE ON task
    BEGIN SELECT RAISE(ABORT, 'a task is never deleted'); END;
";

/// A case's whole life: when its clock turns yellow, who reported it, what it was merged into.
const WHOLE_LIFE: &str = r#"
ALTER TABLE "case" ADD COLUMN clock_yellow INTEGER;
ALTER TABLE "case" ADD COLUMN reported_at INTEGER;
ALTER TABLE "case" ADD COLUMN parent TEXT;
ALTER TABLE "case" ADD COLUMN reporter TEXT;
ALTER TABLE "case" ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
UPDATE "case" SET clock_yellow = clock_started + ((clock_due - clock_started) * 8 + 9) / 10;
CREATE INDEX case_parent ON "case" (parent) WHERE parent IS NOT NULL;
CREATE INDEX case_reporter ON "case" (reporter) WHERE reporter IS NOT NULL;
"#;

/// Until when anything that an evaluation counts may lie in a case; absent while it is open, and of cases
/// written before.
const FACTS_OF_CASES: &str = r#"
ALTER TABLE "case" ADD COLUMN facts_until INTEGER;
CREATE INDEX case_facts ON "case" (coalesce(facts_until, 9223372036854775807), id, area_path);
"#;

/// The index of words. Cases that are there already are filled in after the start (`words`).
const WORDS_OF_CASES: &str = r#"
CREATE VIRTUAL TABLE case_gram USING fts5(grams, case_id UNINDEXED, content = '',
    contentless_unindexed = 1, detail = none, columnsize = 0, tokenize = 'ascii');
INSERT INTO setting (key, value) SELECT 'case_words_filled_to', '' FROM "case" LIMIT 1;
"#;

/// Readings that were replaced or withdrawn. The number is that of the journal frame.
const CORRECTIONS: &str = r"
CREATE TABLE correction (
    sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, made_by TEXT NOT NULL, device TEXT NOT NULL,
    kind TEXT NOT NULL, area_path TEXT NOT NULL, reading_at INTEGER NOT NULL,
    old_value REAL NOT NULL, new_value REAL, reason TEXT NOT NULL);
CREATE INDEX correction_device ON correction (device, reading_at);
CREATE INDEX correction_area ON correction (area_path);
CREATE TRIGGER correction_no_update BEFORE UPDATE ON correction
    BEGIN SELECT RAISE(ABORT, 'correction is append-only'); END;
CREATE TRIGGER correction_no_delete BEFORE DELETE ON correction
    BEGIN SELECT RAISE(ABORT, 'correction is append-only'); END;
";

/// Indexes for a store of millions, most of them closed: what is open has indexes of its own. Those that
/// are walked in order hold the area, so that other areas' cases are passed over unread.
const MILLIONS_OF_CASES: &str = r#"
DROP INDEX case_filed;
DROP INDEX case_due;
DROP INDEX case_area;
DROP INDEX case_agency;
CREATE INDEX case_filed ON "case" (filed_at, id, area_path);
CREATE INDEX case_due ON "case" (coalesce(due_at, 9223372036854775807), id, area_path);
CREATE INDEX case_area ON "case" (area_path, filed_at);
CREATE INDEX case_agency ON "case" (agency, filed_at, id);
CREATE INDEX case_closed ON "case" (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX case_open ON "case" (filed_at, id, area_path) WHERE closed_at IS NULL;
CREATE INDEX case_open_due ON "case" (coalesce(due_at, 9223372036854775807), id, area_path)
    WHERE closed_at IS NULL;
CREATE INDEX case_open_area ON "case" (area_path) WHERE closed_at IS NULL;
CREATE INDEX case_open_agency ON "case" (agency) WHERE closed_at IS NULL;
CREATE INDEX case_clock ON "case" (clock_due) WHERE closed_at IS NULL;
"#;

/// Who reported a case and how to reach them, apart from the case so that it can be erased; which photos
/// everybody may see.
const CITIZENS: &str = r#"
ALTER TABLE "case" ADD COLUMN changed_at INTEGER;
CREATE TABLE case_contact (
    reporter TEXT PRIMARY KEY, case_id TEXT NOT NULL REFERENCES "case" (id),
    token TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, app TEXT, language TEXT NOT NULL,
    person TEXT, phone TEXT, email TEXT, words TEXT, erased_at INTEGER);
CREATE INDEX case_contact_case ON case_contact (case_id);
CREATE TABLE public_photo (
    hash TEXT NOT NULL, case_id TEXT NOT NULL REFERENCES "case" (id), at INTEGER NOT NULL,
    made_by TEXT NOT NULL, PRIMARY KEY (hash, case_id));
CREATE INDEX case_public ON "case" (reported_at, id) WHERE reporter IS NOT NULL;
"#;

/// Who is told of what, what happened that they may want to be told, and the messages. A subscription or
/// a citizen's wish is asked for before each notice, so both have an index of those that count. A message
/// may be made while its subscription is removed: it refers to none, and is then given up.
const NOTIFICATIONS: &str = r#"
ALTER TABLE case_contact ADD COLUMN mails INTEGER NOT NULL DEFAULT 0;
CREATE INDEX case_contact_mails ON case_contact (case_id) WHERE mails = 1;
CREATE INDEX case_yellow ON "case" (clock_yellow) WHERE closed_at IS NULL;

CREATE TABLE subscription (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL,
    recipients TEXT NOT NULL, template TEXT, secret TEXT, matters TEXT NOT NULL,
    severity_min INTEGER NOT NULL, agency TEXT, area_path TEXT NOT NULL, language TEXT NOT NULL,
    active INTEGER NOT NULL, stopped TEXT, made_by TEXT NOT NULL, made_at INTEGER NOT NULL);
CREATE INDEX subscription_active ON subscription (id) WHERE active = 1;

CREATE TABLE notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, object TEXT NOT NULL,
    number INTEGER NOT NULL, at INTEGER NOT NULL);

CREATE TABLE delivery (
    id TEXT PRIMARY KEY, subscription TEXT, reporter TEXT REFERENCES case_contact (reporter),
    area_path TEXT NOT NULL, what TEXT NOT NULL, object TEXT NOT NULL, made_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')), attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL, tried_at INTEGER, fault TEXT, body TEXT NOT NULL,
    CHECK ((subscription IS NULL) <> (reporter IS NULL)));
CREATE INDEX delivery_due ON delivery (coalesce(subscription, ''), next_at, id)
    WHERE state = 'waiting';
CREATE INDEX delivery_time ON delivery (made_at, id);
CREATE INDEX delivery_subscription ON delivery (subscription) WHERE subscription IS NOT NULL;
CREATE INDEX delivery_reporter ON delivery (reporter) WHERE reporter IS NOT NULL;
"#;

/// What was done under which key of a request; walks of grid workers, which go with their account.
const GRID_WORKERS: &str = r#"
CREATE TABLE case_key (
    made_by TEXT NOT NULL, key TEXT NOT NULL, asked TEXT NOT NULL,
    case_id TEXT NOT NULL REFERENCES "case" (id), seq INTEGER NOT NULL,
    PRIMARY KEY (made_by, key)) WITHOUT ROWID;
CREATE TABLE patrol (
    made_by TEXT NOT NULL REFERENCES "user" (name) ON DELETE CASCADE, key TEXT NOT NULL,
    started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, metres INTEGER NOT NULL,
    points TEXT NOT NULL, PRIMARY KEY (made_by, key)) WITHOUT ROWID;
CREATE TABLE patrol_area (
    made_by TEXT NOT NULL, key TEXT NOT NULL, area_path TEXT NOT NULL, started_at INTEGER NOT NULL,
    metres INTEGER NOT NULL, PRIMARY KEY (made_by, key, area_path),
    FOREIGN KEY (made_by, key) REFERENCES patrol (made_by, key) ON DELETE CASCADE) WITHOUT ROWID;
CREATE INDEX patrol_area_time ON patrol_area (area_path, started_at);
"#;

/// A leaf of the proof log for each decision, in the order of commits; of what is known of a citizen only a
/// salted commitment is in it. Rows that are there already get their leaves at the next start (`proof::fill`).
const PROOF: &str = r"
CREATE TABLE proof_size (id INTEGER PRIMARY KEY, size INTEGER NOT NULL);
INSERT INTO proof_size (id, size) VALUES (1, 0);
CREATE TABLE proof_leaf (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL,
    salt BLOB NOT NULL, commitment BLOB NOT NULL);
CREATE INDEX proof_leaf_row ON proof_leaf (source, key);
CREATE INDEX audit_object ON audit (object);
CREATE TRIGGER proof_leaf_no_replace BEFORE INSERT ON proof_leaf
    WHEN EXISTS (SELECT 1 FROM proof_leaf WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'proof_leaf is append-only'); END;
CREATE TRIGGER proof_leaf_no_update BEFORE UPDATE ON proof_leaf
    BEGIN SELECT RAISE(ABORT, 'proof_leaf is append-only'); END;
CREATE TRIGGER proof_leaf_no_delete BEFORE DELETE ON proof_leaf
    BEGIN SELECT RAISE(ABORT, 'proof_leaf is append-only'); END;
ALTER TABLE case_contact ADD COLUMN salt TEXT;
ALTER TABLE case_contact ADD COLUMN commitment TEXT;
INSERT INTO setting (key, value) VALUES ('proof_unfilled', '1');
";

/// What a token may do, from where a session was last used; second factors; access in an emergency.
const LOCKS: &str = r#"
ALTER TABLE token ADD COLUMN label TEXT;
ALTER TABLE token ADD COLUMN permissions TEXT;
ALTER TABLE token ADD COLUMN area_path TEXT;
ALTER TABLE token ADD COLUMN device TEXT;
ALTER TABLE token ADD COLUMN seen_at INTEGER;
ALTER TABLE token ADD COLUMN seen_from TEXT;
ALTER TABLE token ADD COLUMN strong INTEGER NOT NULL DEFAULT 0;
CREATE TABLE second_factor (
    user_name TEXT PRIMARY KEY REFERENCES "user" (name) ON DELETE CASCADE, secret TEXT NOT NULL,
    confirmed_at INTEGER, recovery TEXT NOT NULL, last_step INTEGER NOT NULL DEFAULT 0);
CREATE TABLE break_glass (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_name TEXT NOT NULL, area_path TEXT NOT NULL,
    wanted_path TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL,
    ended_at INTEGER, reviewed_at INTEGER, reviewed_by TEXT, was_right INTEGER, remark TEXT);
CREATE INDEX break_glass_user ON break_glass (user_name, until);
CREATE INDEX case_contact_kept ON case_contact (at) WHERE erased_at IS NULL;
"#;
/// Entities of SensorThings, each link in both directions, and what was said of readings besides their
/// value. Links may lead to numbers of the registry, so they refer to no table.
const SENSOR_THINGS: &str = r"
CREATE TABLE sensor_entity (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, area_path TEXT NOT NULL, name TEXT,
    at INTEGER NOT NULL, made_by TEXT NOT NULL, made_at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX sensor_entity_order ON sensor_entity (kind, at, id);
CREATE INDEX sensor_entity_name ON sensor_entity (kind, name) WHERE name IS NOT NULL;
CREATE TABLE sensor_link (
    one_kind TEXT NOT NULL, one INTEGER NOT NULL, other_kind TEXT NOT NULL, at INTEGER NOT NULL,
    other INTEGER NOT NULL, PRIMARY KEY (one_kind, one, other_kind, at, other)) WITHOUT ROWID;
CREATE TABLE sensor_note (
    observation INTEGER PRIMARY KEY, feature INTEGER, body TEXT NOT NULL);
";

/// Which person of the city's identity provider an account belongs to.
const IDENTITIES: &str = r#"
CREATE TABLE identity (
    user_name TEXT PRIMARY KEY REFERENCES "user" (name) ON DELETE CASCADE, issuer TEXT NOT NULL,
    subject TEXT NOT NULL, at INTEGER NOT NULL);
CREATE UNIQUE INDEX identity_subject ON identity (issuer, subject);
"#;
/// What programs would have done to cases, which people approve or decline.
const DRAFTS: &str = r"
CREATE TABLE draft (
    id INTEGER PRIMARY KEY AUTOINCREMENT, area_path TEXT NOT NULL, case_id TEXT, action TEXT,
    body TEXT NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL, made_at INTEGER NOT NULL,
    until INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'approved', 'declined')),
    decided_by TEXT, decided_at INTEGER, remark TEXT, outcome TEXT);
CREATE INDEX draft_undone ON draft (until) WHERE outcome IS NULL;
CREATE INDEX draft_area ON draft (area_path, id);
";

/// What the outside is told of warnings, message by message; what others told, and how bad each thing is.
const ALERTS: &str = r"
CREATE TABLE alert (
    id TEXT PRIMARY KEY, warning TEXT NOT NULL REFERENCES warning (id), number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('alert', 'update', 'cancel')), sent INTEGER NOT NULL,
    area_path TEXT NOT NULL, body TEXT NOT NULL, text TEXT, UNIQUE (warning, number));
CREATE INDEX alert_order ON alert (sent, id, area_path);
CREATE INDEX alert_area ON alert (area_path);

CREATE TABLE outside_message (
    sender TEXT NOT NULL, identifier TEXT NOT NULL, thread TEXT NOT NULL, sent INTEGER NOT NULL,
    taken_at INTEGER NOT NULL, made_by TEXT NOT NULL, area_path TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (sender, identifier)) WITHOUT ROWID;
CREATE TABLE outside_level (
    device TEXT PRIMARY KEY, sender TEXT NOT NULL, thread TEXT NOT NULL, title TEXT NOT NULL,
    area_path TEXT NOT NULL, level INTEGER NOT NULL, until INTEGER, is_real INTEGER NOT NULL,
    told INTEGER NOT NULL);
CREATE INDEX outside_level_thread ON outside_level (sender, thread);
CREATE INDEX outside_level_until ON outside_level (until) WHERE level > 0;
CREATE INDEX outside_level_untold ON outside_level (device) WHERE told = 0;
";

/// On PostgreSQL the index of words has one row a case, its runs in the order of the text; what is there is made
/// anew after the start. Numbers of corrections had half of their digits there. And on both an agency's cases and what
/// is overdue are counted by their indexes alone.
const WORDS_ONCE: &str = r#"
DROP INDEX case_agency;
DROP INDEX case_clock;
CREATE INDEX case_agency ON "case" (agency, filed_at, id, area_path);
CREATE INDEX case_clock ON "case" (clock_due, area_path) WHERE closed_at IS NULL;
--postgres DROP TABLE case_gram;
--postgres CREATE TABLE case_gram (case_id TEXT PRIMARY KEY, grams TEXT NOT NULL);
--postgres CREATE INDEX case_gram_runs ON case_gram USING gin (array_to_tsvector(string_to_array(grams, ' ')));
--postgres ALTER TABLE correction ALTER COLUMN old_value TYPE REAL, ALTER COLUMN new_value TYPE REAL;
--postgres INSERT INTO setting (key, value) SELECT 'case_words_filled_to', '' FROM "case" LIMIT 1 ON CONFLICT (key) DO UPDATE SET value = '';
"#;

/// What people call the routes and trips of a feed, and which import said so.
const TRANSIT: &str = r"
CREATE TABLE transit_name (
    feed TEXT NOT NULL, sort TEXT NOT NULL CHECK (sort IN ('route', 'trip')), id TEXT NOT NULL,
    name TEXT NOT NULL, import TEXT NOT NULL, PRIMARY KEY (feed, sort, id)) WITHOUT ROWID;
";

/// What clients of NGSI-LD made: entities and what they said of devices, contexts, and subscriptions.
const NGSI_LD: &str = r#"
CREATE TABLE ngsi_entity (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, device TEXT,
    area_path TEXT NOT NULL, made INTEGER NOT NULL, gone INTEGER NOT NULL, made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX ngsi_entity_device ON ngsi_entity (device) WHERE device IS NOT NULL;
CREATE TABLE ngsi_context (
    id TEXT PRIMARY KEY, url TEXT UNIQUE, area_path TEXT NOT NULL, made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE ngsi_subscription (
    id TEXT PRIMARY KEY, made_by TEXT NOT NULL REFERENCES "user" (name) ON DELETE CASCADE,
    area_path TEXT NOT NULL, made_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
    body TEXT NOT NULL, context TEXT NOT NULL, times_sent INTEGER NOT NULL DEFAULT 0,
    times_failed INTEGER NOT NULL DEFAULT 0, last_notification INTEGER, last_success INTEGER,
    last_failure INTEGER);
CREATE INDEX ngsi_subscription_maker ON ngsi_subscription (made_by);
"#;

/// Agencies, and what the outside was told, have leaves from now on; those that are there get theirs at the start. A
/// database that lacks all leaves says so already.
const MORE_LEAVES: &str = "
INSERT INTO setting (key, value) VALUES ('proof_unfilled', 'agency alert') ON CONFLICT (key) DO NOTHING;
";
