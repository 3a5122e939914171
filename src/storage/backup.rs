//! A copy of the SQLite ledger as it is at one moment, made beside whoever writes to it.
//!
//! `VACUUM INTO` reads one snapshot: writers go on, and what they commit meanwhile is not in the copy. Their log grows
//! until the copy is made.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::audit::{self, AuditReport};
use super::queries::AnyConnection;
use super::{StoreError, sqlite};

/// Copies the ledger `from` into the empty file `into`, and audits the copy. Blocks as long as that takes. The copy is not
/// on the disk before it has been synced.
pub fn copy(from: &Path, into: &Path) -> Result<AuditReport, StoreError> {
    let path = into.to_str().ok_or_else(|| StoreError::Rejected("the copy's path is not UTF-8".to_owned()))?;
    let mut ledger = sqlite::look_at(from)?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(&mut ledger).map_err(sqlite::classify)?;
    audit::run(&mut AnyConnection::Sqlite(sqlite::look_at(into)?))
}
