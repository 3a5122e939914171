//! A ledger in a database of its own.

use std::fs;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use purser::storage::Database;
use purser::storage::queries::AnyConnection;
use purser::wallet::direct;
use tempfile::TempDir;

use crate::Place;
use crate::history::History;
use crate::postgres::OwnDatabase;
use crate::program::{Measured, Program};

/// Commands that are committed together: the program's own `ledger.max_batch`.
const BATCH: usize = 512;

pub struct Ledger {
    pub place: Place,
    pub directory: TempDir,
    pub database: Database,
    postgres: Option<OwnDatabase>,
}

impl Ledger {
    pub async fn create(place: Place, pg_url: &str) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("purser-size-").tempdir()?;
        let (database, url, postgres) = match place {
            Place::Sqlite => {
                let path = directory.path().join("purser.db");
                let url = format!("sqlite://{}", path.display());
                (Database::Sqlite(path), url, None)
            }
            Place::Postgres => {
                let own = OwnDatabase::create(pg_url, None).await?;
                (Database::Postgres(own.url.clone()), own.url.clone(), Some(own))
            }
        };
        fs::write(directory.path().join("purser.toml"), Program::config(&url))?;
        database.migrate().await?;
        Ok(Self { place, directory, database, postgres })
    }

    /// Fills it with so many commands of a history, as the program would.
    pub async fn fill(&self, mut history: History, commands: usize) -> anyhow::Result<Measured> {
        let began = Instant::now();
        let mut writer = self.database.writer()?;
        let mut done = 0;
        while done < commands {
            let batch = history.next(BATCH.min(commands - done))?;
            done += batch.len();
            history.learn(&direct::apply_all(&mut writer, batch).await?)?;
        }
        Ok(Measured { took: began.elapsed(), processor: Duration::ZERO, peak_kib: None })
    }

    /// As a server that has been up for a while knows its tables.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let mut conn = self.database.open().await?;
        let settling = tokio::task::spawn_blocking(move || match &mut conn {
            AnyConnection::Sqlite(conn) => conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"),
            AnyConnection::Postgres(conn) => conn.batch_execute("VACUUM ANALYZE"),
        });
        Ok(settling.await??)
    }

    /// MiB that it takes on the disk, once what is free is given back.
    pub async fn compacted(&self) -> anyhow::Result<u64> {
        let mut conn = self.database.open().await?;
        let counting = tokio::task::spawn_blocking(move || match &mut conn {
            AnyConnection::Sqlite(conn) => {
                conn.batch_execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
                diesel::sql_query("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
                    .get_result::<Size>(conn)
            }
            AnyConnection::Postgres(conn) => {
                conn.batch_execute("SET statement_timeout = 0")?;
                conn.batch_execute("VACUUM FULL")?;
                diesel::sql_query("SELECT pg_database_size(current_database()) AS bytes").get_result::<Size>(conn)
            }
        });
        Ok(counting.await??.bytes.unsigned_abs() / MIB)
    }

    /// Removes it, or leaves it and says where it is.
    pub async fn leave(self, keep: bool) -> anyhow::Result<()> {
        if keep {
            eprintln!("kept: purser --config {}/purser.toml", self.directory.keep().display());
        } else if let Some(own) = self.postgres {
            own.drop().await?;
        }
        Ok(())
    }
}

const MIB: u64 = 1024 * 1024;

#[derive(diesel::QueryableByName)]
struct Size {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    bytes: i64,
}
