//! EGPP over REST.

use crate::dialects::http::{Dialect, Failure, Reply};

pub static DIALECT: Dialect = Dialect { name: "rest", mounts: |_| Ok(Vec::new()), failure };

fn failure(failure: Failure) -> Reply {
    Reply::empty(failure.status(), "")
}
