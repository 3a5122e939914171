//! `purser schema`: the interface documents.

use clap::Subcommand;
use serde_json::Value;

use super::{CommandFailure, Ended, output};
use crate::app;
use crate::config::Config;
use crate::dialects::asyncapi;

#[derive(Subcommand)]
pub enum SchemaArgs {
    /// The queues, as an AsyncAPI 3 document; `purser serve` has it at /asyncapi.json.
    Asyncapi,
    /// The HTTP dialects that are configured, as an OpenAPI 3.1 document; `purser serve` has it at /openapi.json.
    Openapi,
}

impl SchemaArgs {
    pub fn run(self, mut config: Config) -> Ended {
        let document = match self {
            Self::Asyncapi => asyncapi::document(config.parties.keys()),
            Self::Openapi => {
                config.ensure_demo_secret()?;
                app::document(&config, &app::wire(&config).map_err(CommandFailure::Usage)?.mounts)
            }
        };
        print(&document)
    }
}

fn print(document: &Value) -> Ended {
    let text = serde_json::to_string_pretty(document)?;
    output::lines(&text)?;
    Ok(true)
}
