//! What do people suddenly write about? Words whose share of an area's reports rose most against
//! before, by the likelihood ratio of the four counts.
//!
//! Not a summary, and no quotation: personal data is taken out first, and a word is only said when
//! at least five different reports have it. There is no dictionary; a word is any run of two to six
//! letters, and where a longer run says the same the shorter ones are left out.

use hashbrown::HashMap;

use super::REPORTS_MIN;
use super::letter::{is_han, is_latin, plain};
use super::scrub::scrub;

/// Letters of a run of Chinese.
const RUN_MAX: usize = 6;
/// A shorter run adds nothing when the longer one is in so large a share of its reports.
const SAME_SHARE: f64 = 0.8;

/// A word that rose.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// The word.
    pub word: String,
    /// Reports now that have it.
    pub now: u32,
    /// Reports before that had it.
    pub before: u32,
    /// How unlikely that is by chance: twice the logarithm of the likelihood ratio.
    pub strength: f64,
}

type Fixed = foldhash::fast::FixedState;

/// At most `topics_max` words whose share rose most, from the reports of an area in one week and
/// those of weeks before. Floors below [`REPORTS_MIN`] are raised to it.
pub fn topics(now: &[&str], before: &[&str], reports_min: u32, topics_max: usize) -> Vec<Topic> {
    let floor = reports_min.max(REPORTS_MIN);
    let mut counts: HashMap<String, (u32, u32), Fixed> = HashMap::default();
    for text in now {
        each_word(text, |word| counts.entry_ref(word).or_default().0 += 1);
    }
    counts.retain(|_, count| count.0 >= floor);
    for text in before {
        each_word(text, |word| {
            if let Some(count) = counts.get_mut(word) {
                count.1 += 1;
            }
        });
    }
    let (all_now, all_before) = (now.len() as f64, before.len() as f64);
    let mut rising: Vec<Topic> = counts
        .into_iter()
        .filter(|(_, count)| f64::from(count.0) * all_before > f64::from(count.1) * all_now)
        .map(|(word, (now, before))| {
            let strength = strength(f64::from(now), all_now, f64::from(before), all_before);
            Topic { word, now, before, strength }
        })
        .collect();
    rising.sort_by(|a, b| {
        let longer = || b.word.len().cmp(&a.word.len());
        b.strength.total_cmp(&a.strength).then_with(longer).then_with(|| a.word.cmp(&b.word))
    });
    let mut topics: Vec<Topic> = Vec::new();
    for topic in rising {
        if topics.len() == topics_max {
            break;
        }
        match topics.iter_mut().find(|other| says_the_same(&topic, other)) {
            // The longer of two that say the same is the better word.
            Some(other) if topic.word.len() > other.word.len() => other.word = topic.word,
            Some(_) => {}
            None => topics.push(topic),
        }
    }
    topics
}

fn says_the_same(one: &Topic, other: &Topic) -> bool {
    let (short, long) = if one.word.len() < other.word.len() { (one, other) } else { (other, one) };
    let share = f64::from(long.now.min(short.now)) / f64::from(long.now.max(short.now));
    share >= SAME_SHARE && overlap(&short.word, &long.word)
}

/// Whether the shorter word is in the longer one, or begins where that ends by two letters or more.
fn overlap(short: &str, long: &str) -> bool {
    let joins = |first: &str, second: &str| {
        first.char_indices().any(|(at, _)| {
            let rest = &first[at..];
            rest.chars().count() >= 2 && second.starts_with(rest)
        })
    };
    long.contains(short) || joins(short, long) || joins(long, short)
}

/// The G of the table: with and without the word, now and before.
fn strength(now: f64, all_now: f64, before: f64, all_before: f64) -> f64 {
    let all = all_now + all_before;
    let with = now + before;
    let part = |seen: f64, row: f64, column: f64| {
        if seen > 0.0 { seen * (seen * all / (row * column)).ln() } else { 0.0 }
    };
    2.0 * (part(now, with, all_now)
        + part(before, with, all_before)
        + part(all_now - now, all - with, all_now)
        + part(all_before - before, all - with, all_before))
}

