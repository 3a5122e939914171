//! Waiting for what another task or process does: polling with a deadline, the only sleep in the tests.

use std::time::{Duration, Instant};

/// Long enough for a loaded machine and a restarted broker; reached only by a test that fails.
const DEADLINE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(5);

/// Between two tries of something that has to be tried again.
pub async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// So much later: for a world that is slow, not for a test that hopes.
pub async fn delay(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Polls until `is_so`; panics with `what` when the time is up.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Awaits `work`; panics with `what` when the time is up.
pub async fn within_deadline<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}
