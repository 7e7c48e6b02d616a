//! Where the records are: a SQLite file, or a database of a PostgreSQL server.
//!
//! Invariant: an address holds no password, so it may be logged, shown and stand in a list of processes;
//! the password travels beside it and is never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::RecordsError;

/// How an address of a PostgreSQL server begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where the records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a SQLite file, made if absent.
    File(PathBuf),
    /// In a database of a PostgreSQL server, which must be there.
    Server(Server),
}

/// A database of a PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    pub(super) url: String,
    pub(super) password: Option<String>,
}

impl Place {
    /// Reads `postgres://user@host:5432/database?sslmode=verify-full`; anything else is a path.
    ///
    /// # Errors
    /// `Address` when a password stands in the address.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self, RecordsError> {
        let Some(rest) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) else {
            return Ok(Self::File(text.into()));
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        if user.contains(':') || query.split('&').any(|pair| pair.starts_with("password=")) {
            return Err(RecordsError::Address(
                "the address must not hold the password: others could read it".to_owned(),
            ));
        }
        Ok(Self::Server(Server { url: format!("{}{rest}", SCHEMES[0]), password }))
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => f.write_str(&server.url),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_server_and_anything_else_a_path() {
        let server = Place::parse("postgresql://u@h:5/d?sslmode=require", None).unwrap();
        assert_eq!(server.to_string(), "postgres://u@h:5/d?sslmode=require");
        assert_eq!(Place::parse("data/r.db", None).unwrap(), Place::File("data/r.db".into()));
    }

    #[test]
    fn a_password_is_refused_in_the_address_and_never_printed() {
        for text in ["postgres://u:secret@h/d", "postgres://u@h/d?a=b&password=secret"] {
            let error = Place::parse(text, None).unwrap_err().to_string();
            assert!(error.contains("password") && !error.contains("secret"), "{error}");
        }
        let place = Place::parse("postgres://u@h/d", Some("secret".into())).unwrap();
        assert!(!format!("{place} {place:?}").contains("secret"));
    }
}