/// Hands each word of a text to `take`, each once.
fn each_word(text: &str, mut take: impl FnMut(&str)) {
    let clean = scrub(text).text;
    let mut seen: HashMap<String, (), Fixed> = HashMap::default();
    let mut add = |word: &str| {
        if seen.insert(word.to_owned(), ()).is_none() {
            take(word);
        }
    };
    let mut rest: String = String::new();
    let mut is_mark = false;
    let mut runs: Vec<String> = Vec::new();
    for letter in clean.chars().chain(['\n']) {
        is_mark = letter == '〔' || (is_mark && letter != '〕');
        let letter = plain(letter);
        let goes_on = !is_mark
            && rest.chars().next_back().is_none_or(|last| is_han(last) == is_han(letter))
            && (is_han(letter) || is_latin(letter));
        if !goes_on && !rest.is_empty() {
            runs.push(std::mem::take(&mut rest));
        }
        if !is_mark && (is_han(letter) || is_latin(letter)) {
            rest.push(letter);
        }
    }
    for run in runs {
        if !run.chars().next().is_some_and(is_han) {
            if run.chars().count() > 2 {
                add(&run);
            }
            continue;
        }
        let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
        for first in 0..starts.len() {
            for last in first + 2..=(first + RUN_MAX).min(starts.len() - 1) {
                add(&run[starts[first]..starts[last]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Topic, topics};

    fn words(topics: &[Topic]) -> Vec<&str> {
        topics.iter().map(|topic| topic.word.as_str()).collect()
    }

    #[test]
    fn the_word_that_rose_is_found_whole_and_what_was_always_said_is_not() {
        let now = [
            "请处理人民路自来水发黄",
            "自来水发黄请处理",
            "幸福小区自来水发黄",
            "家里自来水发黄，请处理",
            "请处理，自来水发黄",
            "路灯不亮请处理",
            "自来水发黄怎么办",
        ];
        let before = [
            "路灯不亮请处理",
            "请处理井盖",
            "请处理垃圾",
            "请处理噪音",
            "请处理路面",
            "请处理积水",
        ];
        let found = topics(&now, &before, 5, 3);
        assert_eq!(words(&found), ["自来水发黄"]);
        assert_eq!((found[0].now, found[0].before), (6, 0));
    }

    #[test]
    fn a_word_of_fewer_than_five_reports_is_never_said() {
        let four = ["张三家漏水"; 4];
        assert_eq!(topics(&four, &[], 0, 10), []);
        let before = ["井盖", "井盖"];
        assert_eq!(words(&topics(&["张三家漏水"; 5], &before, 0, 10)), ["张三家漏水"]);
        assert_eq!(topics(&["漏水漏水漏水漏水漏水"], &before, 5, 10), [], "one report counts once");
    }

    #[test]
    fn personal_data_is_no_topic_even_when_many_write_it() {
        let now = ["打电话13800138000，我叫王小明"; 9];
        let found = topics(&now, &["路灯", "井盖"], 5, 50);
        let said = words(&found).concat();
        assert!(!said.contains('王') && !said.contains('0') && !said.contains("姓名"), "{said}");
    }

    #[test]
    fn english_words_are_whole() {
        let found = topics(&["water is Yellow"; 6], &["the lamp is out"; 6], 5, 5);
        assert!(words(&found).contains(&"yellow"), "{found:?}");
    }

    proptest! {
        #[test]
        fn every_topic_has_its_reports_and_rose(
            now in prop::collection::vec("[路灯井盖坏水 a]{0,8}", 0..20),
            before in prop::collection::vec("[路灯井盖坏水 a]{0,8}", 0..20),
        ) {
            let now: Vec<&str> = now.iter().map(String::as_str).collect();
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            for topic in topics(&now, &before, 5, 10) {
                prop_assert!(topic.now >= 5);
                prop_assert!(topic.strength >= -1e-9);
                let rose = f64::from(topic.now) * before.len() as f64
                    > f64::from(topic.before) * now.len() as f64;
                prop_assert!(rose);
            }
        }
    }
}
