//! Connections for reading, kept between questions: what the HTTP dialects and the admin pages ask.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::migrations::SchemaState;
use super::queries::AnyConnection;
use super::{Database, StoreError};

/// Questions that are answered side by side. Each holds a connection and a blocking thread.
const AT_ONCE: usize = 8;

/// Answers questions that need no lane.
#[derive(Clone)]
pub struct Reader {
    database: Database,
    idle: Arc<Mutex<Vec<AnyConnection>>>,
    permits: Arc<Semaphore>,
}

impl Reader {
    pub fn new(database: Database) -> Self {
        Self { database, idle: Arc::default(), permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether there is something to ask: a file that was never made has nothing, and asking would make it.
    pub fn is_made(&self) -> bool {
        match &self.database {
            Database::Sqlite(path) => path.exists(),
            Database::Postgres(_) => true,
        }
    }

    /// Whether the schema is the one that this program's questions are about.
    pub async fn is_up_to_date(&self) -> Result<bool, StoreError> {
        Ok(matches!(self.database.schema().await?, SchemaState::UpToDate(_)))
    }

    /// Runs a question, off the async threads. One that fails on a connection that has been idle is asked once more
    /// on a new one: the database may have been restarted meanwhile. So it must be harmless to ask twice.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|error| StoreError::Outage(error.to_string()))?;
        let question = Arc::new(question);
        let idle = self.lock().pop();
        if let Some(conn) = idle {
            let kept = self.run(conn, Arc::clone(&question)).await;
            if kept.is_ok() {
                return kept;
            }
        }
        self.run(self.database.open().await?, question).await
    }

    async fn run<T: Send + 'static>(
        &self,
        mut conn: AnyConnection,
        question: Arc<impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + Sync + 'static>,
    ) -> Result<T, StoreError> {
        let running = tokio::task::spawn_blocking(move || (question(&mut conn), conn));
        let (answer, conn) = running.await.map_err(|error| StoreError::Rejected(error.to_string()))?;
        if answer.is_ok() {
            self.lock().push(conn);
        }
        answer
    }

    /// No panic can leave the list half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AnyConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
