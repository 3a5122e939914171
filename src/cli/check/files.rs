//! Files that hold secrets, and who else may read them.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::app::Encryption;
use crate::config::{Config, DatabaseUrl, SecretFile};

const ROOT: u32 = 0;

const GROUP: u32 = 0o070;
const GROUP_READS: u32 = 0o040;
const EVERYONE: u32 = 0o007;

/// One sentence for each file with secrets that others than its owner may open.
pub fn warnings(config: &Config, demo_secret: Option<&Path>) -> Vec<String> {
    let mut files = config.secret_files.clone();
    files.extend(demo_secret.map(|path| named("the demo party's secret", path.to_owned())));
    // What cannot be understood of the database's address has a line of its own.
    let tls = Encryption::of(config).map(|encryption| encryption.databases).unwrap_or_default();
    let keys = tls.into_values().filter_map(|files| files.identity);
    files.extend(keys.map(|(_, key)| named("sslkey of the database's url", key)));
    for ledger in config.ledgers_in_use() {
        if let Some(DatabaseUrl::Sqlite(path)) = config.ledger_url(&ledger) {
            let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
            files.extend(["", "-wal", "-shm"].map(|suffix| named("the database", beside(suffix))));
        }
    }
    let reader = FileReader::this_process();
    files.iter().filter_map(|file| warning(file, &reader)).collect()
}

fn named(what: &str, path: PathBuf) -> SecretFile {
    SecretFile { what: what.to_owned(), path }
}

/// None where nobody else may, or where there is no such file: whoever needs it says so.
fn warning(SecretFile { what, path }: &SecretFile, reader: &FileReader) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let access = Access { mode: metadata.mode() & 0o777, owner: metadata.uid(), group: metadata.gid() };
    let (others, advice) = reader.objection(access, &path.display())?;
    let (path, mode) = (path.display(), access.mode);
    Some(format!("{what}, {path}, is open to {others} (mode {mode:04o}), and holds secrets: {advice}"))
}

/// Who may open a file.
#[derive(Debug, Clone, Copy)]
struct Access {
    mode: u32,
    owner: u32,
    group: u32,
}

/// Whoever runs this: Purser's user, where the check is to be worth much.
#[derive(Debug)]
struct FileReader {
    user: u32,
    groups: Vec<u32>,
}

impl FileReader {
    fn this_process() -> Self {
        let own = rustix::process::getegid().as_raw();
        let others = rustix::process::getgroups().unwrap_or_default();
        let groups = others.into_iter().map(|group| group.as_raw()).chain([own]).collect();
        Self { user: rustix::process::geteuid().as_raw(), groups }
    }

    /// To whom a file is open that should not be, and what to do. Root's own files are Purser's to read by its group: so the
    /// package has them.
    fn objection(&self, access: Access, path: &dyn Display) -> Option<(&'static str, String)> {
        let Access { mode, owner, group } = access;
        let is_shared_by_root = owner == ROOT && owner != self.user;
        let is_read_by_group = mode & GROUP == GROUP_READS;
        let others = match (mode & GROUP, mode & EVERYONE) {
            (0, 0) => return None,
            (_, 0) if is_shared_by_root && is_read_by_group && self.groups.contains(&group) => return None,
            (_, 0) => "its group",
            (_, _) => "everybody",
        };
        let advice = if is_shared_by_root && self.groups.contains(&group) {
            format!("chmod 640 {path}")
        } else if owner != self.user {
            // To take it from its group may be to take it from whoever runs this.
            format!(
                "give it to Purser's user (chown) and chmod 600 {path}, or to root and Purser's group (chgrp) and chmod 640"
            )
        } else if owner == ROOT && mode & EVERYONE == 0 && is_read_by_group && !self.groups.contains(&group) {
            // Root cannot tell who serves.
            "right where its group is Purser's user's and nobody else's (check as that user); else chmod 600".to_owned()
        } else {
            format!("chmod 600 {path}")
        };
        Some((others, advice))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_warned_of_where_others_may_open_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let reader = FileReader { user: 1_000, groups: vec![] };
        assert_eq!(warning(&named("it", path.clone()), &reader), None, "there is none");
        fs::write(&path, "x").unwrap();
        for (mode, others) in [
            (0o600, None),
            (0o400, None),
            (0o640, Some("its group")),
            (0o620, Some("its group")),
            (0o604, Some("everybody")),
            (0o644, Some("everybody")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let said = warning(&named("it", path.clone()), &reader);
            let expected = others.map(|others| format!("is open to {others} (mode {mode:04o})"));
            assert_eq!(said.is_some(), expected.is_some(), "{mode:o}");
            assert!(said.unwrap_or_default().contains(&expected.unwrap_or_default()), "{mode:o}");
        }
    }

    /// What is advised leaves Purser able to read what it has to.
    #[test]
    fn the_packages_own_modes_are_right_and_advice_can_be_followed() {
        const PURSER: u32 = 900;
        let purser = FileReader { user: PURSER, groups: vec![PURSER, 4] };
        let root = FileReader { user: ROOT, groups: vec![ROOT] };
        for (reader, owner, group, mode, advice) in [
            (&purser, ROOT, PURSER, 0o640, None),
            (&purser, ROOT, 4, 0o440, None),
            (&purser, ROOT, PURSER, 0o660, Some("chmod 640 F")),
            (&purser, ROOT, PURSER, 0o644, Some("chmod 640 F")),
            (&purser, ROOT, 100, 0o644, Some("give it to Purser's user")),
            (&purser, PURSER, PURSER, 0o640, Some("chmod 600 F")),
            (&purser, 1_000, PURSER, 0o640, Some("give it to Purser's user")),
            (&root, ROOT, PURSER, 0o640, Some("right where its group is")),
            (&root, ROOT, PURSER, 0o644, Some("chmod 600 F")),
            (&root, ROOT, ROOT, 0o640, Some("chmod 600 F")),
        ] {
            let said = reader.objection(Access { mode, owner, group }, &"F").map(|(_, advice)| advice);
            assert_eq!(said.is_some(), advice.is_some(), "{said:?} of {mode:o} {owner}:{group}");
            assert!(said.unwrap_or_default().starts_with(advice.unwrap_or_default()), "{mode:o} {owner}:{group}");
        }
    }
}
