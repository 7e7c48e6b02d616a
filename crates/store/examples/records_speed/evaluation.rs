//! How long an evaluation reads: all cases that may count in a period, page by page, into one tally, as the
//! server's page does it.

use std::time::Instant;

use chengmai_engine::rating::formulas::{Span, Tally, classify};
use chengmai_engine::rating::gather::{Numbers, of_case};
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, EvaluationPeriod, Formula, Timestamp};
use chengmai_store::records::Records;
use chengmai_store::records::cases::CaseScan;

use crate::city;

pub(crate) async fn measure(records: &Records, count: u64) {
    let now = city::filed_at(count).plus_ms(DAY_MS);
    println!("evaluation of the whole city, read and counted:");
    for (name, days) in
        [("the last month", 30), ("the last quarter", 91), ("the last four years", 1_461)]
    {
        let from = Timestamp(now.0.saturating_sub(days * DAY_MS));
        let start = Instant::now();
        let (cases, tally) = evaluate(records, from, now).await;
        let on_time = tally.figure(Formula::DisposedOnTime).rate;
        println!(
            "  {name}: {cases} cases in {:.2} s; handled on time {}/{}",
            start.elapsed().as_secs_f64(),
            on_time.numerator,
            on_time.denominator
        );
    }
}

async fn evaluate(records: &Records, from: Timestamp, now: Timestamp) -> (u64, Tally) {
    let span = Span::new(EvaluationPeriod { from, to: now }, now);
    let mut scan = CaseScan { areas: vec![city::root()], from, end: now, cursor: None };
    let (mut cases, mut tally, mut numbers) = (0, Tally::default(), Numbers::default());
    loop {
        let page = records.cases().scan(&scan).await.unwrap();
        cases += page.items.len() as u64;
        for case in &page.items {
            tally.add(&classify(&of_case(case, 0, AreaId::ROOT, &mut numbers), span));
        }
        match page.next_cursor {
            Some(cursor) => scan.cursor = Some(cursor),
            None => return (cases, tally),
        }
    }
}
