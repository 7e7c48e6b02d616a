//! Settings of a running city: flags, `CHENGMAI_*` variables and a TOML file, in that order of
//! strength. Every flag has the same name in all three.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chengmai_store::proof::Verifier;
use chengmai_store::records::Place;
use clap::Args;
use serde::Deserialize;

pub(crate) mod locks;
pub(crate) mod notify;
pub(crate) mod tls;

use locks::{LockFlags, LockSettings};
use notify::{NotifyFlags, NotifySettings};
use tls::{TlsFiles, TlsFlags};

/// Holds the password of the records' server where no file does.
const RECORDS_PASSWORD: &str = "CHENGMAI_RECORDS_PASSWORD";

/// Where accounts, warnings and cases are: also for `user`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RecordsFlags {
    /// PostgreSQL database for accounts, warnings and cases, instead of a file in the data folder:
    /// postgres://user@host:5432/database?sslmode=verify-full
    #[arg(long, env = "CHENGMAI_RECORDS", value_name = "URL")]
    records: Option<String>,
    /// File that holds its password; or set CHENGMAI_RECORDS_PASSWORD
    #[arg(long, env = "CHENGMAI_RECORDS_PASSWORD_FILE", value_name = "FILE")]
    records_password_file: Option<PathBuf>,
}

/// Flags of `serve` and `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeFlags {
    /// Folder for journal, history, database and areas; made if absent
    #[arg(long, env = "CHENGMAI_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    records: RecordsFlags,
    /// Address for the web page and the HTTP interface [default: 127.0.0.1:8080]
    #[arg(long, env = "CHENGMAI_HTTP", value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Address for MQTT devices, or `off` [default: 127.0.0.1:1883]
    #[arg(long, env = "CHENGMAI_MQTT", value_name = "ADDR")]
    mqtt: Option<String>,
    /// Subscribe to the city's own broker: mqtt://user:password@host:1883?topic=sensors/%23
    #[arg(long, env = "CHENGMAI_MQTT_BROKER", value_name = "URL")]
    mqtt_broker: Option<String>,
    /// Folder with packs 场景包 to load besides the built-in ones (same id: yours wins)
    #[arg(long, env = "CHENGMAI_PACKS", value_name = "DIR")]
    packs: Option<PathBuf>,
    /// Register devices and kinds on first sight instead of refusing them
    #[arg(long, env = "CHENGMAI_REGISTER_UNKNOWN", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    register_unknown: Option<bool>,
    /// Largest request body in MiB [default: 64]
    #[arg(long, env = "CHENGMAI_BODY_MIB_MAX", value_name = "MIB")]
    body_mib_max: Option<u32>,
    /// How late a reading may be and still correct its windows, e.g. 15m [default: 15m]
    #[arg(long, env = "CHENGMAI_LATENESS", value_name = "DURATION")]
    lateness: Option<String>,
    /// Seconds between snapshots of the engine [default: 300]
    #[arg(long, env = "CHENGMAI_SNAPSHOT_SECONDS", value_name = "SECONDS")]
    snapshot_seconds: Option<u64>,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    notify: NotifyFlags,
    /// Public keys of those who witness the proof log, separated by commas: name+identifier+base64
    #[arg(long, env = "CHENGMAI_WITNESSES", value_delimiter = ',', value_name = "KEYS")]
    witnesses: Option<Vec<String>>,
    #[command(flatten)]
    locks: LockFlags,
    /// TOML file with any of these settings (`http = "0.0.0.0:80"`)
    #[arg(long, env = "CHENGMAI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The same settings as they stand in a TOML file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data: Option<PathBuf>,
    records: Option<String>,
    records_password_file: Option<PathBuf>,
    http: Option<SocketAddr>,
    mqtt: Option<String>,
    mqtt_broker: Option<String>,
    packs: Option<PathBuf>,
    register_unknown: Option<bool>,
    body_mib_max: Option<u32>,
    lateness: Option<String>,
    snapshot_seconds: Option<u64>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    mqtts: Option<SocketAddr>,
    smtp_url: Option<String>,
    smtp_password_file: Option<PathBuf>,
    smtp_from: Option<String>,
    public_url: Option<String>,
    allow_webhook_to: Option<String>,
    notify_retry: Option<String>,
    witnesses: Option<Vec<String>>,
    policies: Option<PathBuf>,
    second_factor_for: Option<Vec<String>>,
    requests_per_second: Option<u32>,
    keep_contacts_days: Option<u32>,
    keep_patrols_days: Option<u32>,
}

