//! A database of its own for each test, gone when the test is.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use purser::ledger::command::{KeyedCommand, Timestamp};
use purser::ledger::{Batch, FoldVerdict, Outcome, ReadSet, State, fold};
use purser::storage::audit::{self, AuditReport};
use purser::storage::pruning::{self, Pruned};
use purser::storage::queries::AnyConnection;
use purser::storage::{Database, Store, StoreError};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Names a Postgres in which databases may be created.
const POSTGRES_URL: &str = "PURSER_TEST_PG_URL";

/// A migrated, empty database.
pub struct Fresh {
    pub database: Database,
    /// Held for what happens when it is dropped.
    _rubble: Rubble,
}

enum Rubble {
    Directory { _directory: TempDir },
    Postgres { name: String },
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Fresh {
    pub async fn sqlite() -> Self {
        let directory = TempDir::new().expect("a directory");
        let database = Database::Sqlite(directory.path().join("purser.db"));
        database.migrate().await.expect("a migrated database");
        Self { database, _rubble: Rubble::Directory { _directory: directory } }
    }

    pub async fn postgres() -> Self {
        let name = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        administer(&format!("DROP DATABASE IF EXISTS {name}")).await;
        administer(&format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&postgres_url()).expect("a URL");
        url.set_path(&name);
        let database = Database::Postgres(url.into());
        database.migrate().await.expect("a migrated database");
        Self { database, _rubble: Rubble::Postgres { name } }
    }

    /// One of each kind.
    pub async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    pub fn kind(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "SQLite",
            Database::Postgres(_) => "Postgres",
        }
    }

    pub fn writer(&self) -> purser::storage::Writer {
        self.database.writer().expect("a writer")
    }

    pub async fn audit(&self) -> AuditReport {
        self.database.query(audit::run).await.expect("an audit")
    }

    /// Prunes the journal of what was received before `before`.
    pub async fn prune(&self, before: Timestamp) -> Pruned {
        let pruning = self.database.query(move |conn| {
            let last = pruning::reach(conn, before)?.last;
            let mut pruned = Pruned::default();
            while let Some(step) = pruning::step(conn, last)? {
                pruned += step;
            }
            Ok(pruned)
        });
        pruning.await.expect("pruned")
    }

    /// Runs statements that the program itself never would.
    pub async fn execute(&self, sql: impl Into<String>) {
        self.executed(sql.into()).await.expect("executed");
    }

    /// The same, where the database may refuse it.
    pub async fn try_to_execute(&self, sql: impl Into<String>) -> bool {
        self.executed(sql.into()).await.is_ok()
    }

    async fn executed(&self, sql: String) -> Result<(), StoreError> {
        let executing = self.database.query(move |conn| {
            let executed = match conn {
                AnyConnection::Sqlite(conn) => conn.batch_execute(&sql),
                AnyConnection::Postgres(conn) => conn.batch_execute(&sql),
            };
            executed.map_err(|error| StoreError::Rejected(format!("{error}: {sql}")))
        });
        executing.await
    }

    /// From now on the database takes no order whose externalId begins with `poison`.
    pub async fn refuse_poison(&self) {
        let sql = match self.database {
            Database::Sqlite(_) => {
                "CREATE TRIGGER poison BEFORE INSERT ON orders WHEN NEW.external_id LIKE 'poison%' \
                 BEGIN SELECT RAISE(ABORT, 'poison'); END"
            }
            Database::Postgres(_) => {
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.external_id LIKE 'poison%' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER poison BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION poison()"
            }
        };
        self.execute(sql).await;
    }

    /// Reads one number.
    pub async fn number(&self, sql: impl Into<String>) -> i64 {
        let sql = format!("SELECT CAST(({}) AS BIGINT) AS number", sql.into());
        let reading = self.database.query(move |conn| {
            let row = match conn {
                AnyConnection::Sqlite(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
                AnyConnection::Postgres(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
            };
            row.map_err(|error| StoreError::Rejected(format!("{error}: {sql}")))
        });
        reading.await.expect("a number").number.unwrap_or(0)
    }

    /// A party's journal rows in order: the number, the command and its outcome, as they are stored.
    pub async fn journal(&self, party: &str) -> Vec<(i64, String, String)> {
        let sql = format!("SELECT seq, command, outcome FROM journal WHERE party = '{party}' ORDER BY seq");
        let reading = self.database.query(move |conn| {
            let rows = match conn {
                AnyConnection::Sqlite(conn) => diesel::sql_query(sql).load::<Told>(conn),
                AnyConnection::Postgres(conn) => diesel::sql_query(sql).load::<Told>(conn),
            };
            rows.map_err(|error| StoreError::Rejected(error.to_string()))
        });
        let rows = reading.await.expect("the journal");
        rows.into_iter().map(|row| (row.seq, row.command, row.outcome)).collect()
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    command: String,
    #[diesel(sql_type = Text)]
    outcome: String,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Rubble::Postgres { name } = &self._rubble {
            let sql = format!("DROP DATABASE {name} WITH (FORCE)");
            // A destructor cannot await, and blocks no thread of the test's own runtime.
            let dropping = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(administer(&sql));
            });
            dropping.join().expect("the test's database is dropped");
        }
    }
}

fn postgres_url() -> String {
    std::env::var(POSTGRES_URL).unwrap_or_else(|_| panic!("{POSTGRES_URL} is not set: run scripts/test"))
}

async fn administer(sql: &str) {
    let (client, connection) = tokio_postgres::connect(&postgres_url(), NoTls).await.expect("Postgres answers");
    let driving = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(client);
    driving.await.expect("the connection's task").expect("the connection ends well");
}

/// Loads, folds and commits `commands` as one batch.
pub async fn apply(store: &mut impl Store, commands: &[KeyedCommand]) -> Result<Vec<Outcome>, StoreError> {
    let mut loaded = store.load(&ReadSet::of(commands)).await?;
    let (batch, outcomes) = decide_all(&mut loaded.state, commands);
    if !batch.is_empty() {
        loaded.commit(batch).await?;
    }
    Ok(outcomes)
}

/// Folds commands none of which may wait.
pub fn decide_all(state: &mut State, commands: &[KeyedCommand]) -> (Batch, Vec<Outcome>) {
    let (batch, verdicts) = fold(state, commands.iter().map(|keyed| (keyed, false)));
    let outcomes = verdicts.into_iter().map(|verdict| match verdict {
        FoldVerdict::Decided { outcome, .. } => outcome,
        FoldVerdict::Waits(_) => panic!("a command waits that may not"),
    });
    (batch, outcomes.collect())
}
