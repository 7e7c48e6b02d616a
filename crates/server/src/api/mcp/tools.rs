//! The tools: names, words and arguments, as assistants are shown them and as arguments are judged by.
//!
//! Not here: what they do (`run`). A tool's arguments are those of its route's query, under the same names.

use chengmai_wire::mcp::{Argument, Kind, Tool};

use crate::http::access::Permission;

/// Rows of a list when none are asked for.
pub(super) const ROWS_DEFAULT: i64 = 20;
/// Most rows of a list.
const ROWS_MAX: i64 = 200;
/// Most readings, newest values or rows of SQL.
const VALUES_MAX: i64 = 2_000;

/// Which permission a tool is nothing without.
pub(super) fn needs(tool: &Tool) -> Permission {
    match tool.name {
        "query_history" => Permission::Sql,
        _ if !tool.only_reads => Permission::Propose,
        _ => Permission::Read,
    }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Argument {
    Argument { name, kind, required: false, about }
}

const fn must(name: &'static str, kind: Kind, about: &'static str) -> Argument {
    Argument { name, kind, required: true, about }
}

const fn reads(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
) -> Tool {
    Tool { name, title, about, arguments, only_reads: true }
}

const fn drafts(
    name: &'static str,
    title: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
) -> Tool {
    Tool { name, title, about, arguments, only_reads: false }
}

const AREA: Argument =
    may("area", Kind::Text, "辖区代码，默认为自己的辖区 / code of an area; one's own if absent");
const LIMIT: Argument =
    may("limit", Kind::Whole(1, ROWS_MAX), "最多几行，默认 20 / rows, 20 if absent");
const VALUES: Argument =
    may("limit", Kind::Whole(1, VALUES_MAX), "最多几行，默认 20 / rows, 20 if absent");
const CURSOR: Argument =
    may("cursor", Kind::LongText(1_000), "上一页的 next_cursor / `next_cursor` of the page before");
const FROM: Argument = may("from", Kind::Text, "起，RFC 3339 / at or after, RFC 3339");
const TO: Argument = may("to", Kind::Text, "止（不含），RFC 3339 / before, RFC 3339");
const INDICATOR: Argument = must(
    "code",
    Kind::Text,
    "体征指标代码，如 gas.safe_share / code of an indicator, such as gas.safe_share",
);
const REASON: Argument = must(
    "reason",
    Kind::LongText(500),
    "为什么建议这样做，给审批的人看：依据的数值、时间、出处 / why, for whoever decides: figures, times, sources",
);

/// All of them, in the order in which they are listed.
pub(super) const ALL: &[Tool] = &[
    FIND_AREAS,
    GET_AREA,
    LIST_INDICATORS,
    GET_INDICATOR,
    INDICATOR_BY_AREA,
    INDICATOR_HISTORY,
    FIND_DEVICES,
    GET_DEVICE,
    DEVICE_READINGS,
    LATEST_VALUES,
    LIST_WARNINGS,
    GET_WARNING,
    LIST_CASES,
    GET_CASE,
    SUMMARISE_CASES,
    LIST_CASE_TYPES,
    QUERY_HISTORY,
    PROPOSE_CASE,
    PROPOSE_STEP,
    LIST_PROPOSALS,
];

const FIND_AREAS: Tool = reads(
    "find_areas",
    "找辖区 Find areas",
    "按名称或代码找辖区：市、区县、街道、社区、网格五级 / Finds areas by name or code: city, district, town, community, grid",
    &[
        may(
            "q",
            Kind::Text,
            "名称的一部分，或代码的开头 / part of the name, or the beginning of the code",
        ),
        may("parent", Kind::Text, "只要这个辖区的直接下级 / only direct children of this area"),
        may(
            "tier",
            Kind::OneOf(&["city", "district", "town", "community", "grid"]),
            "只要这一级 / only this tier",
        ),
        LIMIT,
        CURSOR,
    ],
);

const GET_AREA: Tool = reads(
    "get_area",
    "辖区 Area",
    "一个辖区及其上级 / One area, and the areas above it",
    &[must("code", Kind::Text, "辖区代码 / code of the area")],
);

const LIST_INDICATORS: Tool = reads(
    "list_indicators",
    "体征指标一览 Indicators",
    "所有体征指标及其在一个辖区的现值、单位、公式、分级 / All vital signs with their value over one area, unit, formula and levels",
    &[AREA, may("section", Kind::Text, "只要这个板块 / only this section"), LIMIT, CURSOR],
);

const GET_INDICATOR: Tool = reads(
    "get_indicator",
    "体征指标 Indicator",
    "一个体征指标在一个辖区的现值：数值、覆盖率、严重程度（0 无至 4 特别严重）、时间窗 / One vital sign over one area now: value, coverage, severity (0 none to 4 extreme), window of time",
    &[INDICATOR, AREA],
);

const INDICATOR_BY_AREA: Tool = reads(
    "indicator_by_area",
    "各下级辖区的体征 Indicator by area",
    "一个体征指标在一个辖区的每个直接下级的现值，最后一行是该辖区本身 / One vital sign over each child of an area, and last over the area itself",
    &[
        INDICATOR,
        may(
            "parent",
            Kind::Text,
            "看谁的下级，默认自己的辖区 / whose children; one's own area's if absent",
        ),
    ],
);

const INDICATOR_HISTORY: Tool = reads(
    "indicator_history",
    "体征历史 Indicator history",
    "一个体征指标在一个辖区的历史，默认最近 24 小时；没有数值的时间窗不列出 / The past of one vital sign over one area, by default the last 24 hours; windows without a value are absent",
    &[INDICATOR, AREA, FROM, TO],
);

const FIND_DEVICES: Tool = reads(
    "find_devices",
    "找设备 Find devices",
    "找设备，带状态和最新读数 / Finds devices, with health and newest values",
    &[
        AREA,
        may(
            "kind",
            Kind::Text,
            "只要有这种读数的设备，如 methane / only devices with this kind of reading, such as methane",
        ),
        may(
            "status",
            Kind::OneOf(&["online", "offline", "fault", "never"]),
            "只要这种状态 / only in this state of health",
        ),
        may("q", Kind::Text, "编号或名称的一部分 / part of the id or the name"),
        may("agency", Kind::Text, "只要这个责任单位的 / only this agency's"),
        LIMIT,
        CURSOR,
    ],
);

const GET_DEVICE: Tool = reads(
    "get_device",
    "设备 Device",
    "一台设备：位置、状态、每种读数的最新值 / One device: where, its health, its newest values",
    &[must("id", Kind::Text, "设备编号 / id of the device")],
);

const DEVICE_READINGS: Tool = reads(
    "device_readings",
    "设备读数 Readings of a device",
    "一台设备的历史读数，默认最近 24 小时，保留最新的 / Past readings of one device, by default of the last 24 hours; the newest are kept",
    &[
        must("id", Kind::Text, "设备编号 / id of the device"),
        may("kind", Kind::Text, "只要这种读数 / only this kind"),
        FROM,
        TO,
        VALUES,
    ],
);

const LATEST_VALUES: Tool = reads(
    "latest_values",
    "最新读数 Latest values",
    "一种读数在范围内的最新值：例如哪些井盖下甲烷超过 20 / Newest values of one kind within bounds: which manholes are over 20 %LEL now",
    &[
        must("kind", Kind::Text, "读数种类，如 methane / the kind measured, such as methane"),
        AREA,
        may("min", Kind::Number, "不低于 / at least"),
        may("max", Kind::Number, "不高于 / at most"),
        VALUES,
    ],
);

const LIST_WARNINGS: Tool = reads(
    "list_warnings",
    "预警一览 Warnings",
    "预警，新的在前；默认只要未答复且未解除的 / Warnings, newest first; by default those neither answered nor cleared",
    &[
        AREA,
        may(
            "state",
            Kind::OneOf(&["open", "answered", "cleared", "held", "odd", "all"]),
            "状态 / state",
        ),
        may(
            "severity_min",
            Kind::Whole(1, 4),
            "至少这么严重，1 至 4 / this severity or worse, 1 to 4",
        ),
        may("rule", Kind::Text, "只要这条规则的 / only of this rule"),
        FROM,
        TO,
        LIMIT,
        CURSOR,
    ],
);

const GET_WARNING: Tool = reads(
    "get_warning",
    "预警 Warning",
    "一条预警及其依据的读数 / One warning with the readings behind it",
    &[must("id", Kind::Text, "预警编号，如 W-00c0ffee00c0ffee / id of the warning")],
);

const LIST_CASES: Tool = reads(
    "list_cases",
    "案件一览 Cases",
    "案件：状态、时限、责任单位 / Cases: state, clocks, agency",
    &[
        AREA,
        may(
            "state",
            Kind::Text,
            "open、all 或一种状态，如 handling / open, all, or one state such as handling",
        ),
        may("agency", Kind::Text, "只要这个责任单位的 / only this agency's"),
        may("type", Kind::Text, "只要这种类型 / only this type"),
        may(
            "light",
            Kind::OneOf(&["green", "yellow", "red"]),
            "时限灯；红为超期 / light of its clock; red is overdue",
        ),
        may(
            "q",
            Kind::Text,
            "标题、描述、类型或编号中的词 / words of title, description, type or number",
        ),
        may(
            "sort",
            Kind::OneOf(&["filed", "due"]),
            "按立案时间或时限排序 / newest filed first, or soonest due first",
        ),
        FROM,
        TO,
        LIMIT,
        CURSOR,
    ],
);

const GET_CASE: Tool = reads(
    "get_case",
    "案件 Case",
    "一个案件的全过程、计时和现在能做的步骤；不含举报人信息 / One case with its whole history, its clocks and the steps open to the caller; never who reported it",
    &[must("id", Kind::Text, "案件编号，如 500103-20261121-00001 / number of the case")],
);

const SUMMARISE_CASES: Tool = reads(
    "summarise_cases",
    "案件统计 Summary of cases",
    "一个辖区一段时间的案件数、超期数、按期结案率（带分子分母），默认最近 30 天 / Counts of cases of an area and time, overdue ones, the rate closed on time with numerator and denominator; by default of 30 days",
    &[AREA, FROM, TO],
);

const LIST_CASE_TYPES: Tool = reads(
    "list_case_types",
    "案件类型 Case types",
    "案件类型及其立案标准各行：提出立案前先看 / Case types with the rows of their filing standards: look here before proposing a case",
    &[],
);

const QUERY_HISTORY: Tool = reads(
    "query_history",
    "用 SQL 查历史 Ask the history in SQL",
    "对历史只读的 SQL（DataFusion 方言）。表：readings(device, kind, at, value, area, …)、windows、areas、devices、kinds、indicators；只含自己的辖区。先用 DESCRIBE 表名 看列。每个问题都记录在案 / Read-only SQL (DataFusion's dialect) over the history. Tables: readings, windows, areas, devices, kinds, indicators, with one's own area only; DESCRIBE a table first. Every question is put on record",
    &[
        must(
            "sql",
            Kind::LongText(20_000),
            "一条 SELECT、WITH、EXPLAIN、SHOW TABLES、SHOW COLUMNS 或 DESCRIBE / one such statement",
        ),
        VALUES,
    ],
);

const PROPOSE_CASE: Tool = drafts(
    "propose_case",
    "建议立案 Propose a case",
    "建议立案或上报一个案件。什么也不会发生，直到有权限的人在网页上批准；24 小时无人批准即失效 / Proposes to file or report a case. Nothing happens until a person with the permission approves it on the screens; after 24 hours it lapses",
    &[
        may("type", Kind::Text, "案件类型，见 list_case_types / case type, see list_case_types"),
        may(
            "row",
            Kind::Whole(0, 1_000),
            "立案标准的行号；不给则为上报 / row of the type's filing standard; without one it is a report",
        ),
        may("area", Kind::Text, "在哪个辖区；或给 position / where; or give position"),
        may("position", Kind::Position, "[经度, 纬度]，WGS 84 / [longitude, latitude]"),
        must(
            "description",
            Kind::LongText(2_000),
            "情况，写进案件 / what is the matter, in the words of the case",
        ),
        may(
            "agency",
            Kind::Text,
            "责任单位，默认按职责表 / agency; by the table of duties if absent",
        ),
        may("severity", Kind::Whole(1, 4), "严重程度 1 至 4 / severity, 1 to 4"),
        REASON,
    ],
);

const PROPOSE_STEP: Tool = drafts(
    "propose_step",
    "建议办理步骤 Propose a step of a case",
    "建议对案件走一步，如 dispatch、close。什么也不会发生，直到有权限的人批准；案件在此之前若有变动，批准时会被拒绝 / Proposes a step of a case, such as dispatch or close. Nothing happens until a person with the permission approves; if others move the case on before that, approving is refused",
    &[
        must("case", Kind::Text, "案件编号 / number of the case"),
        must("action", Kind::Text, "步骤，如 accept、file、dispatch、urge、close / the step"),
        may("note", Kind::LongText(2_000), "说明 / a note"),
        may(
            "step_reason",
            Kind::LongText(2_000),
            "步骤本身要求的理由 / the reason that the step itself asks for",
        ),
        may("agency", Kind::Text, "责任单位（dispatch 等） / agency, for dispatch and others"),
        may("type", Kind::Text, "案件类型（file） / case type, for file"),
        may("row", Kind::Whole(0, 1_000), "立案标准的行号（file） / row of the standard, for file"),
        may(
            "limit",
            Kind::Text,
            "多久，如 2 work_day（ask_delay） / how long, such as 2 work_day, for ask_delay",
        ),
        may("until", Kind::Text, "到何时，RFC 3339（ask_suspend） / until when, for ask_suspend"),
        REASON,
    ],
);

const LIST_PROPOSALS: Tool = reads(
    "list_proposals",
    "拟办一览 Proposals",
    "助手提交的拟办：等待的，或已批准、退回、失效的及原因 / What assistants proposed: those that wait, or those approved, declined or lapsed, and why",
    &[AREA, may("state", Kind::OneOf(&["waiting", "ended"]), "默认 waiting / waiting if absent")],
);
