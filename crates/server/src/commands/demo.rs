//! `chengmai demo`: a made-up afternoon in Chongqing. A new data folder first gets a past: a day of
//! readings and a week of cases, through the same journal and engine with a made-up clock. Then the
//! city opens and the simulated devices and people play from outside, over HTTP, like anyone.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Context as _;
use chengmai_engine::case::{FilingRequest, apply, decide, file, replay};
use chengmai_model::case::{Case, CaseEvent, CaseId, CaseSource, Command, CommandKind};
use chengmai_model::stream::DeviceSpec;
use chengmai_model::time::{DAY_MS, MINUTE_MS};
use chengmai_model::{Actor, AreaId, AreaPath, Reading, Role, StreamId, Tier, Timestamp};
use chengmai_sim::fleet::Fleet;
use chengmai_sim::history::{PastCase, PastStep, past_cases, past_day};
use chengmai_sim::play;
use chengmai_store::records::tokens::TokenScope;

use super::serve::{ADMIN_PASSWORD, first_admin, open, stop_signal};
use super::{progress, runtime, say};
use crate::accounts::{self, NewUser, TOKEN_DAYS_MAX};
use crate::city::start::{Prepared, prepare};
use crate::cli::DemoFlags;
use crate::clock;

/// Seed of the fleet and of its past.
const SEED: u64 = 1;
/// The made-up day has a reading of each device every ten minutes.
const PAST_PERIOD_MS: u32 = 600_000;
/// Password of the demo's administrator, unless the environment gives another.
const DEMO_PASSWORD: &str = "chengmai-demo";
/// Account under which the simulated devices and people act.
const SIMULATOR: &str = "simulator";
/// Account of a grid worker, to try.
const GRID_WORKER: &str = "grid";

pub(crate) fn run(flags: DemoFlags) -> anyhow::Result<()> {
    let devices = flags.devices;
    let mut config = flags.serve.resolve("./data/demo", true)?;
    anyhow::ensure!(config.tls.is_none(), "the demo speaks plain HTTP: use `serve` for TLS");
    // A newcomer's own first device must be welcome.
    config.register_unknown = true;
    runtime()?.block_on(async {
        let mut prepared = prepare(config).await?;
        let password = std::env::var(ADMIN_PASSWORD).unwrap_or_else(|_unset| DEMO_PASSWORD.into());
        let new = prepared.records().users().count().await? == 0;
        if new {
            first_demo_admin(&prepared, &password).await?;
            grid_worker(&prepared, &password, clock::now()).await?;
        } else {
            first_admin(&prepared).await?;
        }
        let fleet = Fleet::new(prepared.areas(), devices, SEED);
        let now = clock::now();
        let streams = enlist(&mut prepared, &fleet, now, new.then_some(PAST_PERIOD_MS))?;
        if new {
            fill_past(&mut prepared, &fleet, &streams, now)?;
            quicken(&mut prepared, &fleet)?;
            file_past_cases(&prepared, now).await?;
        }
        let records = prepared.records().clone();
        let simulator_password = simulator(&prepared).await?;
        let open = open(prepared).await?;
        let token = accounts::new_token(
            &records,
            accounts::FIRST_ADMIN,
            TokenScope::default(),
            TOKEN_DAYS_MAX,
            accounts::COMMAND_LINE,
        )
        .await?;
        welcome(open.http, open.city.config.mqtt, &password, new, &token);
        let stop = play::Stop::new();
        let player = {
            let (stop, url) = (stop.clone(), format!("http://{}", reachable(open.http)));
            let options = play::Options {
                name: SIMULATOR.to_owned(),
                ..play::Options::new(url, simulator_password)
            };
            std::thread::Builder::new().name(SIMULATOR.to_owned()).spawn(move || {
                let log = |line: &str| tracing::info!("simulation: {line}");
                if let Err(error) = play::play(&options, &fleet, &stop, &log) {
                    tracing::error!(%error, "the simulation stopped");
                }
            })?
        };
        let signal = async move {
            stop_signal().await;
            stop.stop();
        };
        open.until_stopped(signal).await?;
        player.join().map_err(|_panic| anyhow::anyhow!("the simulation panicked"))
    })
}

