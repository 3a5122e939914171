//! `purser serve`.

use super::{Ended, Failure};
use crate::app;
use crate::config::Config;

pub async fn run(mut config: Config) -> Ended {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(secret) = config.ensure_demo_secret()? {
        tracing::info!(
            secret_file = %secret.display(),
            "no party is configured: serving party 'demo', whose players' tokens are signed with the secret in this file"
        );
    }
    tracing::info!(
        database = %config.database.url,
        broker = config.amqp.address().unwrap_or_else(|| "off".to_owned()),
        parties = config.parties.len(),
        "starting"
    );
    let wiring = app::wire(&config).map_err(Failure::Usage)?;
    app::serve(config, wiring).await?;
    Ok(true)
}
