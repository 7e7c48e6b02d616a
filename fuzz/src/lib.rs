//! Every decoder with spoiled bytes: a target is a decoder, what must hold of its answer whatever
//! the bytes are, and sound samples to spoil.
//!
//! What it is not: it is guided by no compiler's instruments (decision 0031). A target answers with
//! a [`Trait`], a number for what the decoder made of the bytes; bytes with a new one are kept for
//! the length of a run and spoiled further. No part of the product; no clock here.

mod cap;
mod certificate;
mod city;
mod files;
mod maps;
mod mcp;
mod mqtt;
mod mutate;
mod ngsi_ld;
mod proof;
mod sensorthings;
mod text;
mod transit;

use std::collections::BTreeSet;
use std::path::PathBuf;

use mutate::Dice;

/// What a decoder made of some bytes, in one number: the same for bytes treated alike.
pub type Trait = u64;

/// Most samples that a run keeps; beyond that only the first ones are spoiled further.
const POOL_MAX: usize = 4_096;

/// A decoder to throw bytes at.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its word on the command line, and the name of its folder in the corpus.
    pub name: &'static str,
    /// Sound bytes, made afresh, for formats no editor writes.
    pub made: fn() -> Vec<Vec<u8>>,
    /// Decodes, and panics when something does not hold.
    pub run: fn(&[u8]) -> Trait,
}

const fn target(name: &'static str, made: fn() -> Vec<Vec<u8>>, run: fn(&[u8]) -> Trait) -> Target {
    Target { name, made, run }
}

/// All of them.
pub const TARGETS: [Target; 24] = [
    target("line-protocol", Vec::new, text::line_protocol),
    target("observations-json", Vec::new, text::observations_json),
    target("observations-ndjson", Vec::new, text::observations_ndjson),
    target("observations-csv", Vec::new, text::observations_csv),
    target("gateway", text::gateway_made, text::gateway),
    target("mqtt", mqtt::made, mqtt::connection),
    target("certificate", certificate::made, certificate::subject),
    target("area-rows", Vec::new, text::area_rows),
    target("area-boundaries", Vec::new, text::area_boundaries),
    target("devices", Vec::new, text::devices),
    target("service-requests", Vec::new, text::service_requests),
    target("geo-report", Vec::new, text::geo_report),
    target("cql2", Vec::new, maps::filter),
    target("features", Vec::new, maps::query),
    target("cap", cap::made, cap::message),
    target("gtfs-realtime", transit::message_made, transit::message),
    target("gtfs", transit::timetable_made, transit::timetable),
    target("sensorthings", Vec::new, sensorthings::request),
    target("ngsi-ld", Vec::new, ngsi_ld::request),
    target("mcp", Vec::new, mcp::message),
    target("journal", files::journal_made, files::journal),
    target("snapshot", files::snapshot_made, files::snapshot),
    target("engine", city::made, city::restore),
    target("proof", proof::made, proof::read),
];

impl Target {
    /// Where its kept samples lie.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/fuzz").join(self.name)
    }

    /// Kept samples in order of their names, then made ones.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn samples(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(self.folder()) {
            Ok(entries) => {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        paths.sort();
        let mut samples: Vec<Vec<u8>> =
            paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
        samples.extend((self.made)());
        Ok(samples)
    }
}

/// A run against one target: always the same bytes in the same order.
#[derive(Debug)]
pub struct Run {
    target: Target,
    pool: Vec<Vec<u8>>,
    known: BTreeSet<Trait>,
    dice: Dice,
}

impl Run {
    /// # Errors
    /// When the corpus cannot be read.
    pub fn new(target: Target) -> std::io::Result<Self> {
        let pool = target.samples()?;
        let seed = target.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Ok(Self { target, pool, known: BTreeSet::new(), dice: Dice::new(seed) })
    }

    /// The next spoiled bytes.
    pub fn next_input(&mut self) -> Vec<u8> {
        mutate::spoil(&mut self.dice, &self.pool)
    }

    /// Decodes; bytes that were treated as none before are spoiled further later on.
    ///
    /// # Panics
    /// When something does not hold. That is what is looked for.
    pub fn try_input(&mut self, input: Vec<u8>) {
        let answer = (self.target.run)(&input);
        if self.known.insert(answer) && self.pool.len() < POOL_MAX {
            self.pool.push(input);
        }
    }

    /// How many kinds of answer were seen.
    pub fn answers(&self) -> usize {
        self.known.len()
    }
}
