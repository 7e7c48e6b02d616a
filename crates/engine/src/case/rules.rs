//! What a decision about a case is measured against, besides the case itself: calendars and working
//! hours, procedures, the filing standard, plans, and which agency answers for what. All of it comes
//! from packs and the city; nothing of it is in the program.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_model::calendar::{Calendar, Limit, WorkHours};
use chengmai_model::case::{Case, Stage, StageLimits, default_limit};
use chengmai_model::pack::{CaseType, LimitRow, Plan, Procedure};
use chengmai_model::{AreaPath, Text};

use super::{Table, responsible};

/// One agency, as far as decisions need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyRule {
    /// `gas_company`.
    pub kind: String,
    /// The area it serves.
    pub area: AreaPath,
    /// Its own working hours; the city's if absent.
    pub hours: Option<WorkHours>,
}

/// The rules that cases of a city are decided by.
#[derive(Debug, Clone)]
pub struct CaseRules {
    /// Working days and hours.
    pub calendar: Calendar,
    tables: BTreeMap<String, Table>,
    pub(super) types: BTreeMap<String, CaseType>,
    plans: BTreeMap<String, Plan>,
    agencies: BTreeMap<String, AgencyRule>,
    /// Case types of each kind of agency: its list of duties.
    pub(super) duties: BTreeMap<String, BTreeSet<String>>,
    pub(super) responsibilities: responsible::Rows,
}

impl CaseRules {
    /// Rules of these types, procedures and plans. The list of duties 权责清单 of a kind of agency is
    /// what it leads or helps with by the case types themselves, and `more` (kind, type).
    pub fn new<'a>(
        calendar: Calendar,
        types: impl IntoIterator<Item = &'a CaseType>,
        procedures: impl IntoIterator<Item = &'a Procedure>,
        plans: impl IntoIterator<Item = &'a Plan>,
        more: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let types: BTreeMap<String, CaseType> =
            types.into_iter().map(|t| (t.id.clone(), t.clone())).collect();
        let mut duties: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for case_type in types.values() {
            for kind in case_type.helpers.iter().chain([&case_type.lead]) {
                duties.entry(kind.clone()).or_default().insert(case_type.id.clone());
            }
        }
        for (kind, type_id) in more {
            duties.entry(kind).or_default().insert(type_id);
        }
        Self {
            calendar,
            tables: procedures.into_iter().map(|p| (p.id.clone(), Table::of(p))).collect(),
            types,
            plans: plans.into_iter().map(|p| (p.id.clone(), p.clone())).collect(),
            agencies: BTreeMap::new(),
            duties,
            responsibilities: responsible::Rows::default(),
        }
    }

    /// Adds an agency, or changes it.
    pub fn set_agency(&mut self, id: &str, rule: AgencyRule) {
        self.agencies.insert(id.to_owned(), rule);
    }

    /// The table in force for a type.
    pub fn table(&self, type_id: &str) -> &Table {
        let own = self.types.get(type_id).and_then(|t| t.procedure.as_deref());
        own.and_then(|id| self.tables.get(id)).unwrap_or_else(|| Table::standard())
    }

    /// A case type by its id.
    pub fn case_type(&self, id: &str) -> Option<&CaseType> {
        self.types.get(id)
    }

    /// A row of a type's filing standard.
    pub fn row(&self, type_id: &str, index: usize) -> Option<(&CaseType, &LimitRow)> {
        let case_type = self.types.get(type_id)?;
        Some((case_type, case_type.limits.get(index)?))
    }

    /// A plan by its id.
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.get(id)
    }

    /// Working hours of an agency; of the centres where none is named.
    pub fn hours(&self, agency: Option<&str>) -> &WorkHours {
        agency
            .and_then(|id| self.agencies.get(id))
            .and_then(|agency| agency.hours.as_ref())
            .unwrap_or_else(|| self.calendar.default_hours())
    }

    /// Hours that count for a stage: the agency's while it handles, else the centre's.
    pub(super) fn stage_hours(&self, stage: Stage, agency: Option<&str>) -> &WorkHours {
        self.hours(agency.filter(|_| stage == Stage::Handle))
    }

    /// Whether a type of case is on an agency's list of duties. Of an agency or type that no list
    /// knows (imports) nothing is said, so nothing is refused.
    pub fn covers(&self, agency: &str, type_id: &str) -> bool {
        let (Some(agency), true) = (self.agencies.get(agency), self.types.contains_key(type_id))
        else {
            return true;
        };
        self.duties.get(&agency.kind).is_some_and(|types| types.contains(type_id))
    }

    /// The agency of a kind that is nearest to a place.
    pub fn agency_of(&self, kind: &str, place: &AreaPath) -> Option<&str> {
        self.agencies
            .iter()
            .filter(|(_, agency)| agency.kind == kind && agency.area.contains(place))
            .max_by_key(|(_, agency)| agency.area.depth())
            .map(|(id, _)| id.as_str())
    }

    /// What each stage of a case of this type may take, with this handling limit.
    pub fn limits(&self, case_type: Option<&CaseType>, handle: Limit) -> StageLimits {
        let mut limits: BTreeMap<Stage, Limit> = [
            Stage::Accept,
            Stage::Verify,
            Stage::File,
            Stage::Dispatch,
            Stage::Check,
            Stage::Close,
        ]
        .map(|stage| (stage, default_limit(stage)))
        .into();
        if let Some(case_type) = case_type {
            limits.extend(case_type.stages.iter().map(|(&stage, &limit)| (stage, limit)));
        }
        limits.insert(Stage::Handle, handle);
        StageLimits(limits)
    }

    /// What a stage of this case may take now: by the plan in force, else by its filing.
    pub fn limit_of(&self, case: &Case, stage: Stage) -> Limit {
        match &case.circumstances.plan {
            Some(plan) if stage == Stage::Handle => plan.handle,
            _ => case.filing.limits.of(stage),
        }
    }

    /// Faults of the procedures and plans, with the id that has them.
    pub fn faults(&self) -> Vec<(String, Text)> {
        let mut faults: Vec<(String, Text)> = Vec::new();
        for (id, table) in &self.tables {
            faults.extend(table.faults().into_iter().map(|fault| (id.clone(), fault)));
        }
        for case_type in self.types.values() {
            let missing = |what: &str, id: &str| {
                let zh = format!("案件类型 {} 引用了不存在的{what} {id}", case_type.id);
                let en = format!("case type {} names {id}, which no pack declares", case_type.id);
                (case_type.id.clone(), Text::new(zh, en))
            };
            if let Some(id) =
                case_type.procedure.as_deref().filter(|id| !self.tables.contains_key(*id))
            {
                faults.push(missing("流程", id));
            }
            if let Some(id) = case_type.plan.as_deref().filter(|id| !self.plans.contains_key(*id)) {
                faults.push(missing("预案", id));
            }
        }
        faults
    }
}
