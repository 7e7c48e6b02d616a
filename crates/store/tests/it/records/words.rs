//! Search by words: what it finds is what the texts hold, by the index and without it.

use super::*;

const TEXTS: [&str; 8] = [
    "人民路12号井盖破损，夜里看不见",
    "路灯不亮 lamp 4471 near the market",
    "井盖被压坏，LAMP post beside it leans",
    "建设大道88号垃圾满溢",
    "Deep hole, 50% of the lane_closed",
    "中山路口有人占道经营，路边摊",
    "é́cole: ＷＣ堵了",
    "盖",
];
const QUESTIONS: [&str; 18] = [
    "井盖",
    "盖",
    "堵",
    "lamp",
    "LAMP 井盖",
    "井盖 lamp",
    "amp",
    "4471",
    "71 ne",
    "12号",
    "路口有人",
    "e_c",
    "50%",
    "，路",
    "pothole",
    "没有的字",
    "zebra",
    "路",
];

async fn reported(records: &Records, area: &str, text: &str, now: Timestamp) -> Case {
    let (draft, mut events) = filing(area, None, now);
    text.clone_into(&mut events[0].filing.as_mut().unwrap().description);
    records.cases().file(draft, &events, None).await.unwrap().case
}

/// The texts in the order of the list, and the total.
async fn asked(records: &Records, area: &str, question: &str) -> (Vec<String>, u64) {
    let filter = CaseFilter {
        areas: vec![path(area)],
        words: Some(question.into()),
        ..CaseFilter::default()
    };
    let page = records.cases().list(&filter).await.unwrap();
    (page.items.into_iter().map(|case| case.filing.description).collect(), page.total)
}

/// What the texts themselves say, newest first.
fn said(texts: &[&str], question: &str) -> (Vec<String>, u64) {
    let holds = |text: &str| {
        let text = format!("路面坑洞 pothole {}", text.to_lowercase());
        question.to_lowercase().split_whitespace().all(|term| text.contains(term))
    };
    let found: Vec<String> =
        texts.iter().rev().filter(|text| holds(text)).map(|&text| text.to_owned()).collect();
    let total = found.len() as u64;
    (found, total)
}

async fn file_all(records: &Records) {
    for (minute, text) in (0..).zip(TEXTS) {
        let area = if minute % 2 == 0 { TOWN } else { "/50/500104/" };
        reported(records, area, text, at(minute)).await;
    }
}

#[tokio::test]
async fn a_search_finds_what_the_texts_hold_in_chinese_and_english_newest_first() {
    on_both(async |records| {
        file_all(&records).await;
        let inside: Vec<&str> = TEXTS.iter().step_by(2).copied().collect();
        for question in QUESTIONS {
            assert_eq!(asked(&records, "/50/", question).await, said(&TEXTS, question));
            // Other areas' texts are never found.
            assert_eq!(asked(&records, TOWN, question).await, said(&inside, question));
        }
        // Of a number, the day and the serial; the two codes count for themselves.
        assert_eq!(asked(&records, "/50/", "20261121-00003").await.1, 2);
        assert_eq!(asked(&records, "/50/", "500103-20261121-00003").await.1, 1);
    })
    .await;
}

#[tokio::test]
async fn a_search_finds_the_same_when_every_word_is_frequent() {
    const COPIES: usize = 4_100;
    const TEXT: &str = "井盖 zebra 路口有人 LAMP";
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        file_all(&records).await;
        let first = reported(&records, TOWN, TEXT, at(60)).await.id;
        let other = other(&place).await;
        let mut texts = [TEXTS.as_slice(), &[TEXT]].concat();
        // A search then walks, and only counts by the index.
        match &place {
            Place::File(_) => {
                let runs = "井盖 盖 lam amp mp 路 zeb ebr bra 堵 堵了 没有 有的 的字";
                let too_many = format!(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COPIES}) \
                     INSERT INTO case_gram (case_id, grams) SELECT '{first}', '{runs}' FROM n"
                );
                other.execute_unprepared(&too_many).await.unwrap();
            }
            // There a case has one row, which says what its text holds.
            Place::Server(_) => {
                let more = format!(
                    "INSERT INTO \"case\" SELECT (jsonb_populate_record(c, jsonb_build_object('id', 'x' || n))).* \
                     FROM \"case\" c, generate_series(1, {COPIES}) n WHERE id = '{first}'; \
                     INSERT INTO case_gram SELECT 'x' || n, grams \
                     FROM case_gram, generate_series(1, {COPIES}) n WHERE case_id = '{first}'"
                );
                other.execute_unprepared(&more).await.unwrap();
                texts.extend(std::iter::repeat_n(TEXT, COPIES));
            }
        }
        for question in QUESTIONS.into_iter().chain(["zebra 路", "口有人", "人口", "bra lamp 有人"]) {
            let (mut wanted, total) = said(&texts, question);
            wanted.truncate(100);
            assert_eq!(asked(&records, "/50/", question).await, (wanted, total), "{question}");
        }
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn few_of_very_many_that_have_the_runs_of_a_word_are_all_counted() {
    let Some(place) = postgres::database().await else { return };
    let records = Records::open(place.clone()).await.unwrap();
    let first = reported(&records, TOWN, "占道经营", at(1)).await.id;
    let other = other(&place).await;
    // So many rows name all runs of the word, in another order, that only a part of them is collected at first.
    let many = format!(
        "INSERT INTO case_gram SELECT 'x' || n, '经营 x 道经 x 占道' FROM generate_series(1, 90000) n; \
         INSERT INTO case_gram SELECT 'y' || n, grams FROM case_gram, generate_series(1, 5000) n \
         WHERE case_id = '{first}'"
    );
    other.execute_unprepared(&many).await.unwrap();
    assert_eq!(asked(&records, "/50/", "占道经营").await.1, 5_001);
    other.close().await.unwrap();
    records.close().await.unwrap();
}

#[tokio::test]
async fn what_was_there_before_the_index_is_found_at_once_and_filled_in() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        file_all(&records).await;
        records.settings().set("case_words_filled_to", "").await.unwrap();
        records.close().await.unwrap();
        let other = other(&place).await;
        let empty = match &place {
            Place::File(_) => "INSERT INTO case_gram (case_gram) VALUES ('delete-all')",
            Place::Server(_) => "DELETE FROM case_gram",
        };
        other.execute_unprepared(empty).await.unwrap();
        let records = Records::open(place).await.unwrap();
        for question in QUESTIONS {
            assert_eq!(asked(&records, "/50/", question).await, said(&TEXTS, question));
        }
        while records.settings().find("case_words_filled_to").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        let sql = "SELECT count(DISTINCT case_id) FROM case_gram";
        let backend = other.get_database_backend();
        let row = other.query_one_raw(sea_orm::Statement::from_string(backend, sql)).await;
        let filled: i64 = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        assert_eq!(filled, i64::try_from(TEXTS.len()).unwrap());
        for question in QUESTIONS {
            assert_eq!(asked(&records, "/50/", question).await, said(&TEXTS, question));
        }
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
}
