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
async fn a_search_finds_the_same_when_the_index_holds_too_much() {
    in_both_places(async |place| {
        let records = Records::open(place.clone()).await.unwrap();
        file_all(&records).await;
        let first = reported(&records, TOWN, "井盖 zebra", at(60)).await.id;
        let texts: Vec<&str> = TEXTS.into_iter().chain(["井盖 zebra"]).collect();
        let other = other(&place).await;
        // As if every word were frequent: a search then walks, and only counts by the index.
        let runs = "井盖 盖 lam amp mp 路 zeb ebr bra 堵 堵了 没有 有的 的字";
        let many = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4100) \
             INSERT INTO case_gram (case_id, grams) SELECT '{first}', '{runs}' FROM n"
        );
        other.execute_unprepared(&many).await.unwrap();
        for question in QUESTIONS {
            assert_eq!(asked(&records, "/50/", question).await, said(&texts, question));
        }
        other.close().await.unwrap();
        records.close().await.unwrap();
    })
    .await;
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
