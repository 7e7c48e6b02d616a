//! Plays a city against a running server, from outside: sends the fleet's readings every second, and
//! acts as the people who answer warnings and work on cases. Only through the public interface.
//!
//! What is left for the visitor: nobody answers a warning of the visitor's district (渝中区 500103)
//! before it is three minutes old, and no duty officer there takes the next step of a case before
//! three minutes have passed. Cases that a visitor dispatches anywhere are handled by the agency.
//! Cases and warnings from before the play are left alone.
//!
//! It runs until it is stopped; when the server does not answer it says so once and goes on trying.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use chengmai_model::Timestamp;

use crate::client::Client;
use crate::fleet::Fleet;
use crate::script::{ACT_PERIOD_MS, Script};

mod accounts;
mod people;

use accounts::Accounts;

/// The district whose warnings wait for the visitor.
pub const VISITOR_DISTRICT: &str = "500103";

/// Whom to play for.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http://127.0.0.1:8080`.
    pub url: String,
    /// An administrator's account, to make the players' accounts with.
    pub name: String,
    /// Its password.
    pub password: String,
    /// District whose warnings and cases wait for the visitor; empty for none.
    pub visitor_district: String,
    /// How long people take for a step: from 20 s to 90 s in a demo.
    pub step: Range<Duration>,
}

impl Options {
    /// The demo's own: administrator `admin`, visitor in [`VISITOR_DISTRICT`].
    pub fn new(url: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: "admin".to_owned(),
            password: password.into(),
            visitor_district: VISITOR_DISTRICT.to_owned(),
            step: Duration::from_secs(20)..Duration::from_secs(90),
        }
    }
}

/// Ends a play from another thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Not stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends it.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// True once ended.
    pub fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `until` or until ended; true when ended.
    fn wait_until(&self, until: Instant) -> bool {
        let stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let wait = self.0.1.wait_timeout_while(stopped, left, |stopped| !*stopped);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says a trouble once, and once when it is over.
struct Trouble<'a> {
    log: &'a (dyn Fn(&str) + Sync),
    what: &'static str,
    told: bool,
}

impl<'a> Trouble<'a> {
    fn new(log: &'a (dyn Fn(&str) + Sync), what: &'static str) -> Self {
        Self { log, what, told: false }
    }

    fn note(&mut self, outcome: &Result<()>) {
        match outcome {
            Err(error) if !self.told => {
                (self.log)(&format!("{}: {error:#}; trying again", self.what));
                self.told = true;
            }
            Ok(()) if self.told => {
                (self.log)(&format!("{}: works again", self.what));
                self.told = false;
            }
            _ => {}
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Plays until stopped. The fleet's devices must be registered. Blocks; run it on a thread.
///
/// # Errors
/// When the server is ready and refuses the administrator's account.
pub fn play(
    options: &Options,
    fleet: &Fleet,
    stop: &Stop,
    log: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let client = Client::new(&options.url);
    while !client.is_ready() {
        if stop.wait_until(Instant::now() + Duration::from_millis(200)) {
            return Ok(());
        }
    }
    let token = client.token(&options.name, &options.password)?;
    let start = now();
    let script = Script::afternoon(fleet, start);
    let accounts = Accounts::new(client.clone(), token.clone());
    std::thread::scope(|threads| {
        let sender = std::thread::Builder::new().name("sim-readings".to_owned());
        let readings = || send_readings(&client, &token, fleet, &script, stop, log);
        let sending = sender.spawn_scoped(threads, readings);
        people::act(&client, accounts, options, start, stop, log);
        drop(sending);
    });
    Ok(())
}

/// Every second the devices whose second it is, and every five seconds those with an act.
fn send_readings(
    client: &Client,
    token: &str,
    fleet: &Fleet,
    script: &Script,
    stop: &Stop,
    log: &(dyn Fn(&str) + Sync),
) {
    let mut trouble = Trouble::new(log, "sending readings");
    let mut body = String::new();
    let began = (Instant::now(), now());
    let mut turn: i64 = 0;
    loop {
        let at = began.1.plus_ms(turn * 1_000);
        body.clear();
        lines_of_second(fleet, script, at, &mut body);
        trouble.note(&send(client, token, &body));
        // After a stall the missed seconds are not sent late: those devices were not heard.
        let passed = i64::try_from(began.0.elapsed().as_millis()).unwrap_or(i64::MAX) / 1_000;
        turn = (turn + 1).max(passed);
        let next = Duration::from_millis(u64::try_from(turn * 1_000).unwrap_or(0));
        if stop.wait_until(began.0 + next) {
            return;
        }
    }
}

fn send(client: &Client, token: &str, body: &str) -> Result<()> {
    if body.is_empty() {
        return Ok(());
    }
    let (status, answer) = client.post_text("/api/v2/write?precision=ms", token, body)?;
    anyhow::ensure!(status == 204, "status {status}: {}", answer["message"]);
    Ok(())
}

/// Line protocol of everything that reports in the second from `at` on.
fn lines_of_second(fleet: &Fleet, script: &Script, at: Timestamp, body: &mut String) {
    let second = at.0.div_euclid(1_000);
    let active = script.active(at);
    let mut line = |device: usize, shift_ms: i64| {
        let at = at.plus_ms(shift_ms);
        if let Some(value) = fleet.value(device, at, script) {
            let SimDeviceLine { name, kind } = SimDeviceLine::of(fleet, device);
            // Writing to a string cannot fail.
            let _ = writeln!(body, "{kind},device={name} value={value} {}", at.0);
        }
    };
    let minute_second = usize::try_from(second.rem_euclid(60)).unwrap_or(0);
    for &device in fleet.due(minute_second) {
        let device = usize::try_from(device).unwrap_or(0);
        if !active.contains(&device) {
            line(device, i64::try_from(device % 997).unwrap_or(0));
        }
    }
    let every = ACT_PERIOD_MS / 1_000;
    for device in active {
        if i64::try_from(device).unwrap_or(0).rem_euclid(every) == second.rem_euclid(every) {
            line(device, 0);
        }
    }
}

struct SimDeviceLine<'a> {
    name: &'a str,
    kind: &'a str,
}

impl<'a> SimDeviceLine<'a> {
    fn of(fleet: &'a Fleet, device: usize) -> Self {
        let device = &fleet.devices()[device];
        Self { name: &device.spec.name, kind: device.kind }
    }
}
