//! A PostgreSQL server of the tests' own: Debian's program on a folder and a socket of its own. It ends
//! with this process, however this process ends, and its folder with it.
//!
//! One server for all tests, a database for each. Its order of letters is a language's on purpose: the
//! records must not depend on it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use chengmai_store::records::Place;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

/// The account that initdb makes.
const USER: &str = "chengmai";

/// Says the folder when the server answers; ends everything when its standard input ends, which the
/// system does for a process that is gone.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
folder=$(mktemp -d -t chengmai-postgres.XXXXXX) || exit 1
"$1/initdb" --pgdata="$folder/data" --username="$2" --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --locale-provider=icu --icu-locale=zh-Hans-CN --no-sync >"$folder/log" 2>&1 &&
"$1/pg_ctl" start --wait --silent --pgdata="$folder/data" --log="$folder/log" \
    --options="-k $folder -c listen_addresses= -c max_connections=300 -c shared_buffers=64MB" &&
echo "$folder" || { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
cat >/dev/null
"$1/pg_ctl" stop --mode=immediate --silent --pgdata="$folder/data"
rm -rf "$folder"
"#;

struct Server {
    folder: String,
    /// Held open as long as the server is wanted.
    _leash: ChildStdin,
}

/// A new, empty database, or `None` after noting the test as skipped.
pub(crate) async fn database() -> Option<Place> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static MADE: AtomicU32 = AtomicU32::new(0);
    let Some(server) = SERVER.get_or_init(start) else {
        chengmai_model::testing::skip("PostgreSQL is not installed");
        return None;
    };
    let name = format!("records_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let first = connect(&url(server, "postgres")).await;
    first.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    first.close().await.unwrap();
    Some(Place::parse(&url(server, &name), None).unwrap())
}

/// A connection beside those of the records.
pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

fn url(server: &Server, database: &str) -> String {
    format!("postgres://{USER}@{}/{database}", server.folder.replace('/', "%2F"))
}

#[expect(clippy::zombie_processes, reason = "it ends after us, when our end of the pipe is gone")]
fn start() -> Option<Server> {
    let programs = programs()?;
    // The server refuses to run as root.
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", SCRIPT, "sh"]).arg(programs).arg(USER).current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut folder = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut folder).unwrap();
    assert!(!folder.is_empty(), "PostgreSQL did not start; its log stands above");
    Some(Server { folder: folder.trim_end().to_owned(), _leash: child.stdin.take().unwrap() })
}

/// Where the newest PostgreSQL of this machine has its programs.
fn programs() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("CHENGMAI_POSTGRES") {
        return Some(folder.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max_by_key(|folder| version(folder))
}

fn version(folder: &Path) -> Option<u32> {
    folder.parent()?.file_name()?.to_str()?.parse().ok()
}
