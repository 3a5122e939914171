//! Stacks deep enough for any message.
//!
//! lapin reads the header table of a message recursively, on a thread of its own and before anybody can look at the
//! message. Two hundred tables in each other overflow that thread's 2 MiB, which ends the program, and again whenever
//! the broker delivers the message once more. Its size can only be set from outside, so the program starts itself
//! again with it. Stacks take memory as they grow, not before.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// What Rust's threads take their default stack size from.
const VARIABLE: &str = "RUST_MIN_STACK";

/// One frame of 128 KiB holds tables 18,700 deep, and lapin takes up to 25 KiB for each.
const DEFAULT_BYTES: usize = 512 * 1024 * 1024;

/// For the threads that only copy, publish and drop such a table: half a KiB for each level.
pub const WORKER_BYTES: usize = 32 * 1024 * 1024;

/// Starts the program again with deep stacks, in the same process, where it was started without. Returns where it was
/// started with them, or where it cannot be started again; then it runs with what it has.
pub fn deepen() {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Only an error ever comes back.
    let _ = again.args(arguments).env(VARIABLE, DEFAULT_BYTES.to_string()).exec();
}
