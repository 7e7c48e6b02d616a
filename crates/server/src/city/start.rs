//! Starting a city: open the data folder, load packs and areas, restore the snapshot,
//! replay the journal, start the threads. Stopping it is in `stop.rs`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use chengmai_engine::Engine;
use chengmai_engine::case::{AgencyRule, CaseRules};
use chengmai_history::sql::{Sql, SqlSettings};
use chengmai_history::{History, HistorySettings};
use chengmai_model::area::AreaHistory;
use chengmai_model::city::RESPONSIBILITY_FILE;
use chengmai_model::{AreaPath, AreaTree, Timestamp};
use chengmai_store::journal::{Entry, Journal, JournalSettings};
use chengmai_store::order::{Restart, Step, Use, Writer};
use chengmai_store::records::Records;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::agencies::{self, Agencies};
use super::archive::{Archive, ArchiveWork, KindKeeps};
use super::areas::{self, Areas};
use super::book::Book;
use super::brain::{Brain, Rate, Seen};
use super::counters::Counters;
use super::decisions::{Decisions, fill_book};
use super::hub::Hub;
use super::kept::Keeping;
use super::layout::{AreaFiles, DataFolder};
use super::marks::Mark;
use super::notify::{Outlet, Telling};
use super::past::Past;
use super::photos::{Photos, unused};
use super::proof::{OpenLog, Taking, open_log};
use super::registry::Registry;
use super::restore::{Opened, restore};
use super::rules::{Replayed, RuleBook};
use super::sequencer::Sequencer;
use super::stop::Running;
use super::triage::Triage;
use super::{City, ReportRates, near, refill, retention, transit};
use crate::accounts::Locks;
use crate::api::case_steps::close_left_merged;
use crate::clock;
use crate::config::Config;
use crate::doors::Entrances;
use crate::http::admission::Room;
use crate::packs::{self, Loaded};

/// Bodies that may wait for the sequencer; each is at most one body long.
const INBOX_MAX: usize = 64;
/// Steps that may wait for the brain and the archive.
const WORK_MAX: usize = 64;

/// A city that is complete but whose threads do not run yet: the demo writes its past into it.
#[derive(Debug)]
pub(crate) struct Prepared {
    config: Config,
    loaded: Loaded,
    areas: Arc<AreaTree>,
    area_history: Arc<AreaHistory>,
    records: Records,
    agencies: Arc<Agencies>,
    case_rules: Arc<CaseRules>,
    journal: Journal,
    brain: Brain,
    rules: RuleBook,
    archive_thread: JoinHandle<()>,
    history: chengmai_history::HistoryReader,
    decisions: tokio::task::JoinHandle<()>,
    book: Arc<Book>,
    outlet: Outlet,
    proof: OpenLog,
    started_at: Timestamp,
}

/// Opens everything and brings the engine to where the journal ends. Where the areas are others than
/// those of the last run, what there is of the old ones is brought to an end first.
pub(crate) async fn prepare(config: Config) -> anyhow::Result<Prepared> {
    let loaded = packs::load_for(&config)?;
    let files = AreaFiles::of(&config.data);
    let mut areas = Areas::today(&files, &loaded)?;
    if let Some(old) = areas.of_last_run(&files, &loaded)? {
        tracing::info!("the areas changed: what began over the old ones is finished first");
        let tree = Arc::clone(&old.tree);
        let past = Box::pin(prepare_over(config.clone(), packs::load_for(&config)?, old));
        past.await?.start()?.stop().await;
        areas::renew(&files, &loaded, &tree)?;
        areas = Areas::today(&files, &loaded)?;
    }
    let tree = Arc::clone(&areas.tree);
    let renewed = areas.before.is_some();
    tracing::info!(areas = tree.len(), packs = loaded.packs.len(), "areas and packs are loaded");
    let mut prepared = Box::pin(prepare_over(config, loaded, areas)).await?;
    areas::first_run(&files, &tree)?;
    if renewed {
        prepared.leave_snapshot()?;
        areas::moved(&files)?;
        tracing::info!("everything has moved to the areas of today");
    }
    Ok(prepared)
}

