//! Logs: to standard error, as text or JSON, and never a secret.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, filter};

/// What is logged where `RUST_LOG` does not choose: info of Purser's own, warnings of others. (lapin's own log repeats what
/// we say of it.)
const OF_SERVE: &str = "warn,lapin=off,purser=info";
const OF_COMMANDS: &str = "error,lapin=off";

/// The most that libraries tell. Below this some write out what they send and receive: lapin the frame with the broker's
/// password, tokio-postgres the parameters of statements, others headers and handshakes.
const MOST_OF_LIBRARIES: Level = Level::INFO;

/// Starts logging; `RUST_LOG` chooses what, within bounds.
pub fn start(is_serve: bool, as_json: bool) {
    let quiet = if is_serve { OF_SERVE } else { OF_COMMANDS };
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would tell of a log that cannot be written by writing to the same place, and panic where that fails, too:
        // a full disk under the log must not end the program.
        .log_internal_errors(false);
    let logs = if as_json { logs.json().boxed() } else { logs.boxed() };
    // Each is asked about everything: both must let it through.
    tracing_subscriber::registry().with(filter::filter_fn(is_fit)).with(chosen).with(logs).init();
}

/// Whether something may be logged at all, whatever `RUST_LOG` says.
fn is_fit(about: &Metadata<'_>) -> bool {
    is_ours(about.target()) || *about.level() <= MOST_OF_LIBRARIES
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix("purser").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn ours_is_what_is_of_this_crate() {
        let targets = ["purser", "purser::app", "lapin::frames", "purser_other::x", "log", ""].map(is_ours);
        assert_eq!(targets, [true, true, false, false, false, false]);
    }
}
