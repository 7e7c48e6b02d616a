//! The city's own pack: its names, tiers, sections, overlays, agencies, and where its areas are. All
//! that is particular to one city is here, so that the program knows no city.
//!
//! Not here: indicators, rules and cases (other packs), and the people of an agency (accounts).
//! Invariant: a parsed city has one word for every tier and severity, and no id twice.

use serde::{Deserialize, Serialize};

use crate::area::{AreaFault, AreaRow, Overlay, Recoded};
use crate::calendar::{Calendar, WorkHours};
use crate::pack::PackFault;
use crate::pack::rating::Ratings;
use crate::{AreaCode, AreaTree, Severity, Text, Tier};

pub use responsibility::{Owner, RESPONSIBILITY_FILE, Responsibilities, Responsibility};

/// `pack.toml` of the city's pack, table `[pack]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityHead {
    /// Folder name: `chongqing`.
    pub id: String,
    /// Semantic version.
    pub version: String,
    /// Its name.
    pub name: Text,
}

/// What a city says of itself (`city.toml`).
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// `pack.toml`.
    pub head: CityHead,
    /// The city's name.
    pub name: Text,
    /// Code of the root of its areas.
    pub root: AreaCode,
    /// IANA name of its time zone: `Asia/Shanghai`.
    pub time_zone: String,
    /// Languages of its screens, first the default, as BCP 47 tags.
    pub languages: Vec<String>,
    /// Names of the tiers and lengths of their codes, top down.
    pub tiers: Vec<TierName>,
    /// Its sections 板块, in order.
    pub sections: Vec<Section>,
    /// Words for the four severities, mildest first.
    pub severities: Vec<SeverityName>,
    /// Sets of areas that cut across the tree.
    pub overlays: Vec<Overlay>,
    /// Changes of codes that sources of different years need.
    pub recoded: Vec<Recoded>,
    /// Kinds of agencies 责任单位.
    pub agency_kinds: Vec<AgencyKind>,
    /// Names of areas in English, by code; others show their own name.
    pub english: Vec<EnglishName>,
    /// How its area files are to be read.
    pub areas: AreaFiles,
    /// How its alarms are screened.
    pub alarms: CityAlarms,
    /// Who publishes its data.
    pub publisher: Publisher,
    /// Its working time (`calendar.toml`); without the file Monday to Friday in the city's zone.
    pub calendar: Calendar,
    /// How its areas, agencies and posts are judged (`ratings.toml`).
    pub ratings: Ratings,
    /// Who answers for what (`responsibility.toml`), before the leads of the case types.
    pub responsibilities: Responsibilities,
}

/// Who publishes a city's data, and on which terms (`[publisher]`); what is absent is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// The body that answers for the data; the city's name when absent.
    #[serde(default)]
    pub name: Option<Text>,
    /// Where to ask: an address that begins with `mailto:` or `https:`.
    #[serde(default)]
    pub contact: Option<String>,
    /// The address of the licence that the data is given under.
    #[serde(default)]
    pub licence: Option<String>,
}

/// How alarms are screened in this city (`[alarms]`); what is absent has the program's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityAlarms {
    /// The tier whose centre counts as one operator: `district`.
    #[serde(default)]
    pub operator: Option<Tier>,
    /// Longest time that anything may be shelved: `24h`.
    #[serde(default)]
    pub shelf_max: Option<String>,
    /// A cause that comes back within this time reopens its warning: `10m`.
    #[serde(default)]
    pub reopen: Option<String>,
    /// More warnings at one desk within ten minutes than this are collapsed.
    #[serde(default)]
    pub collapse_begins: Option<u16>,
    /// Collapsing ends when fewer than so many came within ten minutes.
    #[serde(default)]
    pub collapse_ends: Option<u16>,
}

/// A tier's name and the length of its codes (`[[tier]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierName {
    /// Which tier.
    pub id: Tier,
    /// Its name.
    pub name: Text,
    /// Digits of its codes; each code begins with its parent's.
    pub digits: usize,
}

/// A section 板块 (`[[section]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// `facility_operation`.
    pub id: String,
    /// Its name.
    pub name: Text,
}

/// The word for a severity where no pack has its own (`[[severity]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityName {
    /// 1 to 4.
    pub severity: Severity,
    /// Its name.
    pub name: Text,
}

/// A kind of agency, of which every area of a tier has one (`[[agency_kind]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyKind {
    /// `gas_company`; packs name it as the lead of a case type.
    pub id: String,
    /// Its name, in which `{area}` stands for the area's.
    pub name: Text,
    /// Which areas have one.
    pub tier: Tier,
    /// When they work: `08:00-12:00 14:00-18:00`; as the city's calendar says when absent.
    #[serde(default)]
    pub hours: Option<WorkHours>,
}

/// An area's name in English (`[[english]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnglishName {
    /// The area.
    pub code: AreaCode,
    /// Its name.
    pub name: String,
}

