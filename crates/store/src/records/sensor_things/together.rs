//! Changes of entities that are done together: all of them, or none.
//!
//! What it is not: it reaches no further than the records. What goes to the journal is somebody else's to
//! put beside it. Invariant: what is asked within it sees what was changed within it.

use sea_orm::{DatabaseTransaction, QueryResult};

use super::SensorThings;
use crate::records::sql::Sql;
use crate::records::{Records, Result};

/// Changes that are all done, or none of them. Dropped, none is.
#[derive(Debug)]
pub struct Together(DatabaseTransaction);

impl Together {
    /// The same methods, within it.
    pub fn things<'a>(&'a self, records: &'a Records) -> SensorThings<'a> {
        SensorThings { records, within: Some(&self.0) }
    }

    /// Does them.
    pub async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

/// A transaction of one method, or a part of a larger one.
pub(super) enum Work<'a> {
    Own(DatabaseTransaction),
    Lent(&'a DatabaseTransaction),
}

impl Work<'_> {
    pub(super) fn db(&self) -> &DatabaseTransaction {
        match self {
            Self::Own(tx) => tx,
            Self::Lent(tx) => tx,
        }
    }

    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Own(tx) => Ok(tx.commit().await?),
            Self::Lent(_) => Ok(()),
        }
    }
}

impl<'a> SensorThings<'a> {
    /// Begins changes that are to be done together. Nobody else changes records until they are over.
    pub async fn together(&self) -> Result<Together> {
        Ok(Together(self.records.begin().await?))
    }

    pub(super) async fn begin(&self) -> Result<Work<'a>> {
        match self.within {
            Some(tx) => Ok(Work::Lent(tx)),
            None => Ok(Work::Own(self.records.begin().await?)),
        }
    }

    pub(super) async fn all(&self, sql: &Sql) -> Result<Vec<QueryResult>> {
        match self.within {
            Some(tx) => sql.all(tx).await,
            None => sql.all(&self.records.read).await,
        }
    }
}
