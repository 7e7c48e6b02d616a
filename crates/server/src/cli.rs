//! The command line: what can be asked, in the words that `--help` shows.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{RecordsFlags, ServeFlags};

/// Chengmai 城脉: a city brain in one program.
///
/// Try `chengmai demo`: a made-up afternoon in Chongqing with 100,000 simulated devices, on
/// http://127.0.0.1:8080. For your own city: `chengmai import areas FILE`, then `chengmai serve`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a city: web page, HTTP interface, MQTT listener
    ///
    /// Example: chengmai serve --data /var/lib/chengmai --http 0.0.0.0:8080 --mqtt 0.0.0.0:1883
    /// The first start makes an administrator and prints the password once.
    Serve(ServeFlags),
    /// Run a made-up city with simulated devices and a scripted afternoon
    ///
    /// Everything in it is labelled as simulated. A new data folder gets a made-up past first.
    Demo(DemoFlags),
    /// Bring in areas, devices or other cities' cases from files
    Import(Import),
    /// Send the readings of a CSV file to a running city, at any speed
    ///
    /// Example: chengmai replay readings.csv --url http://127.0.0.1:8080 --token cm_… --speed 60
    /// Columns: device, kind, value, time; more columns are refused by name.
    Replay(Replay),
    /// Check, test and start packs 场景包
    Pack(Pack),
    /// Learn from the city's own closed cases what reports are about
    Train(Train),
    /// Accounts and tokens of a data folder
    User(User),
    /// Read everything in a data folder from end to end and name whatever was altered, removed or added
    ///
    /// Journal and snapshots by their checksums; every decision in the records against the proof log 存证日志, row
    /// by row. Stop the city first. Ends with an error when anything is wrong.
    Verify(Verify),
    /// Copy a data folder while the city runs, with a hash of every file
    ///
    /// Example: chengmai backup --data /var/lib/chengmai --to /backup/2026-11-22. The copy holds the keys of tracking
    /// links, of the proof log and of personal data: keep it as safe as the data folder.
    Backup(Backup),
    /// Make a data folder from a backup, and read it back against the backup's hashes
    ///
    /// Example: chengmai restore --from /backup/2026-11-22 --data /var/lib/chengmai, then chengmai verify.
    /// With --journal readings go on to the end of a kept journal, or up to --until.
    Restore(Restore),
    /// Check a city's proof log 存证日志 from outside, and sign what continues what was seen before
    ///
    /// Example: chengmai witness --url https://city.example --key witness.key --name audit.example --token cm_…
    /// The first time it makes the key and prints its public half, for the city's --witnesses.
    Witness(Witness),
    /// Keys that personal data is sealed with
    Keys(Keys),
    /// Who may do what to what, and which policy says so
    Access(Access),
    /// Measure how many readings a second this machine can journal, roll up and judge, without HTTP
    ///
    /// The whole way over HTTP, with a separate load process, is measured by `cargo xtask bench ingest`.
    Bench(Bench),
    /// Print the OpenAPI document of the HTTP interface
    #[command(hide = true)]
    Openapi,
}

/// Flags of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    /// How many simulated devices
    #[arg(long, env = "CHENGMAI_DEMO_DEVICES", default_value_t = 100_000, value_name = "N")]
    pub(crate) devices: usize,
}

/// What to bring in.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) what: ImportWhat,
}

