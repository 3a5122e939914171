//! Files that hold secrets, and who else may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::app::Encryption;
use crate::config::{Config, DatabaseUrl, SecretFile};

const GROUP: u32 = 0o070;
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
    files.iter().filter_map(warning).collect()
}

fn named(what: &str, path: PathBuf) -> SecretFile {
    SecretFile { what: what.to_owned(), path }
}

/// None where nobody else may, or where there is no such file: whoever needs it says so.
fn warning(SecretFile { what, path }: &SecretFile) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let others = match (mode & GROUP, mode & EVERYONE) {
        (0, 0) => return None,
        (_, 0) => "its group",
        (_, _) => "everybody",
    };
    let path = path.display();
    Some(format!("{what}, {path}, is open to {others} (mode {mode:04o}), and holds secrets: chmod 600 {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_warned_of_where_others_may_open_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        assert_eq!(warning(&named("it", path.clone())), None, "there is none");
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
            let said = warning(&named("it", path.clone()));
            let expected = others.map(|others| format!("is open to {others} (mode {mode:04o})"));
            assert_eq!(said.is_some(), expected.is_some(), "{mode:o}");
            assert!(said.unwrap_or_default().contains(&expected.unwrap_or_default()), "{mode:o}");
        }
    }
}
