//! Forms of single texts in a pack's files: ids, versions, delays, classes, colours. Which key has which
//! form is in `shape`.

use crate::time::parse_duration_ms;

pub(super) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(super) fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

pub(super) fn is_delay(text: &str) -> bool {
    match text.strip_suffix(" readings").or_else(|| text.strip_suffix(" reading")) {
        Some(count) => count.parse::<u32>().is_ok_and(|count| count >= 1),
        None => parse_duration_ms(text).is_some_and(|ms| ms > 0),
    }
}

pub(super) fn is_recheck(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [need, "of", among, "within", time] = words[..] else { return false };
    let (Ok(need), Ok(among)) = (need.parse::<u32>(), among.parse::<u32>()) else { return false };
    (1..=among).contains(&need) && parse_duration_ms(time).is_some_and(|ms| ms > 0)
}

pub(super) fn is_class(text: &str) -> bool {
    text.len() == 5
        && text
            .bytes()
            .enumerate()
            .all(|(n, b)| if n == 2 { b == b'-' } else { b.is_ascii_digit() })
}

pub(super) fn is_color(text: &str) -> bool {
    text.len() == 7
        && text.strip_prefix('#').is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
