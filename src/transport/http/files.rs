//! How many files the program may have open; each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Far more than all connections together: beyond this more would be of no use.
const ENOUGH: u64 = 16_384;

/// Raises the soft limit, which many systems keep at 1024, as far as the hard one lets it. Answers with what holds then;
/// `None` where there is no limit.
pub fn allow_many() -> Option<usize> {
    let limits = getrlimit(Resource::Nofile);
    let wanted = limits.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if limits.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limits.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit on open files could not be raised; fewer connections are taken");
        }
    }
    getrlimit(Resource::Nofile).current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}