/// The account under which the simulation plays, with a new password at every start.
async fn simulator(prepared: &Prepared) -> anyhow::Result<String> {
    let records = prepared.records();
    let password = accounts::random_token();
    let outcome = if records.users().find(SIMULATOR).await?.is_some() {
        accounts::set_password(records, SIMULATOR, &password).await
    } else {
        let new = NewUser {
            name: SIMULATOR.to_owned(),
            display_name: "模拟程序 Simulation".to_owned(),
            password: password.clone(),
            roles: vec![Role::Admin],
            area: prepared.root_path(),
            agency: None,
        };
        accounts::create(records, new, accounts::COMMAND_LINE).await.map(drop)
    };
    outcome.map_err(|problem| anyhow::anyhow!("{}", problem.code.en))?;
    Ok(password)
}

async fn first_demo_admin(prepared: &Prepared, password: &str) -> anyhow::Result<()> {
    let made =
        accounts::first_admin(prepared.records(), prepared.root_path(), Some(password.to_owned()));
    made.await.map(drop).map_err(|problem| anyhow::anyhow!("{}", problem.code.en))
}

/// An account to try the grid worker's page with, where most of the made-up cases wait to be checked.
async fn grid_worker(prepared: &Prepared, password: &str, now: Timestamp) -> anyhow::Result<()> {
    let areas = prepared.areas();
    let mut waiting: BTreeMap<AreaId, usize> = BTreeMap::new();
    for past in past_cases(areas, now, SEED) {
        let handled = matches!(past.steps.last(), Some((_, PastStep::Finish)));
        let area = areas.find(past.area.as_str()).filter(|_| handled);
        if let Some(district) = area.and_then(|area| areas.at_tier(area, Tier::District)) {
            *waiting.entry(district).or_default() += 1;
        }
    }
    let most = waiting.into_iter().max_by_key(|(_, cases)| *cases);
    let new = NewUser {
        name: GRID_WORKER.to_owned(),
        display_name: "网格员 Grid worker".to_owned(),
        password: password.to_owned(),
        roles: vec![Role::GridWorker],
        area: AreaPath::of(areas, most.map_or(AreaId::ROOT, |(district, _)| district)),
        agency: None,
    };
    let made = accounts::create(prepared.records(), new, accounts::COMMAND_LINE).await;
    made.map(drop).map_err(|problem| anyhow::anyhow!("{}", problem.code.en))
}

/// An address that reaches a listener bound to all interfaces.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from(([127, 0, 0, 1], address.port()));
    }
    address
}

fn welcome(http: SocketAddr, mqtt: Option<SocketAddr>, password: &str, new: bool, token: &str) {
    say("");
    say(format!("  城脉 Chengmai demo   http://{}", reachable(http)));
    if new {
        say(format!("  sign in 登录          {} / {password}", accounts::FIRST_ADMIN));
        say(format!("  on a phone 手机 /grid   {GRID_WORKER} / {password}"));
    }
    say("  everything in it is simulated 全部数据均为模拟");
    if let Some(mqtt) = mqtt {
        say("");
        say("  your own first reading 发送第一条读数:");
        say(format!(
            "  mosquitto_pub -h {} -p {} -u me -P {token} -q 1 -t chengmai/v1/my-device/methane -m 42",
            mqtt.ip(),
            mqtt.port()
        ));
    }
    say("");
}

/// Registers the fleet; the stream of each of its devices. `period_ms` takes the place of the
/// devices' own period.
pub(crate) fn enlist(
    prepared: &mut Prepared,
    fleet: &Fleet,
    now: Timestamp,
    period_ms: Option<u32>,
) -> anyhow::Result<Vec<StreamId>> {
    let mut past = prepared.past();
    let streams = {
        let mut registry = past.registry().write();
        let devices = fleet.devices().iter().map(|device| {
            let own = device.spec.period_ms;
            let spec = DeviceSpec { period_ms: period_ms.unwrap_or(own), ..device.spec.clone() };
            registry.enlist(spec, device.kind, now)
        });
        devices.collect()
    };
    past.registered()?;
    Ok(streams)
}