/// How the pack's area files are to be read (`[areas]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaFiles {
    /// First day the rows are valid, as their publisher says.
    pub valid_from: jiff::civil::Date,
    /// Endings that rows name by a letter instead of repeating them.
    #[serde(default)]
    pub endings: Vec<Ending>,
    /// Where the rows and boundaries come from.
    pub source: String,
}

/// An ending of names that many rows share (`endings` of `[areas]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The letters rows name it by.
    pub id: String,
    /// What is added to the name.
    pub text: String,
}

/// One agency, as the city's pack implies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencySpec {
    /// Kind and area: `gas_company-500103`.
    pub id: String,
    /// `gas_company`.
    pub kind: String,
    /// Its name.
    pub name: Text,
    /// The area it serves.
    pub area: AreaCode,
}

impl City {
    /// Reads the city from the texts of its pack's files (path relative to the pack, content).
    ///
    /// # Errors
    /// Every fault found: bad TOML, unknown or missing key, a value that cannot be, an id twice.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<PackFault>> {
        read::read(files)
    }

    /// The rows of the pack's `areas.csv` with the boundaries of `districts.geojson`, and with
    /// everything generated that open data lacks (see [`crate::area::complete`]).
    ///
    /// # Errors
    /// Every fault found, with the line in `areas.csv` or the record in `districts.geojson`.
    pub fn area_rows(&self, files: &[(String, String)]) -> Result<Vec<AreaRow>, Vec<AreaFault>> {
        areas::rows(self, files)
    }

    /// One agency of each kind for every area of its tier, by kind, then in order of areas.
    pub fn agencies(&self, tree: &AreaTree) -> Vec<AgencySpec> {
        let mut agencies = Vec::new();
        for kind in &self.agency_kinds {
            for (_, area) in tree.iter().filter(|(_, area)| area.row.tier == kind.tier) {
                let (code, name) = (&area.row.code, &area.row.name);
                let english = self.english_name(code).unwrap_or(name);
                agencies.push(AgencySpec {
                    id: format!("{}-{code}", kind.id),
                    kind: kind.id.clone(),
                    name: Text::new(
                        kind.name.zh.replace("{area}", name),
                        kind.name.en.replace("{area}", english),
                    ),
                    area: code.clone(),
                });
            }
        }
        agencies
    }

    /// When agencies of a kind work; the city's hours where the kind has none of its own.
    pub fn work_hours(&self, agency_kind: Option<&str>) -> &WorkHours {
        let kind = self.agency_kinds.iter().find(|kind| Some(kind.id.as_str()) == agency_kind);
        kind.and_then(|kind| kind.hours.as_ref()).unwrap_or(self.calendar.default_hours())
    }

    /// An area's name in English, where the city gives one.
    pub fn english_name(&self, code: &AreaCode) -> Option<&str> {
        self.english.iter().find(|e| e.code == *code).map(|e| e.name.as_str())
    }

    /// The city's zone; UTC when its name is not known.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// Milliseconds that the city's winter time is east of UTC. Day windows begin at midnight of
    /// that time all year, so that no day has 23 or 25 hours.
    pub fn utc_offset_ms(&self) -> i64 {
        let winter = jiff::Timestamp::from_second(1_704_067_200).unwrap_or_default();
        i64::from(self.zone().to_offset(winter).seconds()) * 1000
    }

    /// The city's civil date at a moment.
    pub fn local_date(&self, at: crate::Timestamp) -> jiff::civil::Date {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        self.zone().to_datetime(at).date()
    }

    /// The tier's name; its identifier when the city does not use the tier.
    pub fn tier_name(&self, tier: Tier) -> Text {
        let named = self.tiers.iter().find(|t| t.id == tier);
        named.map_or_else(|| Text::new(tier.word(), tier.word()), |t| t.name.clone())
    }

    /// The word for a severity.
    pub fn severity_name(&self, severity: Severity) -> Text {
        let named = self.severities.iter().find(|s| s.severity == severity);
        named.map_or_else(|| Text::new(severity.color(), severity.color()), |s| s.name.clone())
    }
}

impl Default for City {
    /// A city that says nothing of itself: no sections, agencies or area files.
    fn default() -> Self {
        Self {
            head: CityHead { id: String::new(), version: String::new(), name: Text::default() },
            name: Text::default(),
            root: AreaCode::new("city").expect("four letters are an area code"),
            time_zone: "UTC".to_owned(),
            languages: Vec::new(),
            tiers: Vec::new(),
            sections: Vec::new(),
            severities: Vec::new(),
            overlays: Vec::new(),
            recoded: Vec::new(),
            agency_kinds: Vec::new(),
            english: Vec::new(),
            areas: AreaFiles {
                valid_from: jiff::civil::Date::constant(1970, 1, 1),
                endings: Vec::new(),
                source: String::new(),
            },
            alarms: CityAlarms::default(),
            publisher: Publisher::default(),
            calendar: Calendar::default(),
            ratings: Ratings::default(),
            responsibilities: Responsibilities::default(),
        }
    }
}

mod areas;
mod calendar;
mod geojson;
mod read;
mod responsibility;