/// The records, with the codes of today's areas, and the proof log over them.
async fn open_records(
    config: &Config,
    loaded: &Loaded,
    given: &Areas,
    folder: &DataFolder,
    now: Timestamp,
) -> anyhow::Result<(Records, OpenLog)> {
    let records = Records::open(config.records.clone()).await?.with_keys(folder.keyring()?);
    retention::say(records.reseal().await.context(retention::NO_KEY)?);
    if given.before.is_some() {
        let told = |cases| tracing::info!(cases, "cases have the codes of today");
        let moved = records.recode(&given.tree, now, told).await?;
        tracing::info!(
            rows = moved.rows,
            cases = moved.cases,
            "the records have the codes of today"
        );
    }
    let log = open_log(config, loaded, &given.tree, folder, &records).await?;
    Ok((records, log))
}

/// The same over areas that are given.
async fn prepare_over(config: Config, loaded: Loaded, given: Areas) -> anyhow::Result<Prepared> {
    let (started_at, areas) = (clock::now(), Arc::clone(&given.tree));
    let folder = Arc::new(DataFolder::open(&config.data)?);
    let outlet = Outlet::new(&config.notify, folder.link_key()?, folder.alert_key()?)?;
    let (records, proof) =
        Box::pin(open_records(&config, &loaded, &given, &folder, started_at)).await?;
    let agencies = Arc::new(agencies::sync(&records, &loaded, &areas).await?);
    let case_rules = Arc::new(case_rules(&loaded, &agencies, &areas)?);
    let (book, counters) = (Arc::new(Book::new(Triage::open(folder.models()))), Arc::default());
    let hub = Arc::new(Hub::new(u64::try_from(started_at.0).unwrap_or(0) << 20));
    let mut rules = Replayed::new(loaded.packs.clone(), records.rules().changes().await?);
    let (mut opened, engine, registry) = restore(&config, &loaded, &given, &folder, &mut rules)?;
    let (engine, registry) = (Arc::new(RwLock::new(engine)), Arc::new(RwLock::new(registry)));
    let decisions = Decisions {
        areas: Arc::clone(&areas),
        catalog: engine.read().catalog().clone(),
        profile: loaded.profile.clone(),
        agencies: Arc::clone(&agencies),
        case_rules: Arc::clone(&case_rules),
        registry: Arc::clone(&registry),
        simulated: config.simulated,
        records: records.clone(),
        hub: Arc::clone(&hub),
        book: Arc::clone(&book),
    };
    fill_book(&records, &areas, &book).await?;
    let (decide, decisions) = decisions.start();
    let opening = open_archive(&loaded, &folder, &areas, &registry, &engine, &counters)?;
    let mut brain = Brain {
        registry,
        engine,
        counters,
        hub,
        rate: Arc::new(Rate::default()),
        decisions: decide,
        archive: opening.inbox,
        archived: opening.archived,
        folder: Arc::clone(&folder),
        disk: Arc::clone(&opened.disk),
        snapshot_ms: config.snapshot_ms,
        last_snapshot: started_at,
        last_sequence: opened.snapshot_sequence,
        devices: 0,
        marks: Arc::new(Mutex::new(std::mem::take(&mut opened.marks))),
        seen: Seen::default(),
        writing: None,
    };
    brain.say(started_at, std::mem::take(&mut opened.said));
    let journal = catch_up(&folder, &opened, opening.watermark, &mut brain, &mut rules)?;
    let rules = settle(rules, &brain, &records).await?;
    Ok(Prepared {
        config,
        loaded,
        areas,
        area_history: given.history,
        records,
        agencies,
        case_rules,
        journal,
        brain,
        rules,
        archive_thread: opening.thread,
        history: opening.reader,
        decisions,
        book,
        outlet,
        proof,
        started_at,
    })
}

/// What was enabled behind the last frame of the journal, or has no place in it yet, holds from now.
async fn settle(rules: Replayed, brain: &Brain, records: &Records) -> anyhow::Result<RuleBook> {
    let settled = rules.settle();
    if let Some(catalog) = settled.catalog {
        brain.adopt(catalog);
    }
    for change in settled.placeless {
        records.rules().took_effect(change, brain.last_sequence).await?;
    }
    Ok(RuleBook::new(settled.packs))
}

/// The archive, running.
struct Opening {
    reader: chengmai_history::HistoryReader,
    watermark: u64,
    archived: Arc<AtomicU64>,
    inbox: SyncSender<ArchiveWork>,
    thread: JoinHandle<()>,
}

