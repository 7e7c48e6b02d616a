//! What is told: the public facts of a case or a warning, and how they are said in a line.
//!
//! Not here: who is told and which way (`notify`, `send`, `mail`). Invariant: no personal data: no words
//! of anybody, no name of a person, no place finer than an area.

use chengmai_model::case::{Case, CaseEvent, CaseState, CaseStep};
use chengmai_model::{AreaPath, Text, Timestamp};
use chengmai_store::records::subscriptions::Matter;
use chengmai_store::records::warnings::WarningRow;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::accounts::hex;
use crate::city::City;
use crate::pages::Language;
use crate::pages::track::local;

/// A message, as a webhook gets it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    /// `case.dispatched`, `case.due_soon`, `case.overdue`, `warning`, `test`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// When it happened, RFC 3339.
    pub(crate) timestamp: String,
    pub(crate) data: Facts,
}

/// What happened, to what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Number of the case, or id of the warning; empty in a test.
    pub(crate) id: String,
    /// Type of the case, or name of the rule.
    pub(crate) name: Text,
    /// What happened.
    pub(crate) event: Text,
    /// How it stands: the word of a state.
    pub(crate) state: String,
    /// 1 to 4.
    pub(crate) severity: u8,
    /// Code of the area.
    pub(crate) area: String,
    pub(crate) area_names: String,
    /// Who answers for it.
    pub(crate) agency: Option<Named>,
    /// By when the whole is to be done, or a warning answered.
    pub(crate) due_at: Option<String>,
    /// By when the stage at hand is to be done.
    pub(crate) stage_due_at: Option<String>,
    /// The page for staff.
    pub(crate) link: Option<String>,
    /// Something behind it is simulated.
    pub(crate) simulated: bool,
}

/// An agency.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: Text,
}

/// Topics that a step of a case belongs to.
pub(crate) fn matters_of(step: CaseStep) -> &'static [Matter] {
    use CaseStep as S;
    match step {
        S::Reported
        | S::Filed
        | S::Dispatched
        | S::HandedUp
        | S::HandedDown
        | S::HandedSideways
        | S::Involved
        | S::Arbitrated
        | S::Unmerged => &[Matter::Arrived, Matter::Step],
        S::Returned | S::CheckFailed | S::Reopened | S::PartRefused => {
            &[Matter::Returned, Matter::Step]
        }
        // Said of every case at once, and nothing to be done.
        S::Recoded => &[],
        S::Urged => &[Matter::Urged, Matter::Step],
        S::Supervised => &[Matter::Supervised, Matter::Step],
        S::Closed | S::ForceClosed | S::Refused | S::Cancelled | S::MergedInto => {
            &[Matter::Ended, Matter::Step]
        }
        _ => &[Matter::Step],
    }
}

/// The id of a message, for good: the same news for the same receiver is the same message.
pub(crate) fn message_id(recipient: &str, kind: &str, object: &str, number: i64) -> String {
    let digest = Sha256::digest(format!("{recipient}|{kind}|{object}|{number}").as_bytes());
    format!("msg_{}", &hex(&digest)[..32])
}

impl City {
    /// What is told of a step of a case: as it stood after the step.
    pub(crate) fn told_of_step(&self, case: &Case, event: &CaseEvent) -> Message {
        Message {
            kind: format!("case.{}", event.step.word()),
            timestamp: event.at.to_rfc3339(),
            data: Facts {
                event: event.step.name(),
                state: event.to.word().to_owned(),
                due_at: event.due_at.map(Timestamp::to_rfc3339),
                stage_due_at: event.clock.as_ref().map(|clock| clock.due_at.to_rfc3339()),
                ..self.told_of_case(case, &event.area, event.agency.as_deref(), event.to)
            },
        }
    }

    /// What is told of a clock that turned.
    pub(crate) fn told_of_clock(&self, case: &Case, matter: Matter, at: Timestamp) -> Message {
        let event = match matter {
            Matter::Overdue => Text::new("已超期", "Overdue"),
            _ => Text::new("即将超期（时限已用 80%）", "Soon overdue (80 % of the time is used)"),
        };
        let facts = self.told_of_case(case, &case.area, case.agency.as_deref(), case.state);
        Message {
            kind: format!("case.{}", matter.word()),
            timestamp: at.to_rfc3339(),
            data: Facts { event, ..facts },
        }
    }