/// Kinds of import.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportWhat {
    /// Areas of five tiers from CSV, boundaries from GeoJSON; all or nothing
    ///
    /// Columns: code, parent, name, level (1 city to 5 grid) or tier; also kind, valid_from, valid_to,
    /// lon, lat, generated, note. One bad row refuses the whole file and names its line. Where the
    /// file has no grids they are generated and labelled so. Stop the city before importing areas. Codes
    /// that are no more are named by --recoded; at the next start devices, sums, warnings and cases
    /// move to the areas that theirs became.
    Areas {
        /// CSV file of areas
        file: PathBuf,
        /// GeoJSON file of boundaries, matched by code or name
        #[arg(long, value_name = "FILE")]
        boundaries: Option<PathBuf>,
        /// CSV file with the columns old,new: codes that are no more, and the areas they became
        #[arg(long, value_name = "FILE")]
        recoded: Option<PathBuf>,
        /// Do not generate the fifth tier
        #[arg(long)]
        no_grids: bool,
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
    },
    /// Devices from CSV or GeoJSON points into a running city
    Devices {
        /// CSV (id, kinds, area or lon and lat, …) or GeoJSON file
        file: PathBuf,
        #[command(flatten)]
        to: Target,
    },
    /// Stops of a timetable (GTFS) into a running city as devices, and the names of its routes and trips
    ///
    /// Example: chengmai import gtfs timetable.zip --feed bus --token cm_…
    /// Reads stops.txt, routes.txt and trips.txt of a ZIP or a folder. Run again, it changes what changed.
    Gtfs {
        /// ZIP file or folder
        file: PathBuf,
        /// Feed whose vehicles it is the timetable of, as a pack names it
        #[arg(long)]
        feed: String,
        #[command(flatten)]
        to: Target,
    },
    /// Service requests of another city into a running city, as cases
    Cases {
        /// CSV file as that city publishes it
        file: PathBuf,
        /// nyc or boston
        #[arg(long)]
        format: String,
        #[command(flatten)]
        to: Target,
    },
}

/// A running city.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Where it runs
    #[arg(long, env = "CHENGMAI_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// Bearer token: chengmai user token --data DIR NAME
    #[arg(long, env = "CHENGMAI_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
}

/// What to send, and how fast.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// CSV file with the columns device, kind, value, time
    pub(crate) file: PathBuf,
    /// How much faster than it happened; 0 as fast as possible
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
    /// Keep the file's own times instead of moving its beginning to now
    #[arg(long)]
    pub(crate) original_times: bool,
    #[command(flatten)]
    pub(crate) to: Target,
}

/// What to do with packs.
#[derive(Debug, Args)]
pub(crate) struct Pack {
    #[command(subcommand)]
    pub(crate) what: PackWhat,
}

/// Work on packs.
#[derive(Debug, Subcommand)]
pub(crate) enum PackWhat {
    /// Read packs and name every fault with file, line and fix
    Check {
        /// Folders of packs; none: the built-in ones
        folders: Vec<PathBuf>,
        /// One of these must have signed each of them, separated by commas: name+identifier+base64
        #[arg(long, value_delimiter = ',', value_name = "KEYS")]
        signers: Vec<String>,
    },
    /// Run the scenarios of packs
    Test {
        /// Folders of packs; none: the built-in ones
        folders: Vec<PathBuf>,
    },
    /// Sign packs, so that a city that asks for it (serve --pack-signers) takes them and nothing else
    ///
    /// Example: chengmai pack sign packs/heat --key city-packs.key --name packs.city.example
    Sign {
        /// Folders of packs
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// File with the signer's key; made if absent. Keep it away from the city's machine
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Name of a new key
        #[arg(long, default_value = "packs")]
        name: String,
    },
    /// Start a new pack from a small working example
    New {
        /// Its folder; the last part is its id
        folder: PathBuf,
    },
}

/// What to learn.
#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(subcommand)]
    pub(crate) what: TrainWhat,
}

/// Kinds of learning.
#[derive(Debug, Subcommand)]
pub(crate) enum TrainWhat {
    /// The type of a report from its words, whether it can wait, and how words sound
    ///
    /// Prints how good each was on later cases that it had not seen.
    /// The city may be running: it takes the new model up when it is sent SIGHUP, and at its next start.
    Routing {
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        records: RecordsFlags,
    },
}

/// What to do with accounts.
#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    pub(crate) what: UserWhat,
}

