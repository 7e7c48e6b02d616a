//! Whose work a case is: the city's table of responsibilities first, then the lead of the case type;
//! and why, in words for whoever sends the case.
//!
//! Not the list of duties: what an agency is given by the table is added to that
//! ([`CaseRules::covers`](super::CaseRules::covers)). Invariant: a row about an owner holds only where
//! the report names that owner.

use chengmai_model::city::{Owner, Responsibilities, Responsibility};
use chengmai_model::{AreaPath, Text};

use super::CaseRules;

/// The table, its areas as paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    owners: Vec<Owner>,
    rows: Vec<(Option<AreaPath>, Responsibility)>,
}

/// The agency that answers, and why.
#[derive(Debug, Clone, Copy)]
pub struct Responsible<'a> {
    /// Its id.
    pub agency: &'a str,
    /// Whose the thing is, where the report names it.
    pub owner: Option<&'a Owner>,
    /// The word that names it.
    pub word: Option<&'a str>,
    /// The row that holds; none where the case type's lead answers.
    pub row: Option<&'a Responsibility>,
}

impl Responsible<'_> {
    /// Why this agency.
    pub fn reason(&self) -> Text {
        let Some(row) = self.row else {
            return Text::new(
                "该类案件的主责单位，最近的一家",
                "the lead of this type of case, the nearest one",
            );
        };
        let word = self.word.map_or_else(Text::default, |word| {
            Text::new(format!("；文字提到“{word}”"), format!("; the words name \"{word}\""))
        });
        Text::new(
            format!("职责表：{}{}（{}）", row.why.zh, word.zh, row.source),
            format!("table of responsibilities: {}{} ({})", row.why.en, word.en, row.source),
        )
    }
}

impl Rows {
    /// The table, with the path of each area.
    ///
    /// # Errors
    /// The code of an area that there is not.
    pub(super) fn new(
        table: &Responsibilities,
        path: impl Fn(&str) -> Option<AreaPath>,
    ) -> Result<Self, String> {
        let mut rows = Vec::new();
        for row in &table.rows {
            let area = row.area.as_ref().map(|code| path(code.as_str()).ok_or(code.to_string()));
            rows.push((area.transpose()?, row.clone()));
        }
        // The most special first; of equal ones the first in the file.
        rows.sort_by_key(|(area, row)| {
            let depth = area.as_ref().map_or(0, AreaPath::depth);
            std::cmp::Reverse((depth, row.owner.is_some(), !row.cases.is_empty()))
        });
        Ok(Self { owners: table.owners.clone(), rows })
    }

    /// Kind of agency and case type of all that the table gives; no type: all.
    pub(super) fn duties(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.rows.iter().map(|(_, row)| (row.agency.as_str(), row.cases.as_slice()))
    }

    /// The owner that a text names, and by which word: the longest one.
    fn owner_in(&self, text: &str) -> Option<(&Owner, &str)> {
        let text = text.to_lowercase();
        let words = self
            .owners
            .iter()
            .flat_map(|owner| owner.words.iter().map(move |word| (owner, word.as_str())));
        words.filter(|(_, word)| text.contains(word)).max_by_key(|(_, word)| word.len())
    }
}

impl CaseRules {
    /// Takes the city's table of responsibilities, before any case is decided.
    ///
    /// # Errors
    /// The code of an area, or the id of a case type, that there is not.
    pub fn set_responsibilities(
        &mut self,
        table: &Responsibilities,
        path: impl Fn(&str) -> Option<AreaPath>,
    ) -> Result<(), String> {
        let mut named = table.rows.iter().flat_map(|row| &row.cases);
        if let Some(unknown) = named.find(|id| !self.types.contains_key(*id)) {
            return Err(unknown.clone());
        }
        let table = Rows::new(table, path)?;
        for (kind, cases) in table.duties() {
            let all: Vec<String> = self.types.keys().cloned().collect();
            let given = if cases.is_empty() { all.as_slice() } else { cases };
            self.duties.entry(kind.to_owned()).or_default().extend(given.iter().cloned());
        }
        self.responsibilities = table;
        Ok(())
    }

    /// Who answers for a case of this type at this place, of which these words are said.
    pub fn responsible(
        &self,
        type_id: &str,
        text: &str,
        place: &AreaPath,
    ) -> Option<Responsible<'_>> {
        let named = self.responsibilities.owner_in(text);
        for (area, row) in &self.responsibilities.rows {
            let owned = named.filter(|(owner, _)| Some(&owner.id) == row.owner.as_ref());
            let fits = area.as_ref().is_none_or(|area| area.contains(place))
                && (row.cases.is_empty() || row.cases.iter().any(|case| case == type_id))
                && (row.owner.is_none() || owned.is_some());
            if fits && let Some(agency) = self.agency_of(&row.agency, place) {
                let (owner, word) = owned.unzip();
                return Some(Responsible { agency, owner, word, row: Some(row) });
            }
        }
        let lead = &self.case_type(type_id)?.lead;
        let agency = self.agency_of(lead, place)?;
        Some(Responsible { agency, owner: None, word: None, row: None })
    }
}