/// Settings of a running city, complete.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) records: Place,
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: Option<SocketAddr>,
    /// The HTTP address speaks HTTPS.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) mqtts: Option<SocketAddr>,
    pub(crate) mqtt_broker: Option<String>,
    pub(crate) packs: Option<PathBuf>,
    pub(crate) register_unknown: bool,
    pub(crate) body_bytes_max: usize,
    pub(crate) lateness_ms: i64,
    pub(crate) snapshot_ms: i64,
    pub(crate) notify: NotifySettings,
    /// Whose cosignatures on the proof log are taken.
    pub(crate) witnesses: Vec<Verifier>,
    pub(crate) locks: LockSettings,
    /// The city is a made-up one: every page says so.
    pub(crate) simulated: bool,
}

impl ServeFlags {
    /// Flags over file over defaults. `data_default` is what a missing `--data` means.
    pub(crate) fn resolve(self, data_default: &str, simulated: bool) -> anyhow::Result<Config> {
        let file: ConfigFile = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the settings file {}", path.display()))?;
                toml::from_str(&text)
                    .with_context(|| format!("settings file {}", path.display()))?
            }
            None => ConfigFile::default(),
        };
        let mqtt = self.mqtt.or(file.mqtt).unwrap_or_else(|| "127.0.0.1:1883".to_owned());
        let mqtt = match mqtt.as_str() {
            "off" => None,
            text => Some(text.parse().with_context(|| {
                format!("--mqtt {text}: give an address such as 127.0.0.1:1883, or off")
            })?),
        };
        let lateness = self.lateness.or(file.lateness).unwrap_or_else(|| "15m".to_owned());
        let body_mib = self.body_mib_max.or(file.body_mib_max).unwrap_or(64);
        let data = self.data.or(file.data).unwrap_or_else(|| data_default.into());
        let records = RecordsFlags {
            records: self.records.records.or(file.records),
            records_password_file: self
                .records
                .records_password_file
                .or(file.records_password_file),
        };
        let notify = self.notify.or(NotifyFlags {
            smtp_url: file.smtp_url,
            smtp_password_file: file.smtp_password_file,
            smtp_from: file.smtp_from,
            public_url: file.public_url,
            allow_webhook_to: file.allow_webhook_to,
            notify_retry: file.notify_retry,
        });
        let tls = self.tls.or(TlsFlags {
            tls_cert: file.tls_cert,
            tls_key: file.tls_key,
            tls_client_ca: file.tls_client_ca,
            mqtts: file.mqtts,
        });
        let (tls, mqtts) = tls.resolve()?;
        let witnesses = self.witnesses.or(file.witnesses).unwrap_or_default();
        let locks = self.locks.or(LockFlags {
            policies: file.policies,
            second_factor_for: file.second_factor_for,
            requests_per_second: file.requests_per_second,
            keep_contacts_days: file.keep_contacts_days,
            keep_patrols_days: file.keep_patrols_days,
        });
        Ok(Config {
            locks: locks.resolve()?,
            witnesses: witnesses_of(&witnesses)?,
            notify: notify.resolve()?,
            records: records.place(&data)?,
            data,
            http: self.http.or(file.http).unwrap_or_else(|| ([127, 0, 0, 1], 8080).into()),
            mqtt,
            tls,
            mqtts,
            mqtt_broker: self.mqtt_broker.or(file.mqtt_broker),
            packs: self.packs.or(file.packs),
            register_unknown: self.register_unknown.or(file.register_unknown).unwrap_or(false),
            body_bytes_max: body_mib as usize * 1024 * 1024,
            lateness_ms: chengmai_model::time::parse_duration_ms(&lateness)
                .with_context(|| format!("--lateness {lateness}: give a duration such as 15m"))?,
            snapshot_ms: i64::try_from(
                self.snapshot_seconds.or(file.snapshot_seconds).unwrap_or(300).max(1),
            )? * 1000,
            simulated,
        })
    }
}

