//! Settings of a running city: flags, `CHENGMAI_*` variables and a TOML file, in that order of
//! strength. Every flag has the same name in all three.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chengmai_store::proof::Verifier;
use chengmai_store::records::Place;
use clap::Args;
use serde::Deserialize;

pub(crate) mod locks;
pub(crate) mod notify;
pub(crate) mod provider;
pub(crate) mod tls;

use locks::{LockFlags, LockSettings};
use notify::{NotifyFlags, NotifySettings};
use provider::{ProviderFlags, ProviderSettings};
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
    /// Public keys, separated by commas, of which one must have signed each pack of that folder (chengmai pack sign)
    #[arg(long, env = "CHENGMAI_PACK_SIGNERS", value_delimiter = ',', value_name = "KEYS")]
    pack_signers: Option<Vec<String>>,
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
    /// Folder, best on another disk, that keeps the journal for good, for restore --journal; made if absent
    #[arg(long, env = "CHENGMAI_KEEP_JOURNAL", value_name = "DIR")]
    keep_journal: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    notify: NotifyFlags,
    /// Public keys of those who witness the proof log, separated by commas: name+identifier+base64
    #[arg(long, env = "CHENGMAI_WITNESSES", value_delimiter = ',', value_name = "KEYS")]
    witnesses: Option<Vec<String>>,
    #[command(flatten)]
    locks: LockFlags,
    #[command(flatten)]
    provider: ProviderFlags,
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
    pack_signers: Option<Vec<String>>,
    register_unknown: Option<bool>,
    body_mib_max: Option<u32>,
    lateness: Option<String>,
    snapshot_seconds: Option<u64>,
    keep_journal: Option<PathBuf>,
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
    oidc_issuer: Option<String>,
    oidc_client: Option<String>,
    oidc_secret_file: Option<PathBuf>,
    oidc_name: Option<String>,
    oidc_account_claim: Option<String>,
}

impl ConfigFile {
    fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings file {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("settings file {}", path.display()))
    }

    fn notify(&mut self) -> NotifyFlags {
        NotifyFlags {
            smtp_url: self.smtp_url.take(),
            smtp_password_file: self.smtp_password_file.take(),
            smtp_from: self.smtp_from.take(),
            public_url: self.public_url.take(),
            allow_webhook_to: self.allow_webhook_to.take(),
            notify_retry: self.notify_retry.take(),
        }
    }

    fn tls(&mut self) -> TlsFlags {
        TlsFlags {
            tls_cert: self.tls_cert.take(),
            tls_key: self.tls_key.take(),
            tls_client_ca: self.tls_client_ca.take(),
            mqtts: self.mqtts.take(),
        }
    }

    fn locks(&mut self) -> LockFlags {
        LockFlags {
            policies: self.policies.take(),
            second_factor_for: self.second_factor_for.take(),
            requests_per_second: self.requests_per_second.take(),
            keep_contacts_days: self.keep_contacts_days.take(),
            keep_patrols_days: self.keep_patrols_days.take(),
        }
    }

    fn provider(&mut self) -> ProviderFlags {
        ProviderFlags {
            issuer: self.oidc_issuer.take(),
            client: self.oidc_client.take(),
            secret_file: self.oidc_secret_file.take(),
            name: self.oidc_name.take(),
            account_claim: self.oidc_account_claim.take(),
        }
    }
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
    /// Who may have signed them; none: nobody must.
    pub(crate) pack_signers: Vec<Verifier>,
    pub(crate) register_unknown: bool,
    pub(crate) body_bytes_max: usize,
    pub(crate) lateness_ms: i64,
    pub(crate) snapshot_ms: i64,
    /// Where the journal is kept for good.
    pub(crate) keep_journal: Option<PathBuf>,
    pub(crate) notify: NotifySettings,
    /// Whose cosignatures on the proof log are taken.
    pub(crate) witnesses: Vec<Verifier>,
    pub(crate) locks: LockSettings,
    /// Where people may sign in besides here.
    pub(crate) provider: Option<Arc<ProviderSettings>>,
    /// The city is a made-up one: every page says so.
    pub(crate) simulated: bool,
}

impl ServeFlags {
    /// Flags over file over defaults. `data_default` is what a missing `--data` means.
    pub(crate) fn resolve(self, data_default: &str, simulated: bool) -> anyhow::Result<Config> {
        let mut file = ConfigFile::read(self.config.as_deref())?;
        let notify = self.notify.or(file.notify()).resolve()?;
        let (tls, mqtts) = self.tls.or(file.tls()).resolve()?;
        let locks = self.locks.or(file.locks());
        let provider = self.provider.or(file.provider());
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
        let witnesses = self.witnesses.or(file.witnesses).unwrap_or_default();
        let pack_signers = self.pack_signers.or(file.pack_signers).unwrap_or_default();
        Ok(Config {
            provider: provider.resolve(notify.public_url.as_deref())?.map(Arc::new),
            locks: locks.resolve()?,
            witnesses: verifiers("--witnesses", &witnesses)?,
            pack_signers: verifiers("--pack-signers", &pack_signers)?,
            notify,
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
            keep_journal: self.keep_journal.or(file.keep_journal),
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

pub(crate) fn verifiers(flag: &str, keys: &[String]) -> anyhow::Result<Vec<Verifier>> {
    let read = |key: &String| {
        Verifier::parse(key).with_context(|| format!("{flag} {key}: give name+identifier+base64"))
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
            keep_journal: None,
            notify: NotifySettings::default(),
            witnesses: Vec::new(),
            provider: None,
            pack_signers: Vec::new(),
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
