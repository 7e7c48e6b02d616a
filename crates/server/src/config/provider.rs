//! Settings of the city's identity provider (OpenID Connect), where there is one.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

/// Flags of the identity provider.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProviderFlags {
    /// Identity provider through which people may sign in, as it names itself: https://id.city.example
    #[arg(id = "oidc-issuer", long, env = "CHENGMAI_OIDC_ISSUER", value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// What we are called there; it must know PUBLIC-URL/api/v1/session/provider/callback
    #[arg(id = "oidc-client", long, env = "CHENGMAI_OIDC_CLIENT", value_name = "ID")]
    pub(super) client: Option<String>,
    /// File with the secret that we have there; none where the provider asks for none
    #[arg(id = "oidc-secret-file", long, env = "CHENGMAI_OIDC_SECRET_FILE", value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// What people call it, on the button of the sign-in page [default: the provider's host]
    #[arg(id = "oidc-name", long, env = "CHENGMAI_OIDC_NAME", value_name = "TEXT")]
    pub(super) name: Option<String>,
    /// Claim that holds the name of the account, by which it is linked at the first sign-in. Choose one that
    /// people cannot change themselves. Without it they link their account under My account
    #[arg(
        id = "oidc-account-claim",
        long,
        env = "CHENGMAI_OIDC_ACCOUNT_CLAIM",
        value_name = "CLAIM"
    )]
    pub(super) account_claim: Option<String>,
}

/// Settings of the identity provider, complete.
#[derive(Clone)]
pub(crate) struct ProviderSettings {
    pub(crate) issuer: String,
    pub(crate) client: String,
    pub(crate) secret: Option<String>,
    pub(crate) name: String,
    pub(crate) account_claim: Option<String>,
    /// Where the provider sends people back to.
    pub(crate) callback: String,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProviderSettings");
        shown.field("issuer", &self.issuer).field("client", &self.client).finish_non_exhaustive()
    }
}

impl ProviderFlags {
    /// These, and those of the file where there are none.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            issuer: self.issuer.or(file.issuer),
            client: self.client.or(file.client),
            secret_file: self.secret_file.or(file.secret_file),
            name: self.name.or(file.name),
            account_claim: self.account_claim.or(file.account_claim),
        }
    }

    pub(super) fn resolve(
        self,
        public_url: Option<&str>,
    ) -> anyhow::Result<Option<ProviderSettings>> {
        let Some(issuer) = self.issuer else { return Ok(None) };
        if !is_safe(&issuer) {
            bail!("--oidc-issuer {issuer}: give an address that begins with https://");
        }
        let public_url = public_url.context(
            "--oidc-issuer needs --public-url: the provider sends people back to that address",
        )?;
        let secret = self.secret_file.map(|path| {
            let text = std::fs::read_to_string(&path).with_context(|| {
                format!("--oidc-secret-file {}: cannot be read", path.display())
            })?;
            anyhow::Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        });
        let host = issuer.split("://").nth(1).unwrap_or_default().split('/').next();
        Ok(Some(ProviderSettings {
            client: self.client.context("--oidc-issuer needs --oidc-client")?,
            secret: secret.transpose()?,
            name: self.name.unwrap_or_else(|| host.unwrap_or_default().to_owned()),
            account_claim: self.account_claim,
            callback: format!("{public_url}/api/v1/session/provider/callback"),
            issuer,
        }))
    }
}

/// Nobody can listen or answer in its place: encrypted, or on this machine.
pub(crate) fn is_safe(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(issuer: &str, client: Option<&str>) -> ProviderFlags {
        ProviderFlags {
            issuer: Some(issuer.to_owned()),
            client: client.map(str::to_owned),
            ..ProviderFlags::default()
        }
    }

    #[test]
    fn without_an_issuer_there_is_none_and_half_a_provider_is_refused() {
        let city = Some("https://city.example");
        assert!(ProviderFlags::default().resolve(city).unwrap().is_none());
        let whole = flags("https://id.example/realms/city", Some("chengmai"));
        let settings = whole.resolve(city).unwrap().unwrap();
        assert_eq!(settings.name, "id.example");
        let callback = "https://city.example/api/v1/session/provider/callback";
        assert_eq!(settings.callback, callback);
        for (refused, public_url, word) in [
            (flags("http://id.example", Some("x")), city, "https://"),
            (flags("https://id.example", None), city, "--oidc-client"),
            (flags("https://id.example", Some("x")), None, "--public-url"),
        ] {
            let said = refused.resolve(public_url).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for safe in
            ["https://id.example", "http://127.0.0.1:4000/a", "http://[::1]:1", "http://localhost"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for bad in [
            "http://id.example",
            "http://127.0.0.1.id.example/",
            "http://127.0.0.1@id.example",
            "ftp://x",
            "",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
