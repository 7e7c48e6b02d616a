//! The city's certificate: read from its files, given to every door that speaks TLS, and read again
//! when the files change. And the name in a certificate of a device.
//!
//! Not here: sockets and handshakes, which are the doors'. Invariant: what is served was whole: a
//! certificate that cannot be read or does not fit its key is refused with a line in the log, and the
//! one before it stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chengmai_wire::certificate::common_name;
use parking_lot::{Mutex, RwLock};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::tls::TlsFiles;

/// How long a stranger may take to agree on keys.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK: Duration = Duration::from_mins(1);
/// Bytes of one of the files at most: a certificate and all that vouch for it are a few KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificate that is served now.
pub(crate) struct Tls {
    files: TlsFiles,
    doors: RwLock<Doors>,
    /// Hash of the files as they were last tried, so that a bad certificate is told of once.
    tried: Mutex<[u8; 32]>,
}

/// What each kind of door speaks inside TLS.
struct Doors {
    http: TlsAcceptor,
    mqtt: TlsAcceptor,
}

/// The files as they are on disk.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What became of a look at the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// As they were.
    Same,
    /// Their certificate is served from now on.
    Taken,
    /// They are no use; the one before stays.
    Refused,
}

impl Tls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When they are no certificate with its key.
    pub(crate) fn read(files: TlsFiles) -> anyhow::Result<Self> {
        let contents = Contents::read(&files)?;
        let doors = contents.doors()?;
        let tried = Mutex::new(contents.hash());
        Ok(Self { files, doors: RwLock::new(doors), tried })
    }

    /// For HTTP/2 and HTTP/1.1.
    pub(crate) fn http(&self) -> TlsAcceptor {
        self.doors.read().http.clone()
    }

    /// For MQTT.
    pub(crate) fn mqtt(&self) -> TlsAcceptor {
        self.doors.read().mqtt.clone()
    }

    /// Reads the files again. Unless `asked`, only when they are not those tried before.
    pub(crate) fn look(&self, asked: bool) -> Looked {
        let outcome = Contents::read(&self.files).and_then(|contents| {
            let hash = contents.hash();
            let before = std::mem::replace(&mut *self.tried.lock(), hash);
            if before == hash && !asked { Ok(None) } else { contents.doors().map(Some) }
        });
        match outcome {
            Ok(None) => Looked::Same,
            Ok(Some(doors)) => {
                *self.doors.write() = doors;
                tracing::info!("the certificate was read again");
                Looked::Taken
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the new certificate is refused; the one before it stays");
                Looked::Refused
            }
        }
    }

    /// Looks at the files now and then until `stop` turns true.
    pub(crate) async fn watch(&self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK) => { self.look(false); }
            }
        }
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            let len = std::fs::metadata(path).map(|data| data.len());
            let len = len.with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(len <= FILE_BYTES_MAX, "{} has more than a MiB", path.display());
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()] {
            let part = part.map_or(&[][..], Vec::as_slice);
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn doors(&self) -> anyhow::Result<Doors> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&self.cert).context("--tls-cert")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("--tls-key has no key")?;
        // TLS 1.2 and 1.3, without early data, which could be replayed.
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem).context("--tls-client-ca")? {
                    roots.add(certificate).context("--tls-client-ca")?;
                }
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                // Who has no certificate may still bring a token.
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
            }
        };
        let config = builder.with_single_cert(chain, key).context("--tls-cert and --tls-key")?;
        // Each door names its protocol, so that a browser cannot be led to the wrong one.
        let speaking = |protocols: &[&str]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
            TlsAcceptor::from(Arc::new(config))
        };
        Ok(Doors { http: speaking(&["h2", "http/1.1"]), mqtt: speaking(&["mqtt"]) })
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| anyhow::anyhow!("not PEM: {error}"))?;
    ensure!(!all.is_empty(), "there is no certificate in it");
    Ok(all)
}

/// Whom a client's certificate names, once its signatures have been checked: its common name, else its
/// only DNS name.
pub(crate) fn name_of(chain: Option<&[CertificateDer<'_>]>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(chain?.first()?).ok()?;
    if let Some(name) = common_name(certificate.subject()) {
        return Some(name);
    }
    let mut names = certificate.valid_dns_names();
    let name = names.next()?;
    names.next().is_none().then(|| name.to_owned())
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_certificate_are_refused_with_the_flag_that_named_them() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        let read = || {
            let files = TlsFiles { cert: cert.clone(), key: key.clone(), client_ca: None };
            format!("{:#}", Tls::read(files).unwrap_err())
        };
        assert!(read().contains("cannot read"), "{}", read());
        std::fs::write(&cert, "nothing").unwrap();
        std::fs::write(&key, "nothing").unwrap();
        assert!(read().contains("--tls-cert: there is no certificate"), "{}", read());
        std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        assert!(read().contains("--tls-key"), "{}", read());
        std::fs::write(&cert, vec![b'x'; 1_100_000]).unwrap();
        assert!(read().contains("more than a MiB"), "{}", read());
    }
}
