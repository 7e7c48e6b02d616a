//! Settings of messages to people outside: the mail server, the address of our own pages, and which
//! private addresses messages may go to.
//!
//! Invariant: no password stands in an address, so an address may be logged and stand in a list of
//! processes; the password comes from a file or a variable and is printed nowhere.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::city::notify::address::Allowed;

/// Holds the password of the mail server where no file does.
const SMTP_PASSWORD: &str = "CHENGMAI_SMTP_PASSWORD";

/// Flags for messages.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NotifyFlags {
    /// Mail server: smtps://user@host:465, or smtp://user@host:587?tls=required
    #[arg(long, env = "CHENGMAI_SMTP_URL", value_name = "URL")]
    pub(super) smtp_url: Option<String>,
    /// File that holds its password; or set CHENGMAI_SMTP_PASSWORD
    #[arg(long, env = "CHENGMAI_SMTP_PASSWORD_FILE", value_name = "FILE")]
    pub(super) smtp_password_file: Option<PathBuf>,
    /// Sender of e-mail: City centre <no-reply@city.example>
    #[arg(long, env = "CHENGMAI_SMTP_FROM", value_name = "ADDRESS")]
    pub(super) smtp_from: Option<String>,
    /// Address of these pages as others reach them, for links: https://city.example
    #[arg(long, env = "CHENGMAI_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<String>,
    /// Hosts and networks, with commas, that webhooks may go to although they are private or speak
    /// plain http: hooks.internal,10.1.0.0/16
    #[arg(long, env = "CHENGMAI_ALLOW_WEBHOOK_TO", value_name = "LIST")]
    pub(super) allow_webhook_to: Option<String>,
    /// How long after a first failure a message is sent again; each wait is three times the one before,
    /// six hours at most [default: 10s]
    #[arg(long, env = "CHENGMAI_NOTIFY_RETRY", value_name = "DURATION")]
    pub(super) notify_retry: Option<String>,
}

/// Settings for messages, complete.
#[derive(Debug, Clone)]
pub(crate) struct NotifySettings {
    pub(crate) smtp: Option<Smtp>,
    /// Without a slash at the end.
    pub(crate) public_url: Option<String>,
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) retry_ms: i64,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self { smtp: None, public_url: None, allowed: Vec::new(), retry_ms: 10_000 }
    }
}

/// A mail server.
#[derive(Clone)]
pub(crate) struct Smtp {
    /// With the password in it, if there is one.
    pub(crate) url: String,
    pub(crate) from: String,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).finish_non_exhaustive()
    }
}

impl NotifyFlags {
    /// These flags where they say something, else those of a file.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            smtp_url: self.smtp_url.or(file.smtp_url),
            smtp_password_file: self.smtp_password_file.or(file.smtp_password_file),
            smtp_from: self.smtp_from.or(file.smtp_from),
            public_url: self.public_url.or(file.public_url),
            allow_webhook_to: self.allow_webhook_to.or(file.allow_webhook_to),
            notify_retry: self.notify_retry.or(file.notify_retry),
        }
    }

    pub(super) fn resolve(&self) -> anyhow::Result<NotifySettings> {
        let public_url = self.public_url.as_deref().map(public_url).transpose()?;
        let list = self.allow_webhook_to.as_deref().unwrap_or_default();
        let allowed = list.split(',').map(str::trim).filter(|text| !text.is_empty());
        let allowed = allowed
            .map(|text| {
                Allowed::parse(text).with_context(|| {
                    format!("--allow-webhook-to {text}: give a host, or a network as 10.1.0.0/16")
                })
            })
            .collect::<anyhow::Result<_>>()?;
        let retry = self.notify_retry.as_deref().unwrap_or("10s");
        let retry_ms = chengmai_model::time::parse_duration_ms(retry)
            .filter(|ms| *ms > 0)
            .with_context(|| format!("--notify-retry {retry}: give a duration such as 10s"))?;
        Ok(NotifySettings {
            smtp: self.smtp(public_url.as_deref())?,
            public_url,
            allowed,
            retry_ms,
        })
    }

    fn smtp(&self, public_url: Option<&str>) -> anyhow::Result<Option<Smtp>> {
        let Some(url) = &self.smtp_url else { return Ok(None) };
        let from = self.smtp_from.clone().context("--smtp-url needs --smtp-from, the sender")?;
        if public_url.is_none() {
            bail!("--smtp-url needs --public-url: citizens follow a link in each e-mail");
        }
        let url = with_password(url, password(self.smtp_password_file.as_deref())?)?;
        Ok(Some(Smtp { url, from }))
    }
}

fn public_url(text: &str) -> anyhow::Result<String> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        bail!("--public-url {text}: give an address such as https://city.example");
    }
    Ok(url.to_owned())
}

fn password(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else { return Ok(std::env::var(SMTP_PASSWORD).ok()) };
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read the password of the mail server in {}", path.display())
    })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The address with the password in its place, every byte of it escaped.
fn with_password(url: &str, password: Option<String>) -> anyhow::Result<String> {
    use fmt::Write as _;
    let (scheme, rest) = url
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "smtp" | "smtps"))
        .context("--smtp-url: give an address such as smtps://user@host:465")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return Ok(url.to_owned()) };
    if user.contains(':') {
        bail!(
            "--smtp-url must not hold the password, others could read it: write it to a file for \
             --smtp-password-file, or into {SMTP_PASSWORD}"
        );
    }
    let password = password.with_context(|| {
        format!("--smtp-url names a user: give --smtp-password-file or set {SMTP_PASSWORD}")
    })?;
    let mut escaped = String::new();
    for byte in password.bytes() {
        write!(escaped, "%{byte:02X}").expect("writing to a string cannot fail");
    }
    Ok(format!("{scheme}://{user}:{escaped}{}", &rest[user.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_comes_from_a_file_and_never_stands_in_the_address() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "p@ss/1\n").unwrap();
        let flags = |url: &str| NotifyFlags {
            smtp_url: Some(url.to_owned()),
            smtp_password_file: Some(file.clone()),
            smtp_from: Some("a@city.example".to_owned()),
            public_url: Some("https://city.example/".to_owned()),
            ..NotifyFlags::default()
        };
        let settings = flags("smtps://user@mail:465").resolve().unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://city.example"));
        assert_eq!(settings.smtp.as_ref().unwrap().url, "smtps://user:%70%40%73%73%2F%31@mail:465");
        assert!(!format!("{settings:?}").contains("%70"), "never printed");
        let error = flags("smtps://user:secret@mail").resolve().unwrap_err().to_string();
        assert!(error.contains("SMTP_PASSWORD") && !error.contains("user:secret"), "{error}");
        let error = flags("http://mail").resolve().unwrap_err().to_string();
        assert!(error.contains("smtps://"), "{error}");
    }

    #[test]
    fn what_goes_together_is_asked_for_together() {
        let flags =
            NotifyFlags { smtp_url: Some("smtp://mail:25".into()), ..NotifyFlags::default() };
        assert!(flags.resolve().unwrap_err().to_string().contains("--smtp-from"));
        let flags = NotifyFlags { smtp_from: Some("a@b.example".into()), ..flags };
        assert!(flags.resolve().unwrap_err().to_string().contains("--public-url"));
        let flags =
            NotifyFlags { allow_webhook_to: Some("10.0.0.0/99".into()), ..NotifyFlags::default() };
        assert!(flags.resolve().unwrap_err().to_string().contains("10.0.0.0/99"));
    }
}