fn open_archive(
    loaded: &Loaded,
    folder: &DataFolder,
    areas: &Arc<AreaTree>,
    registry: &Arc<RwLock<Registry>>,
    engine: &Arc<RwLock<Engine>>,
    counters: &Arc<Counters>,
) -> anyhow::Result<Opening> {
    let settings = HistorySettings {
        utc_offset_ms: loaded.profile.utc_offset_ms(),
        ..HistorySettings::default()
    };
    let history = History::open(&folder.history(), settings)?;
    let (reader, watermark) = (history.reader(), history.watermark());
    let archived = Arc::new(AtomicU64::new(watermark));
    let (inbox, to_archive) = sync_channel(WORK_MAX);
    let archive = Archive {
        history,
        areas: Arc::clone(areas),
        registry: Arc::clone(registry),
        engine: Arc::clone(engine),
        archived: Arc::clone(&archived),
        keeps: Arc::new(KindKeeps::of(&loaded.packs)),
        counters: Arc::clone(counters),
    };
    let thread = spawn("archive", move || archive.run(to_archive))?;
    Ok(Opening { reader, watermark, archived, inbox, thread })
}

/// Opens the journal and gives the brain what it has not seen.
fn catch_up(
    folder: &DataFolder,
    opened: &Opened,
    watermark: u64,
    brain: &mut Brain,
    rules: &mut Replayed,
) -> anyhow::Result<Journal> {
    let dir = folder.journal();
    let settings = JournalSettings::default();
    let (journal, recovered) = Journal::open(Arc::clone(&opened.disk), &dir, settings)?;
    if recovered.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovered.torn_bytes,
            "a torn tail, never acknowledged, was cut off the journal"
        );
    }
    // An engine that starts anew must know every stream of the registry first.
    brain.enlist();
    let mut engine = brain.engine.write();
    for (stream, levels) in &opened.setpoints {
        if stream.0 < engine.stream_count() {
            engine.set_setpoints(*stream, levels);
        }
    }
    drop(engine);
    let restart = Restart {
        registry: opened.registry_sequence,
        engine: opened.snapshot_sequence,
        history: watermark,
    };
    let mut frames = 0_u64;
    let mut each = |sequence: u64, entry: Entry, to: Use| {
        frames += 1;
        if to.engine
            && let Some(catalog) = rules.before(sequence)
        {
            brain.adopt(catalog);
        }
        brain.recall(sequence, entry, to);
    };
    restart.replay(&*opened.disk, &dir, recovered.next_sequence, &mut each)?;
    tracing::info!(frames, "the journal is replayed");
    Ok(journal)
}

impl Brain {
    /// A frame of the journal at start, for those who have not seen it yet.
    fn recall(&mut self, sequence: u64, entry: Entry, to: Use) {
        match entry {
            Entry::Registrations(list) => {
                if to.registry {
                    let mut registry = self.registry.write();
                    for registration in &list {
                        registry.apply(registration);
                    }
                }
                if to.engine {
                    self.step(Step::Registrations { sequence, list });
                }
            }
            Entry::Readings { position, received_at, readings } => {
                if let Some(mark) = Mark::of(&readings) {
                    self.marks.lock().add(mark, received_at);
                }
                let work = Step::Readings { sequence, position, received_at, readings };
                if to.engine { self.step(work) } else { self.archive_only(work) }
            }
            Entry::Order { at, order } => {
                let work = Step::Order { sequence, at, order };
                if to.engine { self.step(work) } else { self.archive_only(work) }
            }
            Entry::Tick { now } if to.engine => self.step(Step::Tick { sequence, now }),
            Entry::Tick { .. } => {}
        }
    }
}

/// What cases of this city are decided by.
fn case_rules(loaded: &Loaded, agencies: &Agencies, areas: &AreaTree) -> anyhow::Result<CaseRules> {
    let profile = &loaded.profile;
    let mut rules = loaded.catalog.case_rules(profile.calendar.clone());
    for agency in agencies.iter() {
        let rule = AgencyRule {
            kind: agency.kind.clone(),
            area: agency.area.clone(),
            hours: Some(profile.work_hours(Some(&agency.kind)).clone()),
        };
        rules.set_agency(&agency.id, rule);
    }
    let path = |code: &str| areas.find(code).map(|area| AreaPath::of(areas, area));
    rules.set_responsibilities(&profile.responsibilities, path).map_err(|unknown| {
        anyhow::anyhow!("E-301 {RESPONSIBILITY_FILE}: `{unknown}` is neither an area of this city nor a case type of its packs")
    })?;
    Ok(rules)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(work).with_context(|| format!("cannot start the {name} thread"))
}

