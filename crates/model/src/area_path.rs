//! The path of an area's code from the city down, as text: `/50/500103/500103001/`. Whether one area
//! holds another is a comparison of prefixes, so decisions and the database need no tree.
//!
//! Invariant: the text begins and ends with `/` and has at least one code, so `/50/` never holds
//! `/50010/`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AreaCode, AreaId, AreaTree};

/// Codes from the city down to and including one area.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AreaPath(Box<str>);

impl AreaPath {
    /// The path of an area in its tree.
    pub fn of(tree: &AreaTree, id: AreaId) -> Self {
        let mut text = String::from("/");
        for step in tree.path(id) {
            text.push_str(tree.get(step).row.code.as_str());
            text.push('/');
        }
        Self(text.into())
    }

    /// Reads `/50/500103/`; every part must be an area code.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('/')?.strip_suffix('/')?;
        inner.split('/').all(|code| AreaCode::new(code).is_some()).then(|| Self(text.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The codes, city first.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.trim_matches('/').split('/')
    }

    /// How many tiers deep: 1 for the city.
    pub fn depth(&self) -> usize {
        self.codes().count()
    }

    /// The code of the area itself.
    pub fn code(&self) -> &str {
        self.codes().last().expect("a path has at least one code")
    }

    /// True when `inner` is this area or lies below it.
    pub fn contains(&self, inner: &Self) -> bool {
        inner.0.starts_with(&*self.0)
    }

    /// The first `depth` codes of the path (1 is the city); `None` when the path is shorter.
    pub fn ancestor(&self, depth: usize) -> Option<Self> {
        let end = self.0.match_indices('/').nth(depth).filter(|_| depth > 0)?.0;
        Some(Self(self.0[..=end].into()))
    }

    /// The area above; `None` for the city.
    pub fn parent(&self) -> Option<Self> {
        self.ancestor(self.depth() - 1)
    }

    /// The half-open range of texts that are this path or below it, for an index in byte order.
    pub fn range(&self) -> (String, String) {
        let mut end = self.0.to_string();
        end.pop();
        // The byte after `/` is `0`; no path lies between `.../` and `...0` but those below.
        end.push('0');
        (self.0.to_string(), end)
    }
}

impl fmt::Display for AreaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AreaPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a path of area codes"))
    }
}

impl From<AreaPath> for String {
    fn from(path: AreaPath) -> Self {
        path.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AreaPath {
        AreaPath::parse(text).unwrap()
    }

    #[test]
    fn a_path_holds_itself_and_what_lies_below_but_no_longer_code() {
        let district = path("/50/500103/");
        assert!(district.contains(&district));
        assert!(district.contains(&path("/50/500103/500103001/")));
        assert!(!path("/50/50010/").contains(&district));
        assert!(!district.contains(&path("/50/")));
        let (low, high) = path("/50/50010/").range();
        let inside = |p: &str| (low.as_str()..high.as_str()).contains(&p);
        assert!(inside("/50/50010/") && inside("/50/50010/zzz/"));
        assert!(!inside("/50/500103/") && !inside("/50/50010-a/") && !inside("/50/"));
    }

    #[test]
    fn ancestors_are_cut_at_whole_codes() {
        let town = path("/50/500103/500103001/");
        assert_eq!((town.depth(), town.code()), (3, "500103001"));
        assert_eq!(town.ancestor(1), Some(path("/50/")));
        assert_eq!(town.ancestor(3).as_ref(), Some(&town));
        assert_eq!(town.ancestor(0), None);
        assert_eq!(town.ancestor(4), None);
        assert_eq!(town.parent(), Some(path("/50/500103/")));
        assert_eq!(path("/50/").parent(), None);
    }

    #[test]
    fn texts_that_are_no_paths_are_refused() {
        for bad in ["", "/", "//", "50", "/50", "50/", "/50//1/", "/5 0/", "/%/"] {
            assert_eq!(AreaPath::parse(bad), None, "{bad}");
        }
    }
}