/// Work on accounts. The city may be running.
#[derive(Debug, Subcommand)]
pub(crate) enum UserWhat {
    /// Print a new bearer token that acts as the account
    Token {
        /// Account name
        name: String,
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        records: RecordsFlags,
    },
    /// Add an account; asks for nothing, prints a made-up password unless one is given
    Add {
        /// Account name
        name: String,
        /// Roles, separated by commas: admin, duty_officer, agency_staff, grid_worker, supervisor, engineer, viewer, ingest
        #[arg(long, value_delimiter = ',', default_value = "viewer")]
        roles: Vec<String>,
        /// Code of the area it may see and act in [default: the whole city]
        #[arg(long)]
        area: Option<String>,
        /// Agency it works for
        #[arg(long)]
        agency: Option<String>,
        /// Password; read from the environment so that it stays out of process lists
        #[arg(env = "CHENGMAI_PASSWORD", long, hide_env_values = true)]
        password: Option<String>,
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        records: RecordsFlags,
    },
    /// Set a new password; prints a made-up one unless one is given
    Password {
        /// Account name
        name: String,
        /// Password; read from the environment so that it stays out of process lists
        #[arg(env = "CHENGMAI_PASSWORD", long, hide_env_values = true)]
        password: Option<String>,
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        records: RecordsFlags,
    },
    /// List accounts
    List {
        /// Data folder
        #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        records: RecordsFlags,
    },
}

/// What to verify.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) data: DataOnly,
    #[command(flatten)]
    pub(crate) records: RecordsFlags,
    /// A checkpoint of the log that somebody kept: it must be of this log's past
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
}

/// What to copy, and where.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) data: DataOnly,
    #[command(flatten)]
    pub(crate) records: RecordsFlags,
    /// New folder for the copy
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

/// What to make a data folder from.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Folder of the backup
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// Folder with the journal since, as serve --keep-journal kept it
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// Moment after which nothing of that journal is taken: 2026-11-22T14:00:00+08:00
    #[arg(long, value_name = "TIME", requires = "journal")]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataOnly,
    #[command(flatten)]
    pub(crate) records: RecordsFlags,
}

/// Whom to witness, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// File with the witness's key; made if absent
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Name of a new key
    #[arg(long, default_value = "witness")]
    pub(crate) name: String,
    /// File that keeps the last checkpoint that was seen to be right
    #[arg(long, default_value = "witness.checkpoint", value_name = "FILE")]
    pub(crate) seen: PathBuf,
    #[command(flatten)]
    pub(crate) to: Target,
}

/// What is done with keys.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) what: KeysWhat,
}

/// Work on keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysWhat {
    /// Make a new key, seal everything with it, and forget the old ones; stop the city first
    ///
    /// Cut short, it goes on when it is run again. Backups from before need the keys that lie in them.
    Rotate {
        #[command(flatten)]
        data: DataOnly,
        #[command(flatten)]
        records: RecordsFlags,
    },
}

/// What is asked of access.
#[derive(Debug, Args)]
pub(crate) struct Access {
    #[command(subcommand)]
    pub(crate) what: AccessWhat,
}

/// Who, what and to which thing.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Account name
    pub(crate) user: String,
    /// What: read, case_decide, personal_read, export, … (all of them when it is none of these)
    pub(crate) action: String,
    /// To what: area:CODE, case:NUMBER, warning:ID or user:NAME
    pub(crate) object: String,
    /// Class of the data: public, internal, sensitive, personal [default: that of the action]
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// What for: handle, review, law, statistics
    #[arg(long)]
    pub(crate) purpose: Option<String>,
    /// As a program with a token of that account
    #[arg(long)]
    pub(crate) program: bool,
    /// Folder with the city's own policies, as for serve
    #[arg(long, env = "CHENGMAI_POLICIES", value_name = "DIR")]
    pub(crate) policies: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataOnly,
    #[command(flatten)]
    pub(crate) records: RecordsFlags,
}

/// Questions on access.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessWhat {
    /// Why an account may, or may not, do something
    ///
    /// Example: chengmai access explain duty personal_read case:500103-20261121-00001 --purpose handle
    Explain(Box<Explain>),
    /// Print the built-in policies and the schema that a city's own are checked against
    Policies,
}

/// Only a data folder.
#[derive(Debug, Args)]
pub(crate) struct DataOnly {
    /// Data folder
    #[arg(long, env = "CHENGMAI_DATA", default_value = "./data", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Simulated devices
    #[arg(long, default_value_t = 100_000)]
    pub(crate) devices: usize,
    /// Readings in all
    #[arg(long, default_value_t = 5_000_000)]
    pub(crate) readings: usize,
}
