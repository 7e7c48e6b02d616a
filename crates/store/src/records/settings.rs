//! Settings of the installation: a few texts by key.

use super::sql::{Columns, Sql};
use super::{Records, Result};

/// Methods on settings.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a>(pub(super) &'a Records);

impl Settings<'_> {
    /// The text under a key.
    pub async fn find(&self, key: &str) -> Result<Option<String>> {
        let mut sql = Sql::new("SELECT value FROM setting WHERE key = ");
        sql.value(key).one(&self.0.read).await?.map(|row| row.get("value")).transpose()
    }

    /// Puts a text under a key.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        let mut sql = Sql::new("INSERT INTO setting (key, value) VALUES (");
        sql.values([key.into(), value.into()]);
        sql.add(") ON CONFLICT (key) DO UPDATE SET value = excluded.value");
        sql.run(&self.0.write).await?;
        Ok(())
    }
}
