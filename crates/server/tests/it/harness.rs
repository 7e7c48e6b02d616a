//! A real server process in a data folder of its own, and a client to talk to it.
//!
//! Invariant: whoever ends without a failure ends with a clean log: a line `ERROR` on the server's
//! standard error fails the test, and a line `WARN` too. Only the first server after a kill may warn
//! that it tidied up what the kill left unfinished, or that the snapshot was of other settings.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_chengmai");
/// Password of the administrator of every test city.
pub(crate) const PASSWORD: &str = "test password, long enough";
/// Nothing that is waited for takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Two districts, three towns, a community each, three grids each: small, so that a server starts
/// at once.
const AREAS: &str = "\
code,parent,name,tier
50,,测试市,city
500103,50,甲区,district
500105,50,乙区,district
500103001,500103,甲一街道,town
500103002,500103,甲二街道,town
500105001,500105,乙一街道,town
500103001001,500103001,甲一社区,community
500103002001,500103002,甲二社区,community
500105001001,500105001,乙一社区,community
500103001001001,500103001001,第一网格,grid
500103001001002,500103001001,第二网格,grid
500103001001003,500103001001,第三网格,grid
500103002001001,500103002001,第一网格,grid
500103002001002,500103002001,第二网格,grid
500103002001003,500103002001,第三网格,grid
500105001001001,500105001001,第一网格,grid
500105001001002,500105001001,第二网格,grid
500105001001003,500105001001,第三网格,grid
";

/// Waits until the condition gives something. The only place where tests wait by the clock.
///
/// # Panics
/// When it has not come true within [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A data folder that goes away with the test.
pub(crate) struct Folder {
    place: tempfile::TempDir,
    /// The last server in it was killed.
    was_killed: Arc<AtomicBool>,
}

