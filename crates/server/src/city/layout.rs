//! Where things lie in a data folder, and the lock that lets only one program use it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chengmai_store::proof::Signer;
use chengmai_store::seal::Keyring;

use super::alerts::AlertKey;
use crate::accounts::hex;

/// Bytes of the key of tracking links.
const LINK_KEY_BYTES: usize = 32;

/// The data folder of one city.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens or makes the folder and takes its lock.
    ///
    /// # Errors
    /// When it cannot be made or another program holds it.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot make the data folder {}", root.display()))?;
        let lock = File::create(root.join("lock"))
            .with_context(|| format!("cannot write in the data folder {}", root.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "another chengmai uses {}: stop it first, or choose another --data folder",
                root.display()
            );
        }
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.root.join("history")
    }

    pub(crate) fn photos(&self) -> PathBuf {
        self.root.join("photos")
    }

    /// The proof log 存证日志.
    pub(crate) fn proof(&self) -> PathBuf {
        proof(&self.root)
    }

    /// The key that the proof log is signed with; made once, for this program's eyes only. Its name is that
    /// of the log: of this city and of no other installation.
    pub(crate) fn proof_key(&self, city: &str) -> anyhow::Result<Signer> {
        let path = proof_key(&self.root);
        if path.exists() {
            return read_proof_key(&path);
        }
        let mut number = [0_u8; 4];
        getrandom::fill(&mut number).context("the operating system gives no random numbers")?;
        let signer = Signer::generate(&format!("chengmai/{city}/{}", hex(&number)));
        let signer = signer.context("the operating system gives no random numbers")?;
        keep_secret(&path, signer.secret_text().as_bytes())
            .with_context(|| format!("cannot keep the proof log's key in {}", path.display()))?;
        Ok(signer)
    }

    /// The key that tracking links follow from; made once, for this program's eyes only.
    pub(crate) fn link_key(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.root.join("links.key");
        let failed = || format!("cannot keep the key of tracking links in {}", path.display());
        if let Ok(key) = fs::read(&path)
            && key.len() == LINK_KEY_BYTES
        {
            return Ok(key);
        }
        let mut key = vec![0_u8; LINK_KEY_BYTES];
        getrandom::fill(&mut key).context("the operating system gives no random numbers")?;
        keep_secret(&path, &key).with_context(failed)?;
        Ok(key)
    }

    /// The key that alerts are signed with (PKCS #8); made once, for this program's eyes only.
    pub(crate) fn alert_key(&self) -> anyhow::Result<AlertKey> {
        let path = self.root.join("alerts.key");
        let failed = || format!("cannot keep the key of alerts in {}", path.display());
        let secret = match fs::read(&path) {
            Ok(secret) => secret,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = AlertKey::generate()?;
                keep_secret(&path, &secret).with_context(failed)?;
                secret
            }
            Err(error) => return Err(error).with_context(failed),
        };
        AlertKey::new(&secret).with_context(|| format!("the key of alerts {}", path.display()))
    }

    /// The keys that personal data is sealed with; the first is made here, for this program's eyes only.
    pub(crate) fn keyring(&self) -> anyhow::Result<Keyring> {
        let path = personal_keys(&self.root);
        if !path.exists() {
            keep_secret(&path, Keyring::new_line()?.as_bytes())
                .with_context(|| format!("cannot keep {}", path.display()))?;
        }
        read_keyring(&self.root)?.context("the keys of personal data are there")
    }

    pub(crate) fn areas(&self) -> AreaFiles {
        AreaFiles::of(&self.root)
    }

    pub(crate) fn models(&self) -> ModelFiles {
        ModelFiles::of(&self.root)
    }
}

/// Puts a secret into a file for this program's eyes only: whole and on disk, or not at all.
pub(crate) fn keep_secret(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let new = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(secret)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder_of(path))?.sync_all()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Where the keys that personal data is sealed with lie.
pub(crate) fn personal_keys(root: &Path) -> PathBuf {
    root.join("personal.keys")
}

/// The keys that personal data is sealed with; none when there is no such file.
pub(crate) fn read_keyring(root: &Path) -> anyhow::Result<Option<Keyring>> {
    let path = personal_keys(root);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let keys = Keyring::parse(&text);
            keys.map(Some).with_context(|| format!("{} holds no keys", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Where the proof log lies.
pub(crate) fn proof(root: &Path) -> PathBuf {
    root.join("proof")
}

/// Where its key lies.
pub(crate) fn proof_key(root: &Path) -> PathBuf {
    root.join("proof.key")
}

/// The key of a proof log that there is.
pub(crate) fn read_proof_key(path: &Path) -> anyhow::Result<Signer> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the proof log's key {}", path.display()))?;
    Signer::parse(&text).with_context(|| format!("the proof log's key {}", path.display()))
}

/// The files about areas in a data folder.
#[derive(Debug, Clone)]
pub(crate) struct AreaFiles(PathBuf);

impl AreaFiles {
    /// Of the data folder that lies there.
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// What was imported.
    pub(crate) fn imported(&self) -> PathBuf {
        self.0.join("areas.json")
    }

    /// Codes that are no more.
    pub(crate) fn changes(&self) -> PathBuf {
        self.0.join("area-changes.json")
    }

    /// The areas of the last run.
    pub(crate) fn in_use(&self) -> PathBuf {
        self.0.join("areas-in-use.json")
    }

    /// The areas before those, until everything has moved.
    pub(crate) fn before(&self) -> PathBuf {
        self.0.join("areas-before.json")
    }
}

/// The models in a data folder that were learnt from the city's cases; they may be put there while the
/// city runs.
#[derive(Debug, Clone)]
pub(crate) struct ModelFiles(PathBuf);

impl ModelFiles {
    /// Of the data folder that lies there.
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// What a report is about.
    pub(crate) fn routing(&self) -> PathBuf {
        self.0.join("routing.model")
    }

    /// How words sound.
    pub(crate) fn tone(&self) -> PathBuf {
        self.0.join("tone.model")
    }

    /// Whether it can wait.
    pub(crate) fn urgency(&self) -> PathBuf {
        self.0.join("urgency.model")
    }
}
