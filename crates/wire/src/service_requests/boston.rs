//! Boston's columns. `target_dt` is the deadline and `ontime` what the city says of it.

use super::Columns;

pub(super) const COLUMNS: Columns = Columns {
    id: "case_enquiry_id",
    opened: "open_dt",
    due: "target_dt",
    closed: "closed_dt",
    status: "case_status",
    agency: "department",
    agency_name: None,
    kind: "type",
    detail: "case_title",
    area: "neighborhood",
    on_time: Some("ontime"),
};
