//! One seed from beginning to end: who acts next, what goes wrong, and what must hold after it.

use anyhow::{Context as _, Result, bail, ensure};
use chengmai_model::{Reading, Timestamp};
use chengmai_store::disk::simulated::{Dice, SimulatedDisk};
use chengmai_store::error::Error;
use chengmai_store::order::{Group, self_contained};

use super::damage::Damage;
use super::plan::{Allowed, Fault, Report};
use super::process::{Outside, Process, StartError, journal_dir, journal_files, snapshots_dir};
use super::sabotage::{Sabotage, with_frames_swapped, without_checksums};
use super::senders::{SENDERS, Senders, any_device, any_town};
use super::truth::{Body, Truth};
use super::world::World;

const BEGIN: i64 = 1_795_219_200_000;
const HOUR_MS: usize = 3_600_000;
/// Starts that may fail in a row at the end, when nothing goes wrong any more.
const LAST_STARTS_MAX: usize = 8;

/// How a seed is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Steps before the end.
    pub steps: usize,
    /// What may go wrong.
    pub allowed: Allowed,
    /// A planted fault of the program.
    pub sabotage: Option<Sabotage>,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 400, allowed: Allowed::ALL, sabotage: None }
    }
}

/// A body that waits for the sequencer.
#[derive(Debug)]
struct Request {
    sender: usize,
    body: Body,
    readings: Vec<Reading>,
}

/// A seed on its way.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    world: &'a World,
    options: Options,
    /// Who acts next, and what is sent.
    dice: Dice,
    /// What goes wrong; on its own, so that taking a kind away changes little else.
    misfortune: Dice,
    disk: SimulatedDisk,
    outside: Outside,
    truth: Truth,
    process: Option<Process<'a>>,
    senders: Senders,
    inbox: Vec<Request>,
    pub(crate) step: usize,
    now: i64,
    damage: Damage,
    full_until: Option<usize>,
    was_full: bool,
    slow_until: Option<usize>,
    failures: u64,
    sync_failed: bool,
    pub(crate) report: Report,
}

impl<'a> Run<'a> {
    pub(crate) fn new(world: &'a World, seed: u64, options: Options) -> Self {
        let disk = SimulatedDisk::new(seed);
        disk.set_reader(match options.sabotage {
            Some(Sabotage::DropChecksum) => Some(without_checksums),
            Some(Sabotage::SwapFrames) => Some(with_frames_swapped),
            _ => None,
        });
        Self {
            world,
            options,
            dice: Dice::new(seed, 3),
            misfortune: Dice::new(seed, 4),
            disk,
            outside: Outside::default(),
            truth: Truth::new(world),
            process: None,
            senders: Senders::new(),
            inbox: Vec::new(),
            step: 0,
            now: BEGIN,
            damage: Damage::default(),
            full_until: None,
            was_full: false,
            slow_until: None,
            failures: 0,
            sync_failed: false,
            report: Report { seeds: 1, ..Report::default() },
        }
    }