impl Folder {
    /// With the small test areas.
    pub(crate) fn new() -> Self {
        let folder = Self::empty();
        let file = folder.path().join("areas.csv");
        std::fs::write(&file, AREAS).unwrap();
        let output = folder.import_areas(&file, &["--no-grids"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    }

    /// Without areas.
    pub(crate) fn empty() -> Self {
        Self { place: tempfile::tempdir().unwrap(), was_killed: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// The authority that clients of its servers trust, if a test has put one there.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path().join("ca.pem")
    }

    fn trust(&self) -> TlsConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let Ok(pem) = std::fs::read(self.authority()) else { return config.build() };
        let authority = Certificate::from_pem(&pem).unwrap();
        config.root_certs(RootCerts::new_with_certs(&[authority])).build()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn import_areas(&self, file: &Path, more: &[&str]) -> std::process::Output {
        let mut command = Command::new(PROGRAM);
        command.args(["import", "areas"]).arg(file).arg("--data").arg(self.data()).args(more);
        command.output().unwrap()
    }
}

/// A running server.
pub(crate) struct City {
    child: Mutex<Child>,
    /// `http` or `https`.
    scheme: &'static str,
    pub(crate) http: SocketAddr,
    agent: ureq::Agent,
    log: Arc<Mutex<Vec<String>>>,
    /// Bearer token of the administrator.
    pub(crate) admin: String,
    is_down: AtomicBool,
    was_killed: Arc<AtomicBool>,
    may_warn: bool,
    /// Words of warnings that the test itself brings about.
    expected: Mutex<Vec<&'static str>>,
}

/// Status and JSON body (null when there is none).
pub(crate) type Answer = (u16, Value);

impl City {
    /// Starts a server on a free port and waits until it is ready.
    pub(crate) fn start(folder: &Folder, flags: &[&str]) -> Self {
        let mut city = Self::open(folder, flags);
        city.sign_in(folder);
        city
    }

    fn sign_in(&mut self, folder: &Folder) {
        let account = json!({"name": "admin", "password": PASSWORD});
        let (status, body) = self.post("/api/v1/session", "", &account);
        assert_eq!(status, 200, "{body}");
        let mut command = Command::new(PROGRAM);
        command.args(["user", "token", "admin", "--data"]).arg(folder.data());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().clone_into(&mut self.admin);
    }

    /// Starts a server and kills it so soon that it is still reading its journal.
    pub(crate) fn kill_at_start(folder: &Folder, flags: &[&str], after: Duration) {
        let mut child = spawn(folder, "serve", flags);
        std::thread::park_timeout(after);
        child.kill().unwrap();
        child.wait().unwrap();
        folder.was_killed.store(true, Ordering::Relaxed);
    }

    /// The same as [`City::start`] without signing in; the administrator's token is empty.
    pub(crate) fn open(folder: &Folder, flags: &[&str]) -> Self {
        Self::run(folder, "serve", flags)
    }

    /// The demo city, with the administrator's token.
    pub(crate) fn demo(folder: &Folder, flags: &[&str]) -> Self {
        let mut city = Self::run(folder, "demo", flags);
        city.sign_in(folder);
        city
    }

    fn run(folder: &Folder, command: &str, flags: &[&str]) -> Self {
        let mut child = spawn(folder, command, flags);
        let log = Arc::new(Mutex::new(Vec::new()));
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            errors.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, hear) = channel();
        std::thread::spawn(move || {
            // The test may have heard enough.
            output.map_while(Result::ok).for_each(|line| drop(say.send(line)));
        });
        let Some((scheme, http)) = address(&hear) else {
            drop((child.kill(), child.wait()));
            panic!("the server did not open: {:#?}", log.lock().unwrap());
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .tls_config(folder.trust())
            .build();
        let city = Self {
            child: Mutex::new(child),
            scheme,
            http,
            agent: config.new_agent(),
            log,
            admin: String::new(),
            is_down: AtomicBool::new(false),
            was_killed: Arc::clone(&folder.was_killed),
            may_warn: folder.was_killed.swap(false, Ordering::Relaxed),
            expected: Mutex::default(),
        };
        until("the server is ready", || (city.get("/readyz", "").0 == 200).then_some(()));
        city
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.http)
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, None, b"")
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send("POST", path, token, Some("application/json"), body.as_bytes())
    }

    /// Line protocol; times in milliseconds.
    pub(crate) fn write(&self, token: &str, lines: &str) -> Answer {
        let path = "/api/v2/write?precision=ms";
        self.send("POST", path, token, Some("text/plain"), lines.as_bytes())
    }

    /// Registers devices from CSV; all must be taken.
    pub(crate) fn register(&self, csv: &str) {
        let path = "/api/v1/devices";
        let (status, body) = self.send("POST", path, &self.admin, Some("text/csv"), csv.as_bytes());
        assert_eq!((status, body["refused"].as_array().map(Vec::len)), (200, Some(0)), "{body}");
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Answer {
        let headers = content_type.map(|kind| ("content-type", kind));
        let headers: Vec<(&str, &str)> = headers.into_iter().collect();
        let (status, text) = self.send_with(method, path, token, &headers, body).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Status and text of any request; fails when the server cannot be reached.
    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(u16, String), ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = if method == "GET" || (method == "DELETE" && body.is_empty()) {
            self.agent.run(request.body(()).unwrap())?
        } else {
            self.agent.run(request.body(body.to_vec()).unwrap())?
        };
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string()?;
        Ok((answer.status().as_u16(), text))
    }

    /// Status, headers and text of any request.
    pub(crate) fn whole(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, ureq::http::HeaderMap, String) {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = if method == "GET" {
            self.agent.run(request.body(()).unwrap()).unwrap()
        } else {
            self.agent.run(request.body(body.to_vec()).unwrap()).unwrap()
        };
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), answer.headers().clone(), text)
    }

