//! Cases in a scenario: filed, reported, and taken through their steps by the people of [`people`].

use chengmai_model::case::{CaseEvent, CaseId, CaseSource, CommandKind};
use chengmai_model::{Actor, AreaId, AreaPath, Role};

use super::parse::Said;
use super::world::World;
use super::{people, show};
use crate::case::{self, FilingRequest, ReportRequest};

impl World<'_> {
    pub(super) fn file(
        &mut self,
        case_type: &str,
        row: usize,
        area: AreaPath,
        warning: Option<usize>,
        actor: &Actor,
    ) -> Result<(), String> {
        let case_type = self
            .catalog
            .case_type(case_type)
            .ok_or_else(|| format!("there is no case type `{case_type}`"))?;
        let agency = people::agency_for(&self.agencies, &case_type.def.lead, &area);
        let standing = warning.map(|index| &self.warnings[index]);
        let request = FilingRequest {
            type_id: &case_type.def.id,
            row,
            area,
            position: None,
            level: None,
            severity: standing.map(|standing| standing.severity),
            title: None,
            description: String::new(),
            agency: Some(agency),
            warning: standing.map(|standing| standing.id),
            source: standing.map_or(CaseSource::DutyOfficer, |_| CaseSource::Warning),
            simulated: false,
        };
        match case::file(&request, actor, self.now, &self.rules) {
            Ok(events) => {
                if let Some(index) = warning {
                    self.warnings[index].answered = true;
                    self.warnings[index].filed = true;
                }
                self.filed(&events);
            }
            Err(refusal) => self.refused("file", &refusal),
        }
        Ok(())
    }

    pub(super) fn filed(&mut self, events: &[CaseEvent]) {
        let number = self.cases.len() + 1;
        let city = &self.areas.get(AreaId::ROOT).row.code;
        let id = CaseId::parse(&format!("{city}-20260701-{number:05}"))
            .expect("a code, a day and a serial make a case number");
        let case = case::replay(id, events).expect("a filing is the first event of a case");
        self.say(format!("case K{number} {}", show::case_event(&events[0], &case)));
        self.cases.push(case);
    }

    pub(super) fn command(
        &mut self,
        number: usize,
        kind: CommandKind,
        said: &Said,
    ) -> Result<(), String> {
        let case = number
            .checked_sub(1)
            .and_then(|index| self.cases.get(index))
            .ok_or_else(|| format!("there is no K{number} yet"))?;
        let times = (self.start, self.now);
        let command = people::command(&self.areas, &self.cases, kind, said, times)?;
        let actor = people::actor(&self.areas, case, kind, said.by.as_deref());
        match case::decide(case, &command, &actor, self.now, &self.rules) {
            Ok(events) => {
                for event in events {
                    let case = &mut self.cases[number - 1];
                    case::apply(case, &event);
                    let text = format!("case K{number} {}", show::case_event(&event, case));
                    self.say(text);
                }
            }
            Err(refusal) => self.refused(&format!("{} K{number}", kind.word()), &refusal),
        }
        Ok(())
    }

    pub(super) fn report(
        &mut self,
        case_type: &str,
        area: &str,
        source: CaseSource,
        by: Option<&str>,
    ) -> Result<(), String> {
        let area = people::path_of(&self.areas, area)?;
        let known = self.catalog.case_type(case_type);
        if known.is_none() && case_type != case::UNSORTED {
            return Err(format!("there is no case type `{case_type}`"));
        }
        let agency = known.map(|t| people::agency_for(&self.agencies, &t.def.lead, &area));
        let name = by.unwrap_or("reporter").to_owned();
        let city = area.ancestor(1).unwrap_or_else(|| area.clone());
        let actor =
            Actor { name: name.clone(), roles: vec![Role::Citizen], area: city, agency: None };
        let request = ReportRequest {
            type_id: known.map(|t| t.def.id.as_str()),
            area,
            position: None,
            description: String::new(),
            agency,
            reporter: source.is_public().then_some(name),
            source,
            external: None,
            photos: Vec::new(),
            simulated: false,
        };
        match case::report(&request, &actor, self.now, &self.rules) {
            Ok(events) => self.filed(&events),
            Err(refusal) => self.refused("report", &refusal),
        }
        Ok(())
    }
}
