//! `purser serve`.

use super::{CommandFailure, Ended};
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
    tracing::info!(database = databases(&config), broker = broker(&config), parties = config.parties.len(), "starting");
    app::Encryption::of(&config).and_then(|encryption| encryption.check()).map_err(CommandFailure::Usage)?;
    let wiring = app::wire(&config).map_err(CommandFailure::Usage)?;
    app::serve(config, wiring, stop()).await?;
    Ok(true)
}

/// Where the ledgers are.
fn databases(config: &Config) -> String {
    let urls: Vec<String> = config
        .ledgers_in_use()
        .iter()
        .filter_map(|ledger| config.ledger_url(ledger))
        .map(ToString::to_string)
        .collect();
    urls.join(", ")
}

fn broker(config: &Config) -> String {
    match config.amqp.addresses_in(None) {
        none if none.is_empty() => "off".to_owned(),
        addresses => addresses.join(", "),
    }
}

/// Ends at the first SIGTERM or SIGINT; a second one ends the program at once.
async fn stop() {
    signal().await;
    tracing::info!("a second signal stops at once");
    tokio::spawn(async {
        signal().await;
        std::process::exit(1);
    });
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the default applies: the signal ends the program.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
