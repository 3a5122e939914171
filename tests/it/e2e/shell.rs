//! Commands that need neither database nor broker: `config show`, `completions`, `man`.

use std::path::Path;

use tempfile::TempDir;

use super::process::purser;

/// A configuration with a secret of every kind; none may be told.
const CONFIG: &str = r#"
database.url = "sqlite://ledger.db"
amqp.url = "amqp://purser:hush-1@127.0.0.1:5672/%2f"
http.admin_token = "hush-2"
[parties.acme]
currencies = ["CHF", "EUR"]
[parties.acme.jwt]
hmac_secret_file = "hmac"
[parties.acme.balance_service]
path = "/api"
api_keys = ["hush-3", "hush-4"]
"#;

/// What a command prints that ends well.
fn told(config: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let ran = purser(config, arguments).envs(variables.iter().copied()).output().expect("purser runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_setting_is_shown_with_its_layer_and_no_secret() {
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("purser.toml");
    std::fs::write(&config, CONFIG).expect("written");
    std::fs::write(directory.path().join("hmac"), "hush-5, which has more than thirty-two bytes").expect("written");
    let variables = [("PURSER__AMQP__PREFETCH", "900"), ("PURSER__AMQP__CA_FILE", "")];
    let shown = told(&config, &["config", "show", "--origin"], &variables);
    let file = config.display();
    for line in [
        format!("database.url = \"sqlite://ledger.db\"  # file {file}"),
        format!("amqp.url = \"amqp://purser:***@127.0.0.1:5672/%2f\"  # file {file}"),
        "amqp.prefetch = \"900\"  # env PURSER__AMQP__PREFETCH".to_owned(),
        "amqp.ca_file = \"\"  # env PURSER__AMQP__CA_FILE".to_owned(),
        "amqp.queue_type = \"quorum\"  # default".to_owned(),
        format!("http.admin_token = \"***\"  # file {file}"),
        format!("parties.acme.currencies = [\"CHF\",\"EUR\"]  # file {file}"),
        format!("parties.acme.jwt.hmac_secret_file = \"hmac\"  # file {file}"),
        "parties.acme.jwt.require_exp = true  # default".to_owned(),
        format!("parties.acme.balance_service.api_keys = [\"***\",\"***\"]  # file {file}"),
        "parties.acme.balance_service.spend_order = [\"ring_fenced\",\"real\",\"bonus\"]  # default".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let json = told(&config, &["config", "show", "--json"], &variables);
    assert!(!shown.contains("hush") && !json.contains("hush"), "{shown}{json}");
    let lines: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    assert_eq!(lines.len(), shown.lines().count());
    assert_eq!(names(directory.path()), ["hmac", "purser.toml"]);
}

#[test]
fn the_demo_party_is_shown_and_its_secret_is_not_made() {
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("purser.toml");
    std::fs::write(&config, "").expect("written");
    let shown = told(&config, &["config", "show"], &[]);
    assert!(shown.contains("parties.demo.player_tokens = \"required\"\n"), "{shown}");
    assert_eq!(names(directory.path()), ["purser.toml"]);
}

#[test]
fn completions_and_manual_pages_know_every_command_whatever_is_configured() {
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("missing.toml");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = told(&config, &["completions", shell], &[]);
        assert!(["serve", "backup", "redrive"].iter().all(|command| script.contains(command)), "{shell}");
    }
    let pages = directory.path().join("man");
    told(&config, &["man", pages.to_str().expect("UTF-8")], &[]);
    let pages = names(&pages);
    for page in ["purser.1", "purser-serve.1", "purser-dead-redrive.1", "purser-config-show.1"] {
        assert!(pages.iter().any(|known| known == page), "{page}: {pages:?}");
    }
}
