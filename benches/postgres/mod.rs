//! A database of a benchmark's own on the Postgres server, so that a ledger begins as it is wanted.

use std::time::SystemTime;

use anyhow::Context as _;
use tokio_postgres::{Client, NoTls};

/// Stays when its owner ends in an error: what is in it may say why.
pub struct OwnDatabase {
    /// Where the server's own database is.
    server: String,
    name: String,
    pub url: String,
}

impl OwnDatabase {
    /// An empty one, or one that begins as a copy of `template`, which nobody may use meanwhile.
    pub async fn create(server: &str, template: Option<&Self>) -> anyhow::Result<Self> {
        let name = format!("purser_bench_{}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
        let mut url = url::Url::parse(server)?;
        url.set_path(&name);
        if let Some(Self { name: template, .. }) = template {
            // A database that somebody is connected to is no template.
            let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
            execute(server, &format!("{ended}'{template}'")).await?;
            execute(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        } else {
            execute(server, &format!("CREATE DATABASE {name}")).await?;
        }
        Ok(Self { server: server.to_owned(), name, url: url.into() })
    }

    pub async fn drop(self) -> anyhow::Result<()> {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

pub async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot reach Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

async fn execute(url: &str, sql: &str) -> anyhow::Result<()> {
    Ok(connect(url).await?.batch_execute(sql).await?)
}
