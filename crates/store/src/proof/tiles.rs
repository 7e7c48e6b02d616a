//! The names that C2SP tlog-tiles gives to parts of a log: hashes of the tree in tiles of 256, and entries in
//! bundles of as many.
//!
//! What it is not: files. The log keeps each row of the tree in one file and cuts tiles out of it.

use std::fmt::Write as _;

/// Writing to a text in memory.
const INFALLIBLE: &str = "writing to a string cannot fail";
/// Hashes of a full tile, entries of a full bundle.
pub const TILE_LENGTH: usize = 256;
/// The same, as places are counted.
pub const TILE_WIDTH: u64 = TILE_LENGTH as u64;
/// The highest row of tiles that a name may ask for.
const LEVEL_MAX: u8 = 7;

/// A part of a log, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileName {
    /// Which row of tiles, from the leaves up; none: entries.
    pub level: Option<u8>,
    /// Which tile of the row.
    pub index: u64,
    /// How many hashes or entries: 1 to 256.
    pub width: u64,
}

impl TileName {
    /// A name without `tile/`: `0/x001/234`, `1/000.p/17`, `entries/005`.
    pub fn parse(text: &str) -> Option<Self> {
        let (level, rest) = text.split_once('/')?;
        let level = match level {
            "entries" => None,
            number if is_number(number) => {
                Some(number.parse().ok().filter(|level| *level <= LEVEL_MAX)?)
            }
            _ => return None,
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) if is_number(width) => {
                (index, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?)
            }
            Some(_) => return None,
            None => (rest, TILE_WIDTH),
        };
        let name = Self { level, index: parse_index(index)?, width };
        // One name for one thing: `x000/001` is none.
        (name.text() == text).then_some(name)
    }

    /// The name, without `tile/`.
    pub fn text(&self) -> String {
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        let mut text = level;
        for (left, group) in groups.iter().enumerate().rev() {
            text.push_str(if left > 0 { "/x" } else { "/" });
            write!(text, "{group:03}").expect(INFALLIBLE);
        }
        if self.width < TILE_WIDTH {
            write!(text, ".p/{}", self.width).expect(INFALLIBLE);
        }
        text
    }
}

/// Decimal digits without a zero in front.
fn is_number(text: &str) -> bool {
    text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_index(text: &str) -> Option<u64> {
    let groups: Vec<&str> = text.split('/').collect();
    let (last, before) = groups.split_last()?;
    let mut index: u64 = 0;
    for group in before.iter().map(|group| group.strip_prefix('x')).chain([Some(*last)]) {
        let group = group.filter(|g| g.len() == 3 && g.bytes().all(|b| b.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(group.parse().ok()?)?;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::TileName;

    #[test]
    fn a_tile_has_the_name_that_the_standard_gives_it() {
        for (text, level, index, width) in [
            ("0/x001/x234/067", Some(0), 1_234_067, 256),
            ("1/000.p/17", Some(1), 0, 17),
            ("entries/x001/000", None, 1_000, 256),
            ("7/999.p/255", Some(7), 999, 255),
        ] {
            let name = TileName { level, index, width };
            assert_eq!(name.text(), text);
            assert_eq!(TileName::parse(text), Some(name));
        }
    }

    #[test]
    fn other_names_are_none() {
        for text in [
            "",
            "0",
            "0/",
            "0/1",
            "0/0001",
            "8/000",
            "00/000",
            "+1/000",
            "0/x000/001",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/017",
            "0/000.p",
            "data/000",
            "0/001/002",
            "0/x001",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TileName::parse(text), None, "{text}");
        }
    }
}