impl RecordsFlags {
    /// The place they mean; without any, the file in the data folder.
    pub(crate) fn place(&self, data: &Path) -> anyhow::Result<Place> {
        let Some(records) = &self.records else { return Ok(Place::File(records_file(data))) };
        let password = match &self.records_password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!("cannot read the password of the records in {}", path.display())
                })?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(RECORDS_PASSWORD).ok(),
        };
        Place::parse(records, password).with_context(|| {
            format!("--records: write it to a file for --records-password-file, or into {RECORDS_PASSWORD}")
        })
    }
}

fn witnesses_of(keys: &[String]) -> anyhow::Result<Vec<Verifier>> {
    let read = |key: &String| {
        Verifier::parse(key)
            .with_context(|| format!("--witnesses {key}: give name+identifier+base64"))
    };
    keys.iter().map(read).collect()
}

/// The records of a data folder that has its own.
fn records_file(data: &Path) -> PathBuf {
    data.join("records.db")
}

impl Config {
    /// Settings of a measurement: no listener matters, every device is welcome.
    pub(crate) fn for_bench(data: PathBuf) -> Self {
        Self {
            records: Place::File(records_file(&data)),
            data,
            http: ([127, 0, 0, 1], 0).into(),
            mqtt: None,
            tls: None,
            mqtts: None,
            mqtt_broker: None,
            packs: None,
            register_unknown: true,
            body_bytes_max: 0,
            lateness_ms: 15 * chengmai_model::time::MINUTE_MS,
            snapshot_ms: i64::MAX,
            notify: NotifySettings::default(),
            witnesses: Vec::new(),
            locks: LockSettings::default(),
            simulated: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: ServeFlags,
    }

    #[test]
    fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("city.toml");
        std::fs::write(&path, "http = \"127.0.0.1:1\"\nmqtt = \"off\"\nlateness = \"1h\"\n")
            .unwrap();
        let line = ["x", "--http", "127.0.0.1:2", "--config", path.to_str().unwrap()];
        let config = Line::parse_from(line).flags.resolve("d", false).unwrap();
        assert_eq!(config.http.port(), 2);
        assert_eq!(config.mqtt, None);
        assert_eq!(config.lateness_ms, 3_600_000);
        assert_eq!(config.data, PathBuf::from("d"));
    }

    #[test]
    fn records_are_in_the_data_folder_or_where_it_is_said_with_the_password_from_a_file() {
        let config = Line::parse_from(["x"]).flags.resolve("d", false).unwrap();
        assert_eq!(config.records, Place::File("d/records.db".into()));
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "pa ss\n").unwrap();
        let url = "postgres://city@db/records";
        let line = ["x", "--records", url, "--records-password-file", secret.to_str().unwrap()];
        let config = Line::parse_from(line).flags.resolve("d", false).unwrap();
        assert_eq!(config.records, Place::parse(url, Some("pa ss".into())).unwrap());
        let line = ["x", "--records", "postgres://city:secret@db/records"];
        let error = Line::parse_from(line).flags.resolve("d", false).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("RECORDS_PASSWORD") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn an_unknown_key_of_the_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("city.toml");
        std::fs::write(&path, "htpp = \"127.0.0.1:1\"\n").unwrap();
        let line = ["x", "--config", path.to_str().unwrap()];
        let error = Line::parse_from(line).flags.resolve("d", false).unwrap_err();
        assert!(format!("{error:#}").contains("htpp"), "{error:#}");
    }
}
