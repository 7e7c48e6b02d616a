//! How the program itself is: counters, health, metrics, what it is and where it listens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use chengmai_model::{AreaId, Severity, Text, Tier};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::Serialize;
use utoipa::ToSchema;

use crate::city::City;
use crate::city::counters::get;
use crate::http::access::{Caller, Permission};
use crate::http::problem::{Answer, TextJson};
use crate::mqtt::MqttCounters;

/// The city's own words and settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": {"zh": "重庆市", "en": "Chongqing"}, "root": "50",
    "time_zone": "Asia/Shanghai", "tiers": [{"id": "city", "name": {"zh": "市", "en": "City"}}],
    "sections": [{"id": "facility_operation", "name": {"zh": "设施运行", "en": "Facilities"}}],
    "severities": [{"severity": 4, "name": {"zh": "红色", "en": "Red"}, "color": "#D92D20"}],
    "simulated": false, "provider": null, "version": "0.1.0"}))]
pub(crate) struct CityJson {
    name: TextJson,
    root: String,
    time_zone: String,
    tiers: Vec<Named>,
    sections: Vec<Named>,
    severities: Vec<SeverityJson>,
    /// True for the demo: everything in it is made up.
    simulated: bool,
    /// What people call the identity provider through which they may sign in; none: there is none.
    provider: Option<String>,
    version: &'static str,
}

/// An id with its words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Named {
    id: String,
    name: TextJson,
}

/// A severity with its words and colour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeverityJson {
    severity: u8,
    name: TextJson,
    color: &'static str,
}

/// The city's name, tiers, sections and labels. Open to everyone.
#[utoipa::path(get, path = "/api/v1/city", tag = "system", security(()),
    responses((status = 200, body = CityJson)))]
pub(crate) async fn get_city(State(city): State<Arc<City>>) -> Json<CityJson> {
    let profile = &city.profile;
    // Imported areas may be another city's than the pack's.
    let root = &city.areas.get(AreaId::ROOT).row;
    let own_name = Text::new(root.name.as_str(), root.name.as_str());
    let name = if root.code == profile.root { &profile.name } else { &own_name };
    Json(CityJson {
        name: name.into(),
        root: root.code.to_string(),
        time_zone: profile.time_zone.clone(),
        tiers: Tier::ALL
            .into_iter()
            .map(|t| Named { id: t.word().to_owned(), name: (&profile.tier_name(t)).into() })
            .collect(),
        sections: profile
            .sections
            .iter()
            .map(|s| Named { id: s.id.clone(), name: (&s.name).into() })
            .collect(),
        severities: Severity::ALL
            .into_iter()
            .map(|s| SeverityJson {
                severity: s.number(),
                name: (&profile.severity_name(s)).into(),
                color: color(s),
            })
            .collect(),
        simulated: city.config.simulated,
        provider: city.locks.provider.as_ref().map(|provider| provider.name().to_owned()),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn color(severity: Severity) -> &'static str {
    match severity.number() {
        1 => "#2F6FDE",
        2 => "#E0A100",
        3 => "#E8730C",
        _ => "#D92D20",
    }
}

/// How the program itself is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"readings_per_second": 1667, "readings_total": 5_000_000, "refused_total": 3,
    "refused": [{"reason": "malformed", "code": "E-101", "name": {"zh": "格式错误", "en": "not well formed"}, "count": 3}],
    "devices": 100_000, "streams": 100_000, "online": 99_600, "journal_bytes": 80_000_000,
    "started_at": "2026-11-21T03:04:05.678Z", "taking_readings": true, "stopped_reason": null,
    "mqtt": {"listen": "127.0.0.1:1883", "listen_tls": null, "connections": 2}, "http": "127.0.0.1:8080", "version": "0.1.0"}))]
pub(crate) struct SystemJson {
    readings_per_second: u64,
    /// Readings acknowledged since the start of the program.
    readings_total: u64,
    refused_total: u64,
    refused: Vec<RefusalCount>,
    devices: u64,
    streams: u64,
    online: u64,
    journal_bytes: u64,
    started_at: String,
    /// False after a failed disk write.
    taking_readings: bool,
    stopped_reason: Option<String>,
    mqtt: MqttJson,
    http: String,
    version: &'static str,
}

/// Refusals for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalCount {
    reason: &'static str,
    code: String,
    name: TextJson,
    count: u64,
}

/// The MQTT listener.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MqttJson {
    listen: Option<String>,
    /// The same inside TLS.
    listen_tls: Option<String>,
    connections: u64,
}

/// Counters of the running program, refusals by reason.
#[utoipa::path(get, path = "/api/v1/system", tag = "system",
    responses((status = 200, body = SystemJson)))]
pub(crate) async fn get_system(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<SystemJson>> {
    caller.need(Permission::Read)?;
    let counters = &city.counters;
    let totals = city.engine.read().totals();
    let refused: Vec<RefusalCount> = counters
        .refusals()
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| RefusalCount {
            reason: code.name,
            code: code.label(),
            name: code.text().into(),
            count,
        })
        .collect();
    let stopped_reason = city.stop_reason.read().clone();
    let devices = city.registry.read().device_count() as u64;
    let (listen, listen_tls, connections) = crate::doors::status(&city);
    let text = |address: std::net::SocketAddr| address.to_string();
    Ok(Json(SystemJson {
        readings_per_second: city.rate.per_second(),
        readings_total: get(&counters.accepted),
        refused_total: refused.iter().map(|r| r.count).sum(),
        refused,
        devices,
        streams: totals.streams,
        online: totals.online,
        journal_bytes: get(&counters.journal_bytes),
        started_at: city.started_at.to_rfc3339(),
        taking_readings: stopped_reason.is_none(),
        stopped_reason,
        mqtt: MqttJson { listen: listen.map(text), listen_tls: listen_tls.map(text), connections },
        http: city.config.http.to_string(),
        version: env!("CARGO_PKG_VERSION"),
    }))
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "system", security(()),
    responses((status = 200, description = "ok", body = String, example = "ok")))]
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// Ready: readings are taken.
#[utoipa::path(get, path = "/readyz", tag = "system", security(()),
    responses((status = 200, description = "ready", body = String, example = "ready"),
        (status = 503, description = "not taking readings, with the reason", body = String)))]
