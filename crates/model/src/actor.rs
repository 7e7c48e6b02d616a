//! Who acts: a name, roles, an area and perhaps an agency. Every read and every decision is measured
//! against these four; what a role may do is decided in `engine` and `server`, not here.

use serde::{Deserialize, Serialize};

use crate::area_path::AreaPath;

/// What a person, or a program with a token, is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks after accounts and the installation; may also do what a duty officer and a supervisor may.
    Admin,
    /// 值班员 of a city, district or town centre: answers warnings, files, dispatches, closes.
    DutyOfficer,
    /// 处置人员 of an agency: handles.
    AgencyStaff,
    /// 网格员: verifies before filing, checks before closing.
    GridWorker,
    /// 监督员: checks before closing, rates.
    Supervisor,
    /// Looks after devices and packs.
    Engineer,
    /// Looks.
    Viewer,
    /// A gateway that sends readings.
    Ingest,
    /// An app by which citizens report (Open311): it reports and sees what everybody sees.
    App,
    /// 公众: a citizen with the tracking link of a report. No account has this role.
    Citizen,
}

impl Role {
    /// All roles that an account may have, in the order shown to people.
    pub const ALL: [Self; 9] = [
        Self::Admin,
        Self::DutyOfficer,
        Self::AgencyStaff,
        Self::GridWorker,
        Self::Supervisor,
        Self::Engineer,
        Self::Viewer,
        Self::Ingest,
        Self::App,
    ];

    /// Its word: `duty_officer`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::DutyOfficer => "duty_officer",
            Self::AgencyStaff => "agency_staff",
            Self::GridWorker => "grid_worker",
            Self::Supervisor => "supervisor",
            Self::Engineer => "engineer",
            Self::Viewer => "viewer",
            Self::Ingest => "ingest",
            Self::App => "app",
            Self::Citizen => "citizen",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.word() == word)
    }
}

/// Someone who acts, as far as decisions need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Account name, as it stands on record.
    pub name: String,
    /// What they are there for.
    pub roles: Vec<Role>,
    /// Their area: they see and act in this subtree only.
    pub area: AreaPath,
    /// The agency they work for.
    pub agency: Option<String>,
}

impl Actor {
    /// The name under which the program itself acts.
    pub const PROGRAM: &'static str = "chengmai";

    /// The program acting as the duty officer of the centre of `area` (filing by rule, routing).
    pub fn program(area: AreaPath) -> Self {
        Self { name: Self::PROGRAM.to_owned(), roles: vec![Role::DutyOfficer], area, agency: None }
    }

    /// True when the actor has the role, or is an administrator and the role is a duty officer's or
    /// a supervisor's. An administrator never acts for an agency.
    pub fn acts_as(&self, role: Role) -> bool {
        self.roles.contains(&role)
            || (matches!(role, Role::DutyOfficer | Role::Supervisor)
                && self.roles.contains(&Role::Admin))
    }
}
