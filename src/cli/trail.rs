//! The command line's acts in the trail: there with the system's user.

use std::fs;

use crate::admin::trail::{self, Actor, Deed, DoneSoFar};
use crate::storage::{Database, Reader};

use super::CommandFailure;

/// What stands for a role: whoever may run commands here may do everything.
const ROLE: &str = "system";

/// What the kernel says of somebody who never signed in, such as a timer.
const NOBODY: u32 = u32::MAX;

/// Does something, once it is written down who is about to. `Ok` with the words for how it ended.
pub async fn recorded<T>(
    database: &Database,
    deed: Deed,
    work: impl Future<Output = Result<(T, String), CommandFailure>>,
) -> Result<T, CommandFailure> {
    trail::recorded(&Reader::new(database.clone()), &actor(), &deed, work).await
}

/// The same for an act of several steps, which tells each that is done.
pub async fn recorded_in_steps<T>(
    database: &Database,
    deed: Deed,
    so_far: &DoneSoFar,
    work: impl Future<Output = Result<(T, String), CommandFailure>>,
) -> Result<T, CommandFailure> {
    trail::recorded_in_steps(&Reader::new(database.clone()), &actor(), &deed, so_far, work).await
}

/// Whoever runs this command.
pub fn actor() -> Actor {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname");
    let machine = machine.ok().map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned());
    Actor { who: user().into(), role: ROLE, origin: format!("command line on {machine}") }
}

/// The user that the program runs as, and whoever signed in to become that one. What the kernel says: the environment
/// may say anything.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let signed_in = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = name(&accounts, uid);
    match signed_in.filter(|signed_in| ![uid, NOBODY].contains(signed_in)) {
        Some(signed_in) => format!("os:{own}, signed in as {}", name(&accounts, signed_in)),
        None => format!("os:{own}"),
    }
}

/// The first name of this number.
fn name(accounts: &str, uid: u32) -> String {
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_user_is_called_by_the_first_name_of_the_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\ntoor:x:0:0::/:\nalice:x:1000:1000::/home/alice:\n";
        assert_eq!([0, 1000, 7].map(|uid| name(accounts, uid)), ["root", "alice", "uid 7"]);
    }
}