impl Prepared {
    pub(crate) fn areas(&self) -> &Arc<AreaTree> {
        &self.areas
    }

    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// What cases are decided by.
    pub(crate) fn case_rules(&self) -> &CaseRules {
        &self.case_rules
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Leaves a snapshot before anything more comes in.
    fn leave_snapshot(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.brain.snapshot_now(),
            "no snapshot could be written over the new areas; nothing is lost: start again"
        );
        Ok(())
    }

    /// Counts anew what is open, after cases were written behind the book's back.
    pub(crate) async fn recount(&self) -> anyhow::Result<()> {
        Ok(fill_book(&self.records, &self.areas, &self.book).await?)
    }

    /// Journal and brain, for the demo's past: what goes through here takes the same way as live
    /// readings, with a made-up clock.
    pub(crate) fn past(&mut self) -> Past<'_> {
        Past::new(&mut self.journal, &mut self.brain)
    }

    /// The path of the whole city.
    pub(crate) fn root_path(&self) -> AreaPath {
        AreaPath::of(&self.areas, chengmai_model::AreaId::ROOT)
    }

    /// Starts the threads.
    pub(crate) fn start(self) -> anyhow::Result<Running> {
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        let (work, to_brain) = sync_channel(WORK_MAX);
        let brain = self.brain;
        let stop_reason = Arc::new(RwLock::new(None));
        let (proof, log_writer) = self.proof;
        let taking = Taking::start(Arc::clone(&proof), self.records.clone(), log_writer);
        let locks = Arc::new(Locks::new(&self.config.locks, self.config.provider.clone())?);
        let city = Arc::new(City {
            config: self.config,
            areas: self.areas,
            outlines: Arc::default(),
            area_history: self.area_history,
            packs: self.loaded.packs,
            rules: self.rules,
            backtests: Arc::default(),
            profile: self.loaded.profile,
            registry: Arc::clone(&brain.registry),
            points: Arc::default(),
            engine: Arc::clone(&brain.engine),
            sql: Sql::start(&self.history, SqlSettings::default())?,
            history: self.history,
            records: self.records,
            agencies: self.agencies,
            case_rules: self.case_rules,
            photos: Photos::new(brain.folder.photos()),
            triage: Arc::clone(self.book.near.triage()),
            transit: transit::Transit::default(),
            outlet: self.outlet,
            proof,
            locks,
            report_rate: ReportRates::default(),
            hub: Arc::clone(&brain.hub),
            book: self.book,
            counters: Arc::clone(&brain.counters),
            rate: Arc::clone(&brain.rate),
            stop_reason: Arc::clone(&stop_reason),
            started_at: self.started_at,
            mqtt: Arc::default(),
            entrances: Entrances::default(),
            room: Room::default(),
            sequencer: inbox.clone(),
        });
        tokio::spawn(unused::watch(Arc::downgrade(&city)));
        tokio::spawn(retention::watch(Arc::downgrade(&city)));
        tokio::spawn(super::outside::watch(Arc::downgrade(&city)));
        transit::listen(&city);
        let keep = city.config.keep_journal.as_deref();
        let keeping = Keeping::start(&brain.folder.journal(), keep, &brain.counters)?;
        let sequencer = Sequencer {
            writer: Writer::new(self.journal),
            may_go: keeping.may_go(),
            full: false,
            registry: Arc::clone(&brain.registry),
            counters: Arc::clone(&brain.counters),
            stop_reason,
            marks: Arc::clone(&brain.marks),
            brain: work,
        };
        let runtime = tokio::runtime::Handle::current();
        let weak = inbox.downgrade();
        let threads = vec![
            spawn("sequencer", move || sequencer.run(messages, runtime))?,
            spawn("brain", move || brain.run(to_brain, weak))?,
            self.archive_thread,
        ];
        tokio::spawn(refill::run(Arc::downgrade(&city)));
        tokio::spawn(near::fill(Arc::downgrade(&city)));
        tokio::spawn(close_left_merged(Arc::clone(&city)));
        let telling = Telling::start(Arc::clone(&city));
        Ok(Running { city, threads, decisions: self.decisions, telling, taking, keeping })
    }
}