/// From now on the fleet reports in its own rhythm.
fn quicken(prepared: &mut Prepared, fleet: &Fleet) -> anyhow::Result<()> {
    let mut past = prepared.past();
    {
        let mut registry = past.registry().write();
        for device in fleet.devices() {
            registry.restate(&device.spec);
        }
    }
    past.registered()
}

fn fill_past(
    prepared: &mut Prepared,
    fleet: &Fleet,
    streams: &[StreamId],
    until: Timestamp,
) -> anyhow::Result<()> {
    let begins = until.plus_ms(-DAY_MS);
    let minute = |at: Timestamp| u64::try_from(at.since(begins) / MINUTE_MS).unwrap_or(0);
    let bar = progress(minute(until), "a made-up day, minute 模拟一天");
    let mut past = prepared.past();
    let mut outcome = Ok(());
    past_day(fleet, until, &mut |received_at, rows| {
        if outcome.is_err() {
            return;
        }
        let readings = rows
            .iter()
            .map(|&(device, at, value)| Reading { stream: streams[device], at, value })
            .collect();
        outcome = past.readings(received_at, readings);
        bar.set_position(minute(received_at));
    });
    bar.finish_and_clear();
    outcome
}

async fn file_past_cases(prepared: &Prepared, until: Timestamp) -> anyhow::Result<()> {
    let cases = past_cases(prepared.areas(), until, SEED);
    let mut filed = Vec::with_capacity(cases.len());
    for past in &cases {
        filed.push(past_events(prepared, past)?);
    }
    prepared.records().cases().import(&filed).await?;
    prepared.recount().await
}

/// A made-up case through the same decisions as a real one.
fn past_events(prepared: &Prepared, past: &PastCase) -> anyhow::Result<(CaseId, Vec<CaseEvent>)> {
    let areas = prepared.areas();
    let loaded = prepared.loaded();
    let area = areas.find(past.area.as_str()).context("a made-up case lies in the city")?;
    let area = AreaPath::of(areas, area);
    let case_type = loaded.catalog.case_type(past.case_type);
    let case_type = case_type.with_context(|| format!("no pack has {}", past.case_type))?;
    let request = FilingRequest {
        type_id: &case_type.def.id,
        row: past.row,
        area: area.clone(),
        position: past.position,
        level: None,
        severity: None,
        title: None,
        description: past.description.clone(),
        agency: Some(past.agency.clone()),
        warning: None,
        source: CaseSource::DutyOfficer,
        simulated: true,
    };
    let draft = CaseId::draft(&area, loaded.profile.local_date(past.filed_at));
    let filer = Actor::program(prepared.root_path());
    let mut events = file(&request, &filer, past.filed_at, prepared.case_rules())?;
    let mut case = replay(draft.clone(), &events).context("a case begins with its filing")?;
    for (at, step) in &past.steps {
        let (command, actor) = step_of(&case, *step, past);
        let more = decide(&case, &command, &actor, *at, prepared.case_rules())?;
        for event in &more {
            apply(&mut case, event);
        }
        events.extend(more);
    }
    Ok((draft, events))
}

fn step_of(case: &Case, step: PastStep, past: &PastCase) -> (Command, Actor) {
    let centre = Actor::program(case.holder.area.clone());
    let staff = Actor {
        name: format!("staff-{}", past.agency),
        roles: vec![Role::AgencyStaff],
        area: case.area.clone(),
        agency: Some(past.agency.clone()),
    };
    let (kind, actor) = match step {
        PastStep::Dispatch => (CommandKind::Dispatch, centre),
        PastStep::Start => (CommandKind::Start, staff),
        PastStep::Finish => (CommandKind::Finish, staff),
        PastStep::CheckPass => (CommandKind::CheckPass, centre),
        PastStep::CheckFail => (CommandKind::CheckFail, centre),
        PastStep::Close => (CommandKind::Close, centre),
    };
    let mut command = Command::new(kind);
    match step {
        PastStep::Dispatch => command.agency = Some(past.agency.clone()),
        PastStep::CheckFail => command.reason = Some("现场复查不合格".to_owned()),
        PastStep::Finish => command.note = Some("已处置完毕".to_owned()),
        PastStep::Start | PastStep::CheckPass | PastStep::Close => {}
    }
    (command, actor)
}
