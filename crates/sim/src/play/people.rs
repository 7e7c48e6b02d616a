//! The people: duty officers who answer warnings, dispatch and close; agency staff who handle;
//! checkers who pass most cases and send some back. Every two seconds they look at what is open and
//! do what is due; how long each step takes depends on the step alone, so a play is repeatable.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Result;
use chengmai_model::Timestamp;
use serde_json::{Value, json};

use super::{Accounts, Client, Options, Stop, Trouble};
use crate::random::{draw, unit};

/// How often they look.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What waits for the visitor waits at least so long.
const VISITOR_WAIT: Duration = Duration::from_mins(3);

struct People<'a> {
    client: &'a Client,
    accounts: Accounts,
    options: &'a Options,
    start: Timestamp,
    /// When each thing was first seen as it stands now, by its id and state.
    seen: BTreeMap<(String, String), Instant>,
}

pub(super) fn act(
    client: &Client,
    accounts: Accounts,
    options: &Options,
    start: Timestamp,
    stop: &Stop,
    log: &(dyn Fn(&str) + Sync),
) {
    let look_every = LOOK_EVERY.min(options.step.start / 4);
    let mut people = People { client, accounts, options, start, seen: BTreeMap::new() };
    let mut trouble = Trouble::new(log, "playing the city's people");
    let mut next = Instant::now();
    loop {
        trouble.note(&people.look(stop));
        next = (next + look_every).max(Instant::now());
        if stop.wait_until(next) {
            return;
        }
    }
}

/// What somebody does next: whose token, the path, what is sent.
struct Deed {
    path: String,
    body: Value,
}

impl People<'_> {
    fn look(&mut self, stop: &Stop) -> Result<()> {
        let mut there = BTreeMap::new();
        let mut outcome = Ok(());
        for warning in self.list("/api/v1/warnings?state=open&limit=1000")? {
            if stop.is_stopped() {
                return Ok(());
            }
            outcome = outcome.and(self.warning(&warning, &mut there));
        }
        for case in self.list("/api/v1/cases?state=open&limit=1000")? {
            if stop.is_stopped() {
                return Ok(());
            }
            outcome = outcome.and(self.case(&case, &mut there));
        }
        self.seen = there;
        outcome
    }

    fn list(&self, path: &str) -> Result<Vec<Value>> {
        let (status, mut body) = self.client.get(path, self.accounts.admin())?;
        anyhow::ensure!(status == 200, "GET {path}: status {status}");
        Ok(body["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Whether the thing has stood as it does for so long; notes it as there.
    fn is_due(
        &self,
        there: &mut BTreeMap<(String, String), Instant>,
        key: (String, String),
        wait: Duration,
    ) -> bool {
        let since = *self.seen.get(&key).unwrap_or(&Instant::now());
        there.insert(key, since);
        since.elapsed() >= wait
    }

    fn is_ours(&self, moment: &Value) -> bool {
        let at = moment.as_str().and_then(Timestamp::parse_rfc3339);
        at.is_some_and(|at| at >= self.start)
    }

    /// How long a step takes, longer where the visitor may want to act.
    fn wait(&self, bits: u64, area: &str, is_duty: bool) -> Duration {
        let Range { start, end } = self.options.step.clone();
        let wait = start + end.saturating_sub(start).mul_f64(unit(bits));
        let district = self.options.visitor_district.as_str();
        let visitor = is_duty && !district.is_empty() && area.starts_with(district);
        if visitor { wait + VISITOR_WAIT } else { wait }
    }

    fn warning(
        &mut self,
        warning: &Value,
        there: &mut BTreeMap<(String, String), Instant>,
    ) -> Result<()> {
        let (id, area) = (text(&warning["id"]), text(&warning["area"]));
        let bits = bits_of(id, 1);
        // One in six is left unanswered, so that it goes up a tier.
        if warning["state"] != "raised" || !self.is_ours(&warning["raised_at"]) || bits % 6 == 5 {
            return Ok(());
        }
        let wait = self.wait(draw(bits, 1, 4), area, true);
        if !self.is_due(there, (id.to_owned(), String::new()), wait) {
            return Ok(());
        }
        let severity = warning["severity"].as_i64().unwrap_or(1);
        let files = warning["proposes"].is_string();
        let (verb, body) = match (severity, bits / 6 % 10) {
            (3.., _) | (2, 0..6) if files => ("file", json!({"note": "已电话核实，立即处置"})),
            (1, 0..2) => ("dismiss", json!({"reason": "现场复核正常，属短时波动"})),
            _ => ("confirm", json!({"note": "已核实，持续关注"})),
        };
        let token = self.accounts.duty_officer(crate::fleet::district_code(area))?;
        self.perform(&token, Deed { path: format!("/api/v1/warnings/{id}/{verb}"), body })
    }

    fn case(
        &mut self,
        case: &Value,
        there: &mut BTreeMap<(String, String), Instant>,
    ) -> Result<()> {
        let (id, state) = (text(&case["id"]), text(&case["state"]));
        let reworks = case["reworks"].as_u64().unwrap_or(0);
        let area = text(&case["area"]);
        if !self.is_ours(&case["filed_at"]) {
            return Ok(());
        }
        let bits = bits_of(id, 2 + reworks);
        let (is_duty, action, body) = match state {
            "filed" | "returned" => (true, "dispatch", json!({"note": "请立即到场处置"})),
            "dispatched" | "rework" => (false, "start", json!({"note": "已出发"})),
            "handling" => (false, "finish", json!({"note": "处置完毕，现场已恢复"})),
            "handled" if reworks == 0 && bits.is_multiple_of(7) => {
                (true, "check_fail", json!({"reason": "现场仍有遗留，请返工"}))
            }
            "handled" => (true, "check_pass", json!({"note": "现场核查合格"})),
            "checked" => (true, "close", json!({})),
            _ => return Ok(()),
        };
        let step_bits = draw(bits, state.len() as u64, 3);
        let wait = self.wait(step_bits, area, is_duty);
        if !self.is_due(there, (id.to_owned(), state.to_owned()), wait) {
            return Ok(());
        }
        let token = if is_duty {
            self.accounts.duty_officer(text(&case["holder"]["area"]))?
        } else {
            self.accounts.staff(text(&case["agency"]))?
        };
        self.perform(&token, Deed { path: format!("/api/v1/cases/{id}/{action}"), body })
    }

    fn perform(&self, token: &str, deed: Deed) -> Result<()> {
        let (status, answer) = self.client.post(&deed.path, token, &deed.body)?;
        // 409: the visitor was quicker.
        let done = (200..300).contains(&status) || status == 409;
        anyhow::ensure!(done, "{}: status {status}: {}", deed.path, answer["detail"]);
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn bits_of(id: &str, salt: u64) -> u64 {
    id.bytes().fold(salt, |hash, byte| draw(hash, u64::from(byte), 51))
}
