//! `purser migrate`.

use super::{Ended, output};
use crate::app;
use crate::config::Config;

pub async fn run(config: &Config) -> Ended {
    let applied = app::database(config).migrate().await?;
    match applied.as_slice() {
        [] => output::line("the schema is up to date")?,
        versions => output::line(&format!("applied {}", versions.join(", ")))?,
    }
    Ok(true)
}
