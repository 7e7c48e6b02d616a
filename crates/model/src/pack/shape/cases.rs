//! The shape of `cases.toml`: case types with their standard, procedures, plans.

use super::super::{ClockMove, HolderKind, Who};
use super::{Of, Shape, TEXT, may, must};
use crate::case::{CaseState, CommandKind, EventLevel, PhotoKind};

/// `cases.toml`.
pub(in crate::pack) const CASES: Shape = Shape {
    keys: &[
        must("case", Of::Tables(&CASE)),
        may("procedure", Of::Tables(&PROCEDURE)),
        may("plan", Of::Tables(&PLAN)),
    ],
};
const CASE: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("class", Of::Class),
        must("object", Of::Choice(&["component", "event"])),
        must("severity", Of::Integer(1, 4)),
        must("level", Of::Choice(&["city", "district", "town"])),
        must("lead", Of::Id),
        may("with", Of::List(&Of::Id)),
        must("limits", Of::Tables(&LIMIT)),
        may("procedure", Of::Id),
        may("plan", Of::Id),
        may("photos", Of::Table(&PHOTOS)),
        may("stages", Of::Table(&STAGES)),
    ],
};
const PHOTO: Of = Of::List(&Of::Choice(PhotoKind::WORDS));
const PHOTOS: Shape = Shape {
    keys: &[
        may("verify_pass", PHOTO),
        may("verify_fail", PHOTO),
        may("start", PHOTO),
        may("finish", PHOTO),
        may("check_pass", PHOTO),
        may("check_fail", PHOTO),
        may("finish_part", PHOTO),
        may("refuse_part", PHOTO),
    ],
};
const STAGES: Shape = Shape {
    keys: &[
        may("accept", Of::Limit),
        may("verify", Of::Limit),
        may("file", Of::Limit),
        may("dispatch", Of::Limit),
        may("check", Of::Limit),
        may("close", Of::Limit),
    ],
};
const PROCEDURE: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        may("without", Of::List(&Of::Choice(CommandKind::WORDS))),
        may("moves", Of::Tables(&MOVE)),
        must("source", Of::Line),
    ],
};
const MOVE: Shape = Shape {
    keys: &[
        must("ask", Of::Choice(CommandKind::WORDS)),
        must("from", Of::List(&Of::Choice(CaseState::WORDS))),
        may("to", Of::Choice(CaseState::WORDS)),
        must("who", Of::List(&Of::Choice(Who::WORDS))),
        may("reason", Of::Bool),
        may("holder", Of::Choice(HolderKind::WORDS)),
        may("clock", Of::Choice(ClockMove::WORDS)),
        may("to_agency", Of::Bool),
    ],
};
const PLAN: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        may("fires_at", Of::Choice(EventLevel::WORDS)),
        must("level", Of::Choice(&["city", "district", "town"])),
        may("lead", Of::Id),
        must("handle", Of::Limit),
        must("source", Of::Line),
    ],
};
const LIMIT: Shape = Shape {
    keys: &[
        must("condition", Of::Table(&TEXT)),
        must("handle", Of::Limit),
        must("closes", Of::Table(&TEXT)),
        must("source", Of::Line),
    ],
};