    /// Status of any request.
    pub(crate) fn status(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> u16 {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body.to_vec()).unwrap())
        };
        answer.unwrap().status().as_u16()
    }

    /// Status and headers of an answer whose body is no text.
    pub(crate) fn head(&self, path: &str, token: &str) -> (u16, ureq::http::HeaderMap) {
        let request = self.agent.get(self.url(path));
        let answer = request.header("authorization", format!("Bearer {token}")).call().unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    /// Status and body of an answer that is no text.
    pub(crate) fn bytes(&self, path: &str, token: &str) -> (u16, Vec<u8>) {
        let mut request = self.agent.get(self.url(path));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
    }

    /// An account and its token.
    pub(crate) fn account(
        &self,
        name: &str,
        roles: &[&str],
        area: &str,
        agency: Option<&str>,
    ) -> String {
        let account = json!({
            "name": name, "display_name": name, "password": PASSWORD,
            "roles": roles, "area": area, "agency": agency,
        });
        let (status, body) = self.post("/api/v1/users", &self.admin, &account);
        assert_eq!(status, 201, "{body}");
        let (status, body) =
            self.post(&format!("/api/v1/users/{name}/token"), &self.admin, &json!({}));
        assert_eq!(status, 201, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    /// All items of a list.
    pub(crate) fn list(&self, path: &str, token: &str) -> Vec<Value> {
        let (status, mut body) = self.get(path, token);
        assert_eq!(status, 200, "{path}: {body}");
        std::mem::take(body["items"].as_array_mut().unwrap())
    }

    /// Values of a device, oldest first, once there are that many: on disk comes first, on screen a
    /// moment later.
    pub(crate) fn values(&self, device: &str, count: usize) -> Vec<f64> {
        until("the readings are shown", || {
            let path = format!("/api/v1/devices/{device}/observations");
            let items = self.list(&path, &self.admin);
            let values = items.iter().map(|o| o["value"].as_f64().unwrap());
            (items.len() >= count).then(|| values.collect())
        })
    }

    /// The live stream.
    pub(crate) fn events(&self, query: &str, token: &str) -> Events {
        Events::open(self.http, query, token)
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.is_down.store(true, Ordering::Relaxed);
        self.was_killed.store(true, Ordering::Relaxed);
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&self) {
        self.is_down.store(true, Ordering::Relaxed);
        let mut child = self.child.lock().unwrap();
        let command = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        let status = until("the server stops", || child.try_wait().unwrap());
        assert!(status.success(), "ended with {status}: {:#?}", self.log.lock().unwrap());
    }

    /// SIGHUP: the server reads again what was put into its folder.
    pub(crate) fn hang_up(&self) {
        let command = format!("kill -HUP {}", self.child.lock().unwrap().id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Number of the server's process.
    pub(crate) fn process(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// What the server said on its log so far.
    pub(crate) fn log_text(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// A warning with these words is no fault: the test asks for it.
    pub(crate) fn expect_warning(&self, words: &'static str) {
        self.expected.lock().unwrap().push(words);
    }

    fn assert_log_is_clean(&self) {
        let log = self.log.lock().unwrap();
        let asked_for = self.expected.lock().unwrap();
        let marks = [" ERROR ", " WARN ", "panicked"];
        let tidied = [
            "an unfinished ",
            "a file of an unfinished ",
            "a torn tail, ",
            "the snapshot does not fit",
        ];
        let expected = |line: &str| {
            (self.may_warn && tidied.iter().any(|t| line.contains(t)))
                || asked_for.iter().any(|words| line.contains(words))
        };
        let fault =
            |line: &&String| marks.iter().any(|mark| line.contains(mark)) && !expected(line);
        let faults: Vec<&String> = log.iter().filter(fault).collect();
        assert!(faults.is_empty(), "the log is not clean: {faults:#?}");
    }
}

impl Drop for City {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Ok(mut child) = self.child.lock() {
                drop((child.kill(), child.wait()));
            }
            return;
        }
        if !self.is_down.load(Ordering::Relaxed) {
            self.stop();
        }
        self.assert_log_is_clean();
    }
}

/// A server on free ports, what it says and logs to be read by the caller.
fn spawn(folder: &Folder, command: &str, flags: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args([command, "--http", "127.0.0.1:0", "--data"])
        .arg(folder.data())
        .args(["--mqtt", "127.0.0.1:0"])
        .args(flags)
        .env("CHENGMAI_ADMIN_PASSWORD", PASSWORD)
        .env("CHENGMAI_LOG", "info")
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Where it is open and what it speaks, from its own words.
fn address(words: &Receiver<String>) -> Option<(&'static str, SocketAddr)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = words.recv_timeout(left).ok()?;
        for scheme in ["http", "https"] {
            let found = line.split_once(&format!(" {scheme}://"));
            if let Some((_, address)) = found {
                return address.trim().parse().ok().map(|address| (scheme, address));
            }
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: String,
}

/// A live stream, read line by line; the marks of its chunks fall between the lines.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
}

impl Events {
    fn open(http: SocketAddr, query: &str, token: &str) -> Self {
        let mut stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: {http}\r\n\
             Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        Self { reader }
    }

    /// The next event; waits for it.
    pub(crate) fn next(&mut self) -> Event {
        let mut event = Event { id: None, name: String::new(), data: String::new() };
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "the live stream ended");
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id: ") {
                event.id = id.parse().ok();
            } else if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event.name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data.push_str(data);
            } else if line.is_empty() && !event.name.is_empty() {
                return event;
            }
        }
    }

    /// Reads on until an event of that name holds the text; all events read, that one last.
    pub(crate) fn until(&mut self, name: &str, text: &str) -> Vec<Event> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            seen.push(self.next());
            let last = &seen[seen.len() - 1];
            if last.name == name && last.data.contains(text) {
                return seen;
            }
            assert!(Instant::now() < deadline, "no {name} with {text}");
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A counter of /metrics, named up to its value; 0 when it is not there.
pub(crate) fn metric(city: &City, name_and_labels: &str) -> u64 {
    let (status, text) = city.send_with("GET", "/metrics", &city.admin, &[], b"").unwrap();
    assert_eq!(status, 200);
    let line = text.lines().find_map(|l| l.strip_prefix(name_and_labels));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
