//! What goes wrong in a run, and the counts of what did.

use std::fmt;

/// A kind of misfortune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// The power goes in the middle of an operation: what was not synced is torn, lost, or there.
    PowerCut,
    /// The process is killed; what it wrote stays readable.
    Kill,
    /// The program is stopped and started in good order.
    Stop,
    /// A write stops halfway with an error.
    WriteFailure,
    /// A sync fails, and what it should have made durable is lost.
    SyncFailure,
    /// A sync of a folder fails.
    FolderSyncFailure,
    /// The disk is full for a while.
    FullDisk,
    /// A bit of a durable file turns over.
    BitRot,
    /// Every operation takes seconds for a while.
    Slow,
    /// Reads give less than was asked for.
    ShortReads,
    /// The clock jumps ahead by hours.
    ClockForward,
    /// The clock jumps back by hours.
    ClockBack,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::PowerCut,
        Self::Kill,
        Self::Stop,
        Self::WriteFailure,
        Self::SyncFailure,
        Self::FolderSyncFailure,
        Self::FullDisk,
        Self::BitRot,
        Self::Slow,
        Self::ShortReads,
        Self::ClockForward,
        Self::ClockBack,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::PowerCut => "power cuts",
            Self::Kill => "kills",
            Self::Stop => "stops in good order",
            Self::WriteFailure => "failed writes",
            Self::SyncFailure => "failed syncs",
            Self::FolderSyncFailure => "failed folder syncs",
            Self::FullDisk => "full disks",
            Self::BitRot => "rotten bits",
            Self::Slow => "slow disks",
            Self::ShortReads => "short reads",
            Self::ClockForward => "clock jumps forward",
            Self::ClockBack => "clock jumps back",
        }
    }
}

/// Which kinds of misfortune may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed(u16);

impl Allowed {
    /// Every kind.
    pub const ALL: Self = Self(u16::MAX);

    /// Whether this kind may happen.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u16) != 0
    }

    /// The same without one kind.
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u16))
    }
}

/// What happened in one run, or in many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Runs.
    pub seeds: u64,
    /// Steps of all runs.
    pub steps: u64,
    /// Operations of the disk.
    pub operations: u64,
    /// Readings that senders were told are safe.
    pub acknowledged: u64,
    /// Frames that became durable.
    pub frames: u64,
    /// Warnings raised.
    pub warnings: u64,
    /// Snapshots published.
    pub snapshots: u64,
    /// Segments of the journal deleted.
    pub segments_deleted: u64,
    /// Ends of a process without a good stop.
    pub crashes: u64,
    /// Starts whose state was compared with an engine that never stopped.
    pub recoveries: u64,
    /// Starts that were refused because of damage, as they must be.
    pub damage_reported: u64,
    /// Groups refused because the disk was full.
    pub refused_full: u64,
    /// Times that readings were taken again, without a restart, after the disk had been full.
    pub full_recovered: u64,
    /// How often each kind of misfortune was let loose, in the order of [`Fault::ALL`].
    pub faults: [u64; 12],
}

impl Report {
    pub(crate) fn count(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.operations += other.operations;
        self.acknowledged += other.acknowledged;
        self.frames += other.frames;
        self.warnings += other.warnings;
        self.snapshots += other.snapshots;
        self.segments_deleted += other.segments_deleted;
        self.crashes += other.crashes;
        self.recoveries += other.recoveries;
        self.damage_reported += other.damage_reported;
        self.refused_full += other.refused_full;
        self.full_recovered += other.full_recovered;
        for (sum, count) in self.faults.iter_mut().zip(other.faults) {
            *sum += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} seeds, {} steps, {} disk operations: {} readings acknowledged in {} frames, {} warnings, \
             {} snapshots, {} segments deleted",
            self.seeds,
            self.steps,
            self.operations,
            self.acknowledged,
            self.frames,
            self.warnings,
            self.snapshots,
            self.segments_deleted
        )?;
        writeln!(
            f,
            "{} crashes, {} recoveries compared, {} starts refused for damage, {} groups refused by a full \
             disk, {} times taken again without a restart",
            self.crashes,
            self.recoveries,
            self.damage_reported,
            self.refused_full,
            self.full_recovered
        )?;
        let faults = Fault::ALL.iter().zip(self.faults);
        let faults: Vec<String> =
            faults.map(|(fault, count)| format!("{count} {}", fault.name())).collect();
        write!(f, "{}", faults.join(", "))
    }
}
