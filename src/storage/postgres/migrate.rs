//! Bringing a schema up to date: a transaction for each migration, and a message for each of its statements.

use std::any::Any;

use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::{CREATE_MIGRATIONS_TABLE, Migration};
use diesel::pg::Pg;
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::script::statements;
use super::session::{classify_read, connect};
use crate::storage::StoreError;
use crate::storage::migrations::{Applied, VERSIONS};

/// One program at a time brings a schema up to date, however long that takes; the lock ends with the session.
const TAKE_TURNS: [&str; 3] =
    ["SET statement_timeout = 0", "SET lock_timeout = 0", "SELECT pg_advisory_lock(1347768915)"];

/// What is shown of a statement that failed, in characters.
const SHOWN: usize = 80;

const WRITE_DOWN: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES";

/// A migration as it is sent.
pub struct MigrationScript {
    name: String,
    pub version: String,
    script: String,
}

impl MigrationScript {
    pub fn of(migration: &dyn Migration<Pg>) -> diesel::migration::Result<Self> {
        let mut script = Script::default();
        migration.run(&mut script)?;
        let name = migration.name();
        Ok(Self { name: name.to_string(), version: name.version().to_string(), script: script.0 })
    }
}

/// A session whose turn it is.
pub struct Migrator {
    conn: AsyncPgConnection,
}

impl Migrator {
    pub async fn begin(url: &str) -> Result<Self, StoreError> {
        let mut migrator = Self { conn: connect(url).await? };
        for sql in TAKE_TURNS.into_iter().chain(statements(CREATE_MIGRATIONS_TABLE)) {
            migrator.send(sql).await.map_err(classify_read)?;
        }
        Ok(migrator)
    }

    /// The versions that the database has.
    pub async fn applied(&mut self) -> Result<Vec<String>, StoreError> {
        let applied = RunQueryDsl::load::<Applied>(sql_query(VERSIONS), &mut self.conn).await;
        Ok(applied.map_err(classify_read)?.into_iter().map(|applied| applied.version).collect())
    }

    /// Applies one migration, or nothing of it.
    pub async fn apply(&mut self, migration: &MigrationScript) -> Result<(), StoreError> {
        let MigrationScript { name, version, script } = migration;
        let (statements, applied) = (statements(script), format!("{WRITE_DOWN} ('{version}')"));
        self.send("BEGIN").await.map_err(classify_read)?;
        for (number, statement) in (1..).zip(&statements) {
            let Err(error) = self.send(statement).await else { continue };
            let (of, shown) = (statements.len(), shown(statement));
            return Err(self.told(format!("migration {name}: statement {number} of {of} ({shown}): {error}")).await);
        }
        for sql in [applied.as_str(), "COMMIT"] {
            let Err(error) = self.send(sql).await else { continue };
            return Err(self.told(format!("migration {name}: {error}")).await);
        }
        Ok(())
    }

    async fn send(&mut self, sql: &str) -> QueryResult<()> {
        self.conn.batch_execute(sql).await
    }

    /// What is wrong with a migration that failed is told in words only; whether the database is still there tells the
    /// next question.
    async fn told(&mut self, why: String) -> StoreError {
        match self.send("ROLLBACK").await {
            Ok(()) => StoreError::Rejected(why),
            Err(error) => classify_read(error),
        }
    }
}

/// A connection that keeps what it is told to send.
#[derive(Default)]
struct Script(String);

impl SimpleConnection for Script {
    fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        self.0.push_str(sql);
        Ok(())
    }
}

impl BoxableConnection<Pg> for Script {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The beginning of a statement, on one line.
fn shown(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
