//! The command line's acts in the trail: there with the system's user.

use std::fs;
use std::process::{Command, Stdio};

use crate::admin::trail::{self, Actor, Deed, DoneSoFar, OS_USER, UID};
use crate::storage::{Database, Reader};

use super::CommandFailure;

/// What stands for a role: whoever may run commands here may do everything.
const ROLE: &str = "system";

/// Tells the system's users. Not looked for in `PATH`, which whoever runs this may set.
const GETENT: &str = "/usr/bin/getent";

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
    let own = name(uid);
    match signed_in.filter(|signed_in| ![uid, NOBODY].contains(signed_in)) {
        Some(signed_in) => format!("{OS_USER}{own}, signed in as {}", name(signed_in)),
        None => format!("{OS_USER}{own}"),
    }
}

/// What the system calls this number: its directory services, too, whose users are in no file. Where there is no `getent`
/// the file alone tells.
fn name(uid: u32) -> String {
    let known = Command::new(GETENT).env_clear().args(["passwd", &uid.to_string()]).stdin(Stdio::null()).output();
    let known = known.ok().filter(|known| known.status.success()).map(|known| known.stdout);
    let found = known.and_then(|known| name_in(&known, uid));
    let found = found.or_else(|| name_in(&fs::read("/etc/passwd").ok()?, uid));
    found.unwrap_or_else(|| format!("{UID}{uid}"))
}

/// The first name of this number. Whoever keeps accounts need not write UTF-8.
fn name_in(accounts: &[u8], uid: u32) -> Option<String> {
    String::from_utf8_lossy(accounts).lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{name, name_in};

    #[test]
    fn a_user_is_called_by_the_first_name_of_the_number() {
        let accounts = b"root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\ntoor:x:0:0::/:\n\
                         alice:x:1000:1000:Al\xefce:/home/alice:\nren\xe9:x:1001:1001::/:\n";
        let names = [0, 1000, 1001, 7].map(|uid| name_in(accounts, uid));
        assert_eq!(names.each_ref().map(Option::as_deref), [Some("root"), Some("alice"), Some("ren\u{fffd}"), None]);
        assert_eq!((name(0).as_str(), name(3_999_999_999).as_str()), ("root", "uid 3999999999"));
    }
}