    fn told_of_case(
        &self,
        case: &Case,
        area: &AreaPath,
        agency: Option<&str>,
        state: CaseState,
    ) -> Facts {
        let agency = agency.and_then(|id| self.agencies.get(id));
        Facts {
            id: case.id.to_string(),
            name: case.filing.type_name.clone(),
            event: Text::new("", ""),
            state: state.word().to_owned(),
            severity: case.filing.severity.number(),
            area: area.code().to_owned(),
            area_names: self.names_of(area),
            agency: agency.map(|a| Named { id: a.id.clone(), name: a.name.clone() }),
            due_at: case.due_at.map(Timestamp::to_rfc3339),
            stage_due_at: case.clock.as_ref().map(|clock| clock.due_at.to_rfc3339()),
            link: self.staff_link(&format!("cases/{}", case.id)),
            simulated: case.filing.simulated,
        }
    }

    /// What is told of a warning.
    pub(crate) fn told_of_warning(&self, row: &WarningRow, at: Timestamp) -> Message {
        Message {
            kind: Matter::Warning.word().to_owned(),
            timestamp: at.to_rfc3339(),
            data: Facts {
                id: row.id.to_string(),
                name: row.facts.rule_name.clone(),
                event: Text::new(
                    format!("预警（{}）", row.facts.label.zh),
                    format!("Warning ({})", row.facts.label.en),
                ),
                state: row.state.word().to_owned(),
                severity: row.severity.number(),
                area: row.area.code().to_owned(),
                area_names: self.names_of(&row.area),
                agency: None,
                due_at: row.answer_due.map(Timestamp::to_rfc3339),
                stage_due_at: None,
                link: self.staff_link(&format!("warnings/{}", row.id)),
                simulated: row.facts.simulated,
            },
        }
    }

    /// What a test says.
    pub(crate) fn told_in_test(&self, area: &AreaPath, at: Timestamp) -> Message {
        Message {
            kind: "test".to_owned(),
            timestamp: at.to_rfc3339(),
            data: Facts {
                id: String::new(),
                name: self.profile.name.clone(),
                event: Text::new("测试消息，无需处理", "A test, nothing to be done"),
                state: String::new(),
                severity: 1,
                area: area.code().to_owned(),
                area_names: self.names_of(area),
                agency: None,
                due_at: None,
                stage_due_at: None,
                link: self.staff_link(""),
                simulated: self.config.simulated,
            },
        }
    }

    fn names_of(&self, area: &AreaPath) -> String {
        let found = self.areas.find(area.code());
        found.map_or_else(|| area.code().to_owned(), |id| self.path_names(id))
    }

    fn staff_link(&self, path: &str) -> Option<String> {
        self.config.notify.public_url.as_ref().map(|base| format!("{base}/{path}"))
    }

    /// A message in a few lines, for chats, telephones and mail.
    pub(crate) fn said(&self, message: &Message, language: Language) -> String {
        let facts = &message.data;
        let say = |zh, en| language.say(zh, en);
        let mark = if facts.simulated { say("［模拟］", "[simulated] ") } else { "" };
        let mut lines = vec![format!(
            "{mark}{}{}{}{}{}",
            language.of_text(&facts.event),
            say("：", ": "),
            language.of_text(&facts.name),
            if facts.id.is_empty() { "" } else { " " },
            facts.id
        )];
        lines.push(format!("{}{}", say("地点：", "Where: "), facts.area_names));
        if let Some(agency) = &facts.agency {
            lines.push(format!(
                "{}{}",
                say("责任单位：", "Agency: "),
                language.of_text(&agency.name)
            ));
        }
        let due = facts.stage_due_at.as_ref().or(facts.due_at.as_ref());
        if let Some(at) = due.and_then(|text| Timestamp::parse_rfc3339(text)) {
            lines.push(format!("{}{}", say("时限：", "Due: "), local(self, at)));
        }
        lines.extend(facts.link.clone());
        lines.join("\n")
    }
}
