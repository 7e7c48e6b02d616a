//! New York's columns: with spaces in the files of the portal, with underscores in those of its API.

use super::Columns;
use crate::table::Table;

pub(super) fn columns(table: &Table<'_>) -> Columns {
    if table.has("unique key") { SPACED } else { JOINED }
}

const SPACED: Columns = Columns {
    id: "unique key",
    opened: "created date",
    due: "due date",
    closed: "closed date",
    status: "status",
    agency: "agency",
    agency_name: Some("agency name"),
    kind: "complaint type",
    detail: "descriptor",
    area: "borough",
    on_time: None,
};

const JOINED: Columns = Columns {
    id: "unique_key",
    opened: "created_date",
    due: "due_date",
    closed: "closed_date",
    agency_name: Some("agency_name"),
    kind: "complaint_type",
    ..SPACED
};
