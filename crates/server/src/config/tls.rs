//! Settings of TLS: which files hold the certificate, its key, and the authority that signs for devices.
//!
//! Not here: their contents, which are read when the doors open and again when they change (`tls.rs`).

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

/// Flags for TLS.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsFlags {
    /// File with the certificate and those that vouch for it, in PEM: the HTTP address then speaks
    /// HTTPS. Read again when it changes, and on SIGHUP
    #[arg(long, env = "CHENGMAI_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// File with its private key, in PEM
    #[arg(long, env = "CHENGMAI_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// File with the authority whose certificates sign devices in, in PEM: a certificate's name is an
    /// account that only sends readings
    #[arg(long, env = "CHENGMAI_TLS_CLIENT_CA", value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// Address for MQTT devices inside TLS, with the same certificate: 0.0.0.0:8883
    #[arg(long, env = "CHENGMAI_MQTTS", value_name = "ADDR")]
    pub(super) mqtts: Option<SocketAddr>,
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Who signs for devices.
    pub(crate) client_ca: Option<PathBuf>,
}

impl TlsFlags {
    /// These flags where they say something, else those of a file.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            tls_client_ca: self.tls_client_ca.or(file.tls_client_ca),
            mqtts: self.mqtts.or(file.mqtts),
        }
    }

    /// Files and address, when they make sense together.
    pub(super) fn resolve(self) -> anyhow::Result<(Option<TlsFiles>, Option<SocketAddr>)> {
        let Some(cert) = self.tls_cert else {
            if self.tls_key.is_some() || self.tls_client_ca.is_some() || self.mqtts.is_some() {
                bail!("--tls-key, --tls-client-ca and --mqtts need a certificate: give --tls-cert");
            }
            return Ok((None, None));
        };
        let key = self.tls_key.context("--tls-cert needs its key: give --tls-key")?;
        Ok((Some(TlsFiles { cert, key, client_ca: self.tls_client_ca }), self.mqtts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_with_its_key_and_nothing_of_tls_comes_without_a_certificate() {
        let file = |name: &str| Some(PathBuf::from(name));
        let flags = |cert, key, client_ca| TlsFlags {
            tls_cert: cert,
            tls_key: key,
            tls_client_ca: client_ca,
            mqtts: None,
        };
        assert_eq!(TlsFlags::default().resolve().unwrap(), (None, None));
        let both = flags(file("c"), file("k"), None).resolve().unwrap().0.unwrap();
        assert_eq!((both.cert, both.key, both.client_ca), ("c".into(), "k".into(), None));
        for lacking in [flags(file("c"), None, None), flags(None, file("k"), None)] {
            let error = lacking.resolve().unwrap_err().to_string();
            assert!(error.contains("--tls-"), "{error}");
        }
        assert!(flags(None, None, file("ca")).resolve().is_err());
        let door = TlsFlags { mqtts: "0.0.0.0:8883".parse().ok(), ..TlsFlags::default() };
        assert!(door.resolve().is_err());
    }
}