    /// The last operations, oldest first.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.disk.trace()
    }

    /// Everything, to the end.
    pub(crate) fn play(&mut self) -> Result<()> {
        while self.step < self.options.steps {
            self.step += 1;
            self.one_step()?;
        }
        self.end()?;
        self.report.steps = self.step as u64;
        self.report.operations = self.disk.operations();
        self.report.acknowledged = self.truth.acknowledged;
        self.report.frames = self.truth.next_sequence() - 1;
        self.report.warnings = self.truth.warnings;
        Ok(())
    }

    fn one_step(&mut self) -> Result<()> {
        self.now += i64::try_from(self.dice.below(15_000))? + self.disk.take_spent_ms();
        self.let_pass();
        self.go_wrong()?;
        if self.options.sabotage == Some(Sabotage::SkipSync) {
            let mut fuses = self.disk.fuses();
            fuses.pretended_sync = fuses.pretended_sync.or(Some(4));
            self.disk.set_fuses(fuses);
        }
        if self.process.is_none() {
            return self.start();
        }
        self.act()?;
        if self.disk.is_dark() {
            self.crash(true);
        }
        Ok(())
    }

    /// Somebody does the next thing.
    fn act(&mut self) -> Result<()> {
        let chance = self.dice.below(100);
        let many = 1 + self.dice.below(4);
        let Some(process) = &mut self.process else { return Ok(()) };
        if process.stopped && self.dice.one_in(8) {
            // Somebody mends what can be mended and starts the program again.
            let power = self.dice.one_in(2);
            self.crash(power);
            return Ok(());
        }
        match chance {
            0..33 => self.send(self.step % SENDERS, true)?,
            // On a slow disk a commit hangs while all others go on.
            33..56 if self.slow_until.is_none() => self.sequence(many)?,
            56..70 => (0..many).for_each(|_| _ = process.think()),
            70..77 => (0..many).for_each(|_| _ = process.archive()),
            77..82 => process.flush(&mut self.outside),
            82..87 => {
                for _ in 0..many {
                    process.decide(&mut self.outside, &self.truth)?;
                }
            }
            87..95 => {
                for _ in 0..many {
                    self.report.snapshots += u64::from(process.snapshot(&self.outside)?);
                }
            }
            95..98 => self.report.segments_deleted += process.forget() as u64,
            98 => self.relocate(),
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, sender: usize, fresh: bool) -> Result<()> {
        let now = Timestamp(self.now);
        let Some(body) = self.senders.next(sender, self.step, now, &mut self.dice, fresh) else {
            return Ok(());
        };
        let process = self.process.as_mut().context("a process runs")?;
        self.truth.send(&body);
        let mut readings = Vec::with_capacity(body.readings.len());
        for named in &body.readings {
            let town = any_town(&mut self.dice);
            let stream = process.registry.resolve(&named.device, named.kind, &town, now);
            readings.push(Reading { stream, at: named.at, value: named.value });
        }
        self.inbox.push(Request { sender, body, readings });
        Ok(())
    }

    fn relocate(&mut self) {
        let (device, town) = (any_device(&mut self.dice), any_town(&mut self.dice));
        if let Some(process) = &mut self.process {
            process.registry.relocate(&device, &town);
        }
    }

    /// The sequencer takes what waits, and says what became of it.
    fn sequence(&mut self, most: usize) -> Result<()> {
        let taken: Vec<Request> = self.inbox.drain(..most.min(self.inbox.len())).collect();
        let tick = self.dice.one_in(2).then_some(Timestamp(self.now));
        let before = journal_files(&self.disk);
        let early = self.options.sabotage == Some(Sabotage::AcknowledgeEarly);
        if early {
            self.acknowledge(&taken);
        }
        let process = self.process.as_mut().context("a process runs")?;
        let queued = process.registry.queued();
        let registry = &mut process.registry;
        let pending = registry.take_pending();
        let registrations = self_contained(pending, |id| registry.spec(id));
        let group = Group {
            registrations,
            received_at: Timestamp(self.now),
            batches: taken.iter().map(|request| request.readings.clone()).collect(),
            orders: Vec::new(),
            tick,
        };
        if !process.stopped {
            self.truth.begin(&group);
        }
        // A folder whose sync failed while segments were deleted only keeps them.
        self.disk.take_failed_syncs();
        let outcome = process.writer.write(group);
        let failures = self.disk.failures();
        let explained = failures > std::mem::replace(&mut self.failures, failures);
        let failed_syncs = self.disk.take_failed_syncs();
        self.sync_failed |= failed_syncs.iter().any(|path| path.starts_with(journal_dir()));
        match outcome {
            Ok(steps) => {
                ensure!(!process.stopped, "a stopped writer takes readings again");
                ensure!(!self.sync_failed, "something is acknowledged after a failed sync");
                self.truth.committed(&steps)?;
                process.journaled = queued;
                let empty = steps.is_empty();
                process.hand_on(steps);
                if !empty {
                    self.damage.committed(&self.disk, &before);
                }
                if std::mem::take(&mut self.was_full) {
                    self.report.full_recovered += 1;
                }
                if !early {
                    self.acknowledge(&taken);
                }
            }
            Err(refused) => {
                ensure!(
                    process.stopped || explained || self.disk.is_dark(),
                    "a group is refused and nothing is wrong with the disk: {}",
                    refused.error
                );
                self.disk.note(format!("refused: {}", refused.error));
                if refused.is_passing() {
                    self.truth.taken_back();
                    self.was_full = true;
                    self.report.refused_full += 1;
                } else {
                    process.stopped = true;
                }
                process.registry.put_back(refused.registrations);
                for request in &taken {
                    self.senders.refused(request.sender);
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, taken: &[Request]) {
        for Request { sender, body, .. } in taken {
            self.truth.acknowledge(body);
            self.senders.done(*sender, body);
        }
    }

    /// Misfortunes that last for a while are over.
    fn let_pass(&mut self) {
        if self.full_until.take_if(|until| *until <= self.step).is_some() {
            self.disk.set_capacity(usize::MAX);
        }
        if self.slow_until.take_if(|until| *until <= self.step).is_some() {
            self.disk.set_operation_ms(0);
        }
    }

    /// Perhaps something goes wrong.
    fn go_wrong(&mut self) -> Result<()> {
        let chance = self.misfortune.one_in(28);
        let fault = Fault::ALL[self.misfortune.below(Fault::ALL.len())];
        let soon = u32::try_from(self.misfortune.below(10))?;
        let amount = self.misfortune.below(3 * HOUR_MS);
        if !chance || !self.options.allowed.has(fault) || self.process.is_none() {
            return Ok(());
        }
        self.report.count(fault);
        self.disk.note(format!("step {}: {fault:?}", self.step));
        let mut fuses = self.disk.fuses();
        match fault {
            Fault::PowerCut => fuses.power = Some(soon),
            Fault::Kill => self.crash(false),
            Fault::Stop => self.stop()?,
            Fault::WriteFailure => fuses.write = Some(soon / 3),
            Fault::SyncFailure => fuses.sync = Some(soon / 3),
            Fault::FolderSyncFailure => fuses.sync_dir = Some(soon / 5),
            Fault::FullDisk => {
                self.disk.set_capacity(self.disk.used_bytes() + amount % 2_000);
                self.full_until = Some(self.step + 5 + amount % 40);
            }
            Fault::BitRot => {
                self.crash(false);
                self.damage.rot(&self.disk, &mut self.misfortune);
                if amount.is_multiple_of(3) {
                    self.damage.rot(&self.disk, &mut self.misfortune);
                }
            }
            Fault::Slow => {
                self.slow_until = Some(self.step + 20);
                self.disk.set_operation_ms(i64::try_from(amount % 5_000)?);
            }
            Fault::ShortReads => {
                self.disk.set_short_reads(true);
                self.crash(false);
            }
            Fault::ClockForward => self.now += i64::try_from(amount)?,
            Fault::ClockBack => self.now -= i64::try_from(amount)?,
        }
        if matches!(
            fault,
            Fault::PowerCut | Fault::WriteFailure | Fault::SyncFailure | Fault::FolderSyncFailure
        ) {
            self.disk.set_fuses(fuses);
        }
        Ok(())
    }

    /// The process is gone, with everything that only it knew.
    fn crash(&mut self, power: bool) {
        if self.process.take().is_some() {
            self.report.crashes += 1;
        }
        self.inbox.clear();
        self.senders.cut_off();
        self.sync_failed = false;
        self.was_full = false;
        if power {
            if !self.disk.is_dark() {
                self.disk.cut_power();
            }
            self.disk.restore_power();
        } else {
            self.disk.note("the process is killed".to_owned());
        }
    }

    fn stop(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.stop(&mut self.outside, &self.truth)?;
        self.process = None;
        let dark = self.disk.is_dark();
        self.crash(dark);
        Ok(())
    }

    /// Starts the program, and checks everything when it starts.
    fn start(&mut self) -> Result<()> {
        let power = self.options.allowed.has(Fault::PowerCut) && self.misfortune.one_in(6);
        if power && self.step < self.options.steps {
            let mut fuses = self.disk.fuses();
            fuses.power = Some(u32::try_from(self.misfortune.below(20))?);
            self.disk.set_fuses(fuses);
        }
        self.disk.note(format!("step {}: the program starts", self.step));
        let (world, sabotage) = (self.world, self.options.sabotage);
        let started = Process::start(world, &self.disk, &self.outside, &mut self.truth, sabotage);
        let failures = self.disk.failures();
        let explained = failures > std::mem::replace(&mut self.failures, failures);
        self.disk.take_failed_syncs();
        match started {
            Ok(mut process) => {
                let inside = self.damage.inside(journal_dir());
                ensure!(inside == 0, "rot was not noticed: {:?}", self.damage);
                self.damage.heal(&self.disk);
                self.disk.set_short_reads(false);
                process.settle(&mut self.outside, &self.truth)?;
                process.check(&self.outside, &mut self.truth).context("after a start")?;
                self.report.recoveries += 1;
                self.process = Some(process);
            }
            Err(StartError::Store(error)) => self.refused_start(&error, explained)?,
            Err(StartError::Broken(error)) => return Err(error.context("at a start")),
        }
        if self.disk.is_dark() {
            self.crash(true);
        }
        Ok(())
    }

    /// A start was refused: is there a reason?
    fn refused_start(&mut self, error: &Error, explained: bool) -> Result<()> {
        self.disk.note(format!("the start is refused: {error}"));
        match error {
            _ if self.disk.is_dark() => {}
            Error::Damaged { path, offset, .. } => {
                let known = self.damage.explains(path, *offset);
                ensure!(known, "a start is refused for damage that nobody did: {error}");
                self.report.damage_reported += 1;
                self.damage.heal(&self.disk);
            }
            Error::Removed { .. } => {
                let snapshots = self.damage.inside(snapshots_dir());
                ensure!(snapshots > 1, "a start is refused although a snapshot is sound: {error}");
                self.report.damage_reported += 1;
                self.damage.heal(&self.disk);
            }
            Error::Io { .. } | Error::Full { .. } => {
                ensure!(explained, "a start is refused and the disk is fine: {error}");
            }
            _ => bail!("a start is refused without a reason: {error}"),
        }
        Ok(())
    }

    /// Nothing goes wrong any more: all is started, all senders get their answer, and after one
    /// last power cut everything is there.
    fn end(&mut self) -> Result<()> {
        for last in [false, true] {
            self.disk.set_fuses(chengmai_store::disk::simulated::Fuses::default());
            self.disk.set_capacity(usize::MAX);
            self.disk.set_operation_ms(0);
            if last || self.process.as_ref().is_some_and(|process| process.stopped) {
                self.crash(last);
            }
            for _ in 0..LAST_STARTS_MAX {
                if self.process.is_none() {
                    self.start()?;
                }
            }
            ensure!(self.process.is_some(), "the program does not start any more");
            while !last && !self.senders.are_content() {
                self.step += 1;
                (0..SENDERS).try_for_each(|sender| self.send(sender, false))?;
                self.sequence(usize::MAX)?;
                ensure!(self.step < self.options.steps + 1_000, "a sender gets no answer");
            }
            let process = self.process.as_mut().context("it was started")?;
            process.settle(&mut self.outside, &self.truth)?;
            process.check(&self.outside, &mut self.truth).context("at the end")?;
        }
        self.truth.check_senders()?;
        self.truth.check_from_scratch(self.world)
    }
}
