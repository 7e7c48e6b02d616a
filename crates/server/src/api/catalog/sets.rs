//! The data sets, a row each: what it is, who may have it, and where. A new door for data adds its row here.

use super::{Access, City, DataSet, Distribution, Text, Timestamp};
use crate::http::problem::Answer;

/// When what is on record begins; none when nothing is.
#[derive(Debug, Default)]
pub(super) struct Begins {
    warnings: Option<Timestamp>,
    alerts: Option<Timestamp>,
    cases: Option<Timestamp>,
}

impl Begins {
    pub(super) async fn of(city: &City) -> Answer<Self> {
        Ok(Self {
            warnings: city.records.warnings().first().await?,
            alerts: city.records.alerts().first().await?,
            cases: city.records.cases().first().await?,
        })
    }
}

/// A form of a set: words, path, media type, whether it is a file, and the service that gives it.
type Form = (&'static str, &'static str, &'static str, &'static str, bool, Option<&'static str>);

struct Row {
    id: &'static str,
    title: [&'static str; 2],
    description: [&'static str; 2],
    keywords: &'static [[&'static str; 2]],
    access: Access,
    forms: &'static [Form],
}

const GEOJSON: &str = "application/geo+json";
const JSON: &str = "application/json";

const ROWS: [Row; 8] = [
    Row {
        id: "areas",
        title: ["区域", "Areas"],
        description: [
            "五级区域的代码、名称与边界（度，CGCS2000）；没有公开数据的边界由程序生成，并注明 generated",
            "Codes, names and outlines of five tiers of areas (degrees, CGCS2000); outlines without open data are generated and say so",
        ],
        keywords: &[["区划", "administrative division"], ["边界", "boundary"]],
        access: Access::Public,
        forms: &[
            ("要素", "features", "/ogc/collections/areas/items", GEOJSON, false, Some("features")),
            (
                "矢量瓦片说明",
                "vector tiles, described by TileJSON",
                "/tiles/areas.json",
                JSON,
                false,
                None,
            ),
        ],
    },
    Row {
        id: "reports",
        title: ["公众上报", "What people reported"],
        description: [
            "市民上报并已受理的案件：类型、状态、时限与大致位置（150 米格），不含个人信息",
            "Cases that citizens reported and that were taken up: type, state, deadline and place by cells of 150 m, without personal data",
        ],
        keywords: &[["市民", "citizens"], ["上报", "service request"]],
        access: Access::Public,
        forms: &[
            ("表格", "table", "/public/reports.csv", "text/csv", true, None),
            ("地图数据", "map data", "/public/reports.geojson", GEOJSON, true, None),
            ("订阅", "feed", "/public/reports.atom", "application/atom+xml", true, None),
            (
                "服务请求",
                "service requests",
                "/open311/v2/requests.json",
                JSON,
                false,
                Some("open311"),
            ),
        ],
    },
    Row {
        id: "decision-log",
        title: ["存证日志", "Proof log"],
        description: [
            "每项决定的加盐承诺与签名的检查点，外人可据此核对无一被改动或删除；不含决定的内容",
            "Salted commitments of every decision under signed checkpoints, by which outsiders check that none was altered or dropped; nothing of what was decided",
        ],
        keywords: &[["存证", "transparency log"]],
        access: Access::Public,
        forms: &[("检查点", "checkpoint", "/api/v1/log/checkpoint", "text/plain", true, None)],
    },
    Row {
        id: "devices",
        title: ["设备与读数", "Devices and readings"],
        description: [
            "设备的位置、健康与读数，单位随读数类型给出",
            "Devices with place, health and readings; units come with each kind of reading",
        ],
        keywords: &[["传感器", "sensor"], ["监测", "monitoring"]],
        access: Access::Restricted,
        forms: &[
            (
                "要素",
                "features",
                "/ogc/collections/devices/items",
                GEOJSON,
                false,
                Some("features"),
            ),
            ("设备", "Things", "/sta/v1.1/Things", JSON, false, Some("sensorthings")),
            ("读数", "Observations", "/sta/v1.1/Observations", JSON, false, Some("sensorthings")),
            (
                "矢量瓦片说明",
                "vector tiles, described by TileJSON",
                "/tiles/devices.json",
                JSON,
                false,
                None,
            ),
            ("列表", "list", "/api/v1/devices", JSON, false, Some("api")),
        ],
    },
    Row {
        id: "indicators",
        title: ["体征指标", "Indicators"],
        description: [
            "各级区域的体征指标：数值、单位、分级与覆盖率，由读数计算",
            "Vital signs of every area: value, unit, level and coverage, worked out from readings",
        ],
        keywords: &[["体征", "vital sign"], ["指标", "indicator"]],
        access: Access::Restricted,
        forms: &[("列表", "list", "/api/v1/indicators", JSON, false, Some("api"))],
    },
    Row {
        id: "warnings",
        title: ["预警", "Warnings"],
        description: [
            "四级预警：规则、级别、位置、依据的读数、答复与解除",
            "Warnings of four severities: rule, place, the readings behind them, answer and end",
        ],
        keywords: &[["预警", "warning"]],
        access: Access::Restricted,
        forms: &[
            (
                "要素",
                "features",
                "/ogc/collections/warnings/items",
                GEOJSON,
                false,
                Some("features"),
            ),
            ("列表", "list", "/api/v1/warnings", JSON, false, Some("api")),
        ],
    },
    Row {
        id: "alerts",
        title: ["对外预警", "Alerts"],
        description: [
            "已答复为属实的预警，按 CAP 1.2 逐条发布并签名：发布、更新、解除",
            "Warnings that were answered as real, told message by message in CAP 1.2 and signed: alert, update, cancel",
        ],
        keywords: &[["公共预警", "public warning"], ["CAP", "CAP"]],
        access: Access::Restricted,
        forms: &[(
            "订阅",
            "feed",
            "/cap/v1.2/feed.atom",
            "application/atom+xml",
            true,
            Some("cap"),
        )],
    },
    Row {
        id: "cases",
        title: ["案件", "Cases"],
        description: [
            "案件的类型、状态、责任单位与时限，自立案到结案",
            "Cases with type, state, agency and deadline, from filing to closing",
        ],
        keywords: &[["案件", "case"], ["处置", "handling"]],
        access: Access::Restricted,
        forms: &[
            ("要素", "features", "/ogc/collections/cases/items", GEOJSON, false, Some("features")),
            (
                "矢量瓦片说明",
                "vector tiles, described by TileJSON",
                "/tiles/cases.json",
                JSON,
                false,
                None,
            ),
            ("列表", "list", "/api/v1/cases", JSON, false, Some("api")),
        ],
    },
];

/// Every data set, at these addresses.
pub(super) fn all(base: &str, begins: &Begins) -> Vec<DataSet> {
    let both = |words: [&str; 2]| Text::new(words[0], words[1]);
    let set = |row: &Row| DataSet {
        id: row.id,
        title: both(row.title),
        description: both(row.description),
        keywords: row.keywords.iter().copied().map(both).collect(),
        access: row.access,
        from: match row.id {
            "warnings" => begins.warnings,
            "alerts" => begins.alerts,
            "cases" => begins.cases,
            _ => None,
        },
        distributions: row.forms.iter().map(|form| distribution(base, form)).collect(),
    };
    ROWS.iter().map(set).collect()
}

fn distribution(base: &str, &(zh, en, path, media, is_file, service): &Form) -> Distribution {
    let address = format!("{base}{path}");
    Distribution { title: Text::new(zh, en), address, media, is_file, service }
}

/// The data sets that a service gives.
pub(super) fn served_by(service: &str) -> Vec<&'static str> {
    let gives = |row: &&Row| row.forms.iter().any(|form| form.5 == Some(service));
    ROWS.iter().filter(gives).map(|row| row.id).collect()
}