#[cfg(test)]
mod tests {
    use chengmai_model::AreaCode;
    use chengmai_model::calendar::Calendar;
    use chengmai_model::pack::{CaseObject, CaseType};
    use chengmai_model::{Severity, Tier};

    use super::*;
    use crate::case::AgencyRule;

    fn path(text: &str) -> AreaPath {
        AreaPath::parse(text).unwrap()
    }

    fn cover() -> CaseType {
        CaseType {
            id: "cover".into(),
            name: Text::new("井盖", "Cover"),
            class: "01-23".into(),
            object: CaseObject::Component,
            severity: Severity::MINOR,
            level: Tier::Town,
            lead: "city".into(),
            helpers: Vec::new(),
            limits: Vec::new(),
            procedure: None,
            plan: None,
            photos: std::collections::BTreeMap::new(),
            stages: std::collections::BTreeMap::new(),
        }
    }

    fn row(area: Option<&str>, owner: Option<&str>, agency: &str) -> Responsibility {
        Responsibility {
            area: area.map(|code| AreaCode::new(code).unwrap()),
            cases: vec!["cover".into()],
            owner: owner.map(str::to_owned),
            agency: agency.into(),
            why: Text::new("谁所有谁负责", "whose it is, mends it"),
            source: "made for a test".into(),
        }
    }

    fn rules(rows: Vec<Responsibility>) -> Result<CaseRules, String> {
        let mut rules = CaseRules::new(Calendar::default(), [&cover()], [], [], []);
        for (id, kind) in [("city_1", "city"), ("telecom_1", "telecom"), ("park_1", "park")] {
            let rule = AgencyRule { kind: kind.into(), area: path("/50/500103/"), hours: None };
            rules.set_agency(id, rule);
        }
        let whole = AgencyRule { kind: "telecom".into(), area: path("/50/"), hours: None };
        rules.set_agency("telecom_0", whole);
        let owner = |id: &str, word: &str| Owner {
            id: id.into(),
            name: Text::new(id, id),
            municipal: false,
            words: vec![word.into()],
        };
        let owners = vec![owner("telecom", "电信"), owner("rail", "rail")];
        let find = |code: &str| (code == "500103001").then(|| path("/50/500103/500103001/"));
        rules.set_responsibilities(&Responsibilities { owners, rows }, find)?;
        Ok(rules)
    }

    fn check(rules: &CaseRules, text: &str, place: &str, agency: &str, why: &str) {
        let found = rules.responsible("cover", text, &path(place)).unwrap();
        assert_eq!(found.agency, agency, "{text} at {place}");
        assert!(found.reason().en.contains(why), "{}", found.reason().en);
    }

    #[test]
    fn the_owner_that_the_words_name_answers_else_the_lead() {
        let rules = rules(vec![row(None, Some("telecom"), "telecom")]).unwrap();
        let town = "/50/500103/500103001/";
        check(&rules, "电信井盖没了", town, "telecom_1", "the words name \"电信\"");
        check(&rules, "井盖没了", town, "city_1", "the lead");
        check(&rules, "RAIL cover gone", town, "city_1", "the lead");
        assert!(rules.covers("telecom_1", "cover"), "what the table gives is its duty");
        assert!(!rules.covers("park_1", "cover"));
        check(&rules, "电信", "/50/500105/", "telecom_0", "the words name");
        let nobody = rules.responsible("cover", "井盖没了", &path("/50/500105/"));
        assert!(nobody.is_none(), "the lead has no agency there");
    }

    #[test]
    fn the_smaller_area_speaks_before_the_owner_and_the_owner_before_the_rest() {
        let rows = vec![
            row(None, None, "city"),
            row(None, Some("telecom"), "telecom"),
            row(Some("500103001"), None, "park"),
        ];
        let rules = rules(rows).unwrap();
        check(&rules, "电信", "/50/500103/500103001/", "park_1", "whose it is");
        check(&rules, "电信", "/50/500103/500103002/", "telecom_1", "whose it is");
        check(&rules, "井盖", "/50/500103/500103002/", "city_1", "whose it is");
    }

    #[test]
    fn what_the_city_does_not_have_is_named() {
        assert_eq!(rules(vec![row(Some("999"), None, "city")]).unwrap_err(), "999");
        let unknown = Responsibility { cases: vec!["tree".into()], ..row(None, None, "city") };
        assert_eq!(rules(vec![unknown]).unwrap_err(), "tree");
    }
}
