//! The embedded migrations, and which of them a database has.

use diesel::migration::{self, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::postgres::{MigrationScript, Migrator};
use super::queries::{AnyConnection, classify, on};
use super::usernames::{self, Nameless};
use super::{Database, StoreError, sqlite};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Which migrations a database has.
pub(super) const VERSIONS: &str = "SELECT version FROM __diesel_schema_migrations";

/// One of them.
#[derive(QueryableByName)]
pub(super) struct Applied {
    #[diesel(sql_type = Text)]
    pub version: String,
}

/// How a database's schema stands to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    UpToDate(String),
    Behind {
        missing: Vec<String>,
    },
    /// A newer program has been here.
    Ahead {
        unknown: Vec<String>,
    },
}

/// Every version that this program knows, in order.
fn known() -> Vec<String> {
    let migrations = MigrationSource::<Sqlite>::migrations(&SQLITE).unwrap_or_default();
    let mut versions: Vec<String> = migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    versions
}

fn compare(applied: &[String]) -> SchemaState {
    let known = known();
    let unknown: Vec<String> = applied.iter().filter(|version| !known.contains(version)).cloned().collect();
    let missing: Vec<String> = known.iter().filter(|version| !applied.contains(version)).cloned().collect();
    match (unknown.is_empty(), missing.is_empty()) {
        (false, _) => SchemaState::Ahead { unknown },
        (true, false) => SchemaState::Behind { missing },
        (true, true) => SchemaState::UpToDate(known.last().cloned().unwrap_or_default()),
    }
}

impl Database {
    /// Brings the schema up to date and returns the versions that were missing.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let missing = self.bring_up_to_date().await?;
        if !missing.is_empty() {
            for Nameless { party, username, player } in self.query(usernames::nameless).await? {
                tracing::warn!(
                    party,
                    player,
                    username,
                    "another player had this username before: it signs nobody else in"
                );
            }
        }
        Ok(missing)
    }

    async fn bring_up_to_date(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                let migrating = tokio::task::spawn_blocking(move || {
                    let mut conn = sqlite::connect(&path)?;
                    // Another process may be at the same step: whoever comes second finds it done.
                    migrate_sqlite(&mut conn).or_else(|_| migrate_sqlite(&mut conn))
                });
                migrating.await.map_err(|error| StoreError::Rejected(error.to_string()))?
            }
            Self::Postgres(url) => migrate_postgres(url).await,
        }
    }

    /// Compares the schema with what this program knows; changes nothing.
    pub async fn schema(&self) -> Result<SchemaState, StoreError> {
        match self {
            Self::Sqlite(path) if !path.exists() => Ok(compare(&[])),
            Self::Sqlite(path) => {
                let path = path.clone();
                let looking = tokio::task::spawn_blocking(move || {
                    written_down(&mut AnyConnection::Sqlite(sqlite::look_at(&path)?))
                });
                Ok(compare(&looking.await.map_err(|error| StoreError::Rejected(error.to_string()))??))
            }
            Self::Postgres(_) => Ok(compare(&self.query(written_down).await?)),
        }
    }
}

/// The versions that the database has. Diesel's own question would create the table that it asks.
fn written_down(conn: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    if !has_table(conn, "__diesel_schema_migrations")? {
        return Ok(Vec::new());
    }
    let versions: Vec<Applied> = on!(conn, conn => sql_query(VERSIONS).load(conn)).map_err(classify)?;
    Ok(versions.into_iter().map(|applied| applied.version).collect())
}

/// Whether there is such a table: a schema may be older than this program, or not there at all.
pub(super) fn has_table(conn: &mut AnyConnection, table: &str) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    const HERE: &str = "SELECT count(*) AS count FROM sqlite_master WHERE name = ?";
    const THERE: &str = "SELECT count(to_regclass($1)) AS count";
    let found: Count = match conn {
        AnyConnection::Sqlite(conn) => sql_query(HERE).bind::<Text, _>(table).get_result(conn),
        AnyConnection::Postgres(conn) => sql_query(THERE).bind::<Text, _>(table).get_result(conn),
    }
    .map_err(classify)?;
    Ok(found.count > 0)
}

/// What is missing where these have been applied.
fn missing(applied: &[String]) -> Result<Vec<String>, StoreError> {
    match compare(applied) {
        SchemaState::UpToDate(_) => Ok(Vec::new()),
        SchemaState::Behind { missing } => Ok(missing),
        SchemaState::Ahead { unknown } => Err(StoreError::Rejected(format!(
            "the database was migrated by a newer purser (it has {}); use that one",
            unknown.join(", ")
        ))),
    }
}

async fn migrate_postgres(url: &str) -> Result<Vec<String>, StoreError> {
    let mut migrator = Migrator::begin(url).await?;
    let missing = missing(&migrator.applied().await?)?;
    let scripts = postgres_scripts().map_err(|error| StoreError::Rejected(error.to_string()))?;
    for script in scripts.iter().filter(|script| missing.contains(&script.version)) {
        migrator.apply(script).await?;
    }
    Ok(missing)
}

/// In their order.
fn postgres_scripts() -> migration::Result<Vec<MigrationScript>> {
    let migrations = MigrationSource::<Pg>::migrations(&POSTGRES)?;
    let scripts = migrations.iter().map(|migration| MigrationScript::of(migration.as_ref()));
    let mut scripts = scripts.collect::<migration::Result<Vec<_>>>()?;
    scripts.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(scripts)
}

fn migrate_sqlite(conn: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let missing = missing(&applied(conn)?)?;
    if missing.is_empty() {
        return Ok(missing);
    }
    let Err(error) = conn.run_pending_migrations(SQLITE).map(drop) else { return Ok(missing) };
    // What is wrong with a migration that failed is told in words only; whether the database is still there tells the
    // next question.
    let error = StoreError::Rejected(error.to_string());
    applied(conn)?;
    Err(error)
}

fn applied(conn: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let versions = conn.applied_migrations().map_err(|error| match error.downcast() {
        Ok(error) => classify(*error),
        Err(error) => StoreError::Rejected(error.to_string()),
    })?;
    Ok(versions.iter().map(ToString::to_string).collect())
}
