//! `chengmai train`: learns from a city's own closed cases, while it runs or not, and says honestly how
//! good that is.

use std::path::Path;

use chengmai_engine::triage::route::{Classifier, Fitness};
use chengmai_model::{AreaId, AreaPath};

use super::user::open;
use super::{runtime, say};
use crate::city::areas::Areas;
use crate::city::layout::{AreaFiles, ModelFiles};
use crate::city::training::{CASES_MIN, train, urgent_types};
use crate::cli::{Train, TrainWhat};
use crate::config::RecordsFlags;
use crate::packs;

pub(crate) fn run(asked: Train) -> anyhow::Result<()> {
    match asked.what {
        TrainWhat::Routing { data, records } => runtime()?.block_on(routing(&data, &records)),
    }
}

async fn routing(data: &Path, records: &RecordsFlags) -> anyhow::Result<()> {
    let records = open(data, records).await?;
    let loaded = packs::load(None)?;
    let areas = Areas::today(&AreaFiles::of(data), &loaded)?.tree;
    let root = AreaPath::of(&areas, AreaId::ROOT);
    let (files, urgent) = (ModelFiles::of(data), urgent_types(loaded.packs.iter()));
    let learnt = train(&records, root, &urgent, &files).await?;
    for line in report(&learnt.routing) {
        say(line);
    }
    say(sense("whether a report can wait", learnt.urgency.as_ref()));
    say(sense("how words sound, from those who rated", learnt.tone.as_ref()));
    let file = files.routing();
    say(format!("the model is {}; a running city takes it up at SIGHUP", file.display()));
    Ok(())
}

fn sense(what: &str, model: Option<&Classifier>) -> String {
    match model.map(Classifier::fitness) {
        None => format!("{what}: too little to learn from, it takes {CASES_MIN} of two sorts"),
        Some(Fitness { taught, held_out, right, .. }) => format!(
            "{what}: learnt from {taught}, right in {right} of the latest {held_out}, held out"
        ),
    }
}

/// How good it is, in the words that a person at the terminal reads.
fn report(model: &Classifier) -> [String; 5] {
    let Fitness { taught, held_out, right, right_of_three, decided, decided_right, .. } =
        *model.fitness();
    let share = |part: u32, of: u32| match of {
        0 => "n/a".to_owned(),
        _ => format!("{part} of {of} ({:.1} %)", f64::from(part) / f64::from(of) * 100.0),
    };
    let alone = model.decides_from().map_or_else(
        || "it never decides alone: no probability was right often enough".to_owned(),
        |from| {
            format!(
                "it decides alone from a probability of {from:.3}: {} of the held-out cases, right in {}",
                share(decided, held_out),
                share(decided_right, decided)
            )
        },
    );
    [
        format!(
            "{} types, learnt from {taught} closed cases; the latest {held_out} were held out",
            model.labels().len()
        ),
        format!("first proposal right: {}", share(right, held_out)),
        format!("one of three right: {}", share(right_of_three, held_out)),
        alone,
        format!(
            "mean gap between stated and true probability: {:.3}",
            model.fitness().miscalibration
        ),
    ]
}
