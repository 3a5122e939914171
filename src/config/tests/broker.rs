//! What is said of the broker.

use super::*;

#[test]
fn a_party_may_have_a_virtual_host_of_its_own() {
    let toml = format!("[amqp]\nurl = \"amqps://u:p@[::1]:5671/shared?heartbeat=5\"\n{TRUSTED}amqp_vhost = \"a/b %\"");
    let config = parse(&toml).unwrap();
    let vhost = acme(&config).amqp.vhost.as_deref();
    assert_eq!(config.amqp.address_in(vhost).unwrap(), "amqps://[::1]:5671/a%2Fb%20%25");
    let urls = config.amqp.urls_in(vhost);
    assert_eq!(urls[0].expose(), "amqps://u:p@[::1]:5671/a%2Fb%20%25?heartbeat=5");
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqps://[::1]:5671/shared");
}

#[test]
fn the_nodes_of_a_broker_are_a_list_or_lines_of_text() {
    let nodes = ["amqps://u:p@one:5671/v", "amqps://u:q@[::1]/v?heartbeat=5", "amqp://u:p@127.0.0.1/v"];
    let listed = format!("{nodes:?}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("urls");
    std::fs::write(&file, format!("{}\n", nodes.join("\n"))).unwrap();
    let from_file = format!("[amqp]\nurl_file = '{}'", file.display());
    for config in [
        parse(&format!("[amqp]\nurl = {listed}")),
        parse(&from_file),
        parse_with("", &[("PURSER__AMQP__URL", &listed)]),
        parse_with("", &[("PURSER__AMQP__URL", &nodes.join("\n"))]),
    ] {
        let config = config.unwrap();
        assert_eq!(config.amqp.urls.iter().map(Secret::expose).collect::<Vec<_>>(), nodes);
        let shown = ["amqps://one:5671/a", "amqps://[::1]/a", "amqp://127.0.0.1/a"];
        assert_eq!(config.amqp.addresses_in(Some("a")), shown);
        assert_eq!(config.warnings, Vec::<String>::new());
        // Of a file, its name alone is shown.
        let is_shown = |setting: &&Effective| setting.key == "amqp.url";
        let Some(shown) = config.effective.iter().find(is_shown) else { continue };
        let text = shown.value.to_string();
        assert!(text.contains("u:***@one:5671/v") && text.contains("u:***@[::1]/v?heartbeat=5"), "{text}");
        assert!(!text.contains(":p@") && !text.contains(":q@"), "{text}");
    }
}

#[test]
fn only_the_nodes_on_other_machines_are_warned_of() {
    let urls = "[\"amqp://127.0.0.1/v\", \"amqp://one/v\", \"amqps://two/v\"]";
    let warnings = parse(&format!("[amqp]\nurl = {urls}")).unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning.starts_with("amqp.url (amqp://one/v) goes to another")),
        "{warnings:?}"
    );
}

#[test]
fn what_queues_are_declared_with_may_be_said() {
    let config = parse(
        "[amqp]\nqueue_group_size = 3\nqueue_leader_locator = \"client-local\"\nconsumer_disconnected_timeout = \"20s\"",
    );
    let amqp = config.unwrap().amqp;
    let said = (amqp.queue_group_size, amqp.queue_leader_locator, amqp.consumer_disconnected_timeout);
    assert_eq!(said, (Some(3), Some(LeaderLocator::ClientLocal), Some(Duration::from_secs(20))));
    let amqp = parse("").unwrap().amqp;
    let said = (amqp.queue_group_size, amqp.queue_leader_locator, amqp.consumer_disconnected_timeout);
    assert_eq!(said, (None, None, None));
}