pub(crate) async fn readyz(State(city): State<Arc<City>>) -> (StatusCode, String) {
    match city.stop_reason.read().as_ref() {
        None => (StatusCode::OK, "ready".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not taking readings: {reason}")),
    }
}

/// Every counter in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "system", security(()),
    responses((status = 200, description = "Prometheus text format", body = String,
        example = "chengmai_readings_accepted_total 5000000")))]
pub(crate) async fn get_metrics(State(city): State<Arc<City>>) -> impl IntoResponse {
    let text = render(&city);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn render(city: &City) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let totals = city.engine.read().totals();
    let (devices, streams) = {
        let registry = city.registry.read();
        (registry.device_count(), registry.stream_count())
    };
    let c = &city.counters;
    metrics::with_local_recorder(&recorder, || {
        counter!("chengmai_readings_accepted_total").absolute(get(&c.accepted));
        counter!("chengmai_readings_applied_total").absolute(get(&c.applied));
        counter!("chengmai_readings_duplicate_total").absolute(totals.duplicates);
        counter!("chengmai_readings_repeated_total").absolute(get(&c.repeated));
        counter!("chengmai_readings_late_total").absolute(totals.late);
        for (code, count) in c.refusals() {
            counter!("chengmai_refused_total", "reason" => code.name, "code" => code.label())
                .absolute(count);
        }
        counter!("chengmai_journal_commits_total").absolute(get(&c.commits));
        gauge!("chengmai_journal_commit_seconds_total").set(get(&c.commit_ns) as f64 / 1e9);
        gauge!("chengmai_journal_bytes").set(get(&c.journal_bytes) as f64);
        counter!("chengmai_journal_keep_failures_total").absolute(get(&c.keep_failures));
        gauge!("chengmai_engine_apply_seconds_total").set(get(&c.apply_ns) as f64 / 1e9);
        let signed = city.proof.reader().map_or(0, |log| log.tip().checkpoint.size);
        gauge!("chengmai_proof_log_leaves").set(signed as f64);
        gauge!("chengmai_proof_log_stopped").set(f64::from(u8::from(city.proof.is_stopped())));
        counter!("chengmai_ticks_total").absolute(get(&c.ticks));
        gauge!("chengmai_tick_seconds_total").set(get(&c.tick_ns) as f64 / 1e9);
        counter!("chengmai_snapshots_total").absolute(get(&c.snapshots));
        gauge!("chengmai_snapshot_pause_seconds").set(get(&c.freeze_ns) as f64 / 1e9);
        counter!("chengmai_windows_closed_total").absolute(get(&c.windows));
        counter!("chengmai_alarms_total").absolute(get(&c.alarms));
        counter!("chengmai_warnings_total").absolute(get(&c.warnings));
        counter!("chengmai_history_merged_rows_total").absolute(get(&c.merged));
        counter!("chengmai_history_expired_rows_total").absolute(get(&c.expired));
        counter!("chengmai_history_expired_bytes_total").absolute(get(&c.expired_bytes));
        counter!("chengmai_photos_unused_removed_total").absolute(get(&c.photos_removed));
        gauge!("chengmai_devices").set(devices as f64);
        gauge!("chengmai_streams").set(streams as f64);
        gauge!("chengmai_streams_online").set(totals.online as f64);
        mqtt_metrics(&city.mqtt);
        let crowd = &city.entrances.crowd;
        gauge!("chengmai_http_connections").set(f64::from(crowd.count()));
        for (reason, count) in [
            ("over_limit", &crowd.over_limit),
            ("idle", &crowd.idle),
            ("handshake", &crowd.handshakes),
        ] {
            counter!("chengmai_http_closed_total", "reason" => reason).absolute(get(count));
        }
        let stopped = city.stop_reason.read().is_some();
        gauge!("chengmai_taking_readings").set(f64::from(u8::from(!stopped)));
    });
    handle.render()
}

fn mqtt_metrics(mqtt: &MqttCounters) {
    gauge!("chengmai_mqtt_connections").set(get(&mqtt.connections) as f64);
    counter!("chengmai_mqtt_connected_total").absolute(get(&mqtt.connected));
    counter!("chengmai_mqtt_messages_total").absolute(get(&mqtt.messages));
    gauge!("chengmai_mqtt_topics").set(get(&mqtt.topics) as f64);
    gauge!("chengmai_mqtt_waiting_bytes").set(get(&mqtt.waiting_bytes) as f64);
    counter!("chengmai_mqtt_told_total").absolute(get(&mqtt.told));
    counter!("chengmai_mqtt_too_long_total").absolute(get(&mqtt.too_long));
    counter!("chengmai_mqtt_broker_connects_total").absolute(get(&mqtt.broker_connects));
    for (reason, count) in [
        ("over_limit", &mqtt.over_limit),
        ("handshake", &mqtt.handshakes),
        ("unauthorised", &mqtt.unauthorised),
        ("malformed", &mqtt.malformed),
        ("silent", &mqtt.silent),
        ("turned_away", &mqtt.turned_away),
        ("taken_over", &mqtt.taken_over),
        ("too_slow", &mqtt.too_slow),
    ] {
        counter!("chengmai_mqtt_closed_total", "reason" => reason).absolute(get(count));
    }
}
