//! TLS to a real broker and a real Postgres: whom Purser believes, whom they believe, and what it says otherwise.

use std::fmt::Write as _;
use std::path::Path;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use purser::dialects::egpp::Operation;
use purser::storage::queries::AnyConnection;
use purser::storage::{Database, StoreError};
use serde_json::json;
use tempfile::TempDir;

use super::certificates::Papers;
use super::process::purser;
use super::raw::{self, Properties};
use super::services::{Own, Tls};
use super::stage::{ACME, Base, Stage};
use super::wire::{Message, Wire, code};
use crate::patience::until;

/// What the operator sets, and what `purser check` says of it: its line begins with the first word.
struct Case {
    what: &'static str,
    config: String,
    says: &'static str,
}

impl Case {
    fn broker(what: &'static str, url: String, files: &[(&str, String)], says: &'static str) -> Self {
        let mut config = format!("[amqp]\nurl = \"{url}\"\n");
        for (name, file) in files {
            writeln!(config, "{name} = \"{file}\"").expect("written");
        }
        Self { what, config, says }
    }

    fn database(what: &'static str, url: String, says: &'static str) -> Self {
        Self { what, config: format!("[database]\nurl = \"{url}\"\n[amqp]\nurl = \"\"\n"), says }
    }
}

/// Runs `purser check` for each; answers with what it says amiss, so that one run shows all of it.
async fn check(cases: Vec<Case>) {
    let directory = TempDir::new().expect("a directory");
    let mut wrong = Vec::new();
    for Case { what, config, says } in cases {
        let file = directory.path().join("purser.toml");
        std::fs::write(&file, config).expect("written");
        let (fit, said) = run(&file, "check").await;
        let (mark, words) = says.split_once(' ').expect("a mark and words");
        let is_said = words.split('|').all(|words| said.lines().any(|line| line.contains(words)));
        if !is_said || fit != (mark == "ok") {
            wrong.push(format!("{what}: {says}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a command succeeded, and all that it said.
async fn run(config: &Path, command: &'static str) -> (bool, String) {
    let mut command = purser(config, &[command]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("purser runs");
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8(said).expect("UTF-8"))
}

/// Broker and Postgres with TLS, where a certificate may be shown, and users who need no password where it is theirs.
async fn open_services(papers: &Papers) -> Own {
    let tls = Tls { directory: papers.directory(), client_cert: "optional" };
    let own = Own::start_with(&["broker", "postgres"], Some(tls)).await;
    own.run(&["rabbitmqctl", "add_user", "purser", "never used"]).await;
    own.run(&["rabbitmqctl", "set_permissions", "purser", ".*", ".*", ".*"]).await;
    own.run(&["psql", "-c", "CREATE ROLE certified LOGIN IN ROLE purser"]).await;
    own
}

fn broker_cases(own: &Own, papers: &Papers) -> Vec<Case> {
    let file = |name: &str| papers.path(name);
    let ca = || ("ca_file", file("ca.pem"));
    let shown = |name: &str| {
        let (cert, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        [ca(), ("client_cert_file", cert), ("client_key_file", key)]
    };
    let at = |host: &str| own.amqps_url("guest:guest@", host, "%2f");
    let external = || own.amqps_url("", "localhost", "%2f?auth_mechanism=external");
    let plain_port = own.plain_amqp_url().replace("amqp://", "amqps://").replace("127.0.0.1", "localhost");
    let mut mixed = shown("purser");
    mixed[2].1 = file("nobody.key");
    vec![
        Case::broker("no TLS", own.plain_amqp_url(), &[], "ok is reachable (no TLS)"),
        Case::broker("the right authority", at("localhost"), &[ca()], "ok is reachable (TLS)"),
        Case::broker(
            "another authority",
            at("localhost"),
            &[("ca_file", file("other-ca.pem"))],
            "FAIL certificate is not from the one in|/other-ca.pem: name the file of its CA's certificate in amqp.ca_file",
        ),
        Case::broker(
            "the system's authorities",
            at("localhost"),
            &[],
            "FAIL is not from one that this system trusts: name the file of its CA's certificate in amqp.ca_file",
        ),
        Case::broker("another host name", at("127.0.0.1"), &[ca()], "FAIL certificate is for another host"),
        Case::broker("a port without TLS", plain_port, &[ca()], "FAIL does not speak TLS at this port"),
        Case::broker("a certificate beside the password", at("localhost"), &shown("purser"), "ok is reachable (TLS)"),
        Case::broker(
            "a stranger's",
            at("localhost"),
            &shown("stranger"),
            "FAIL not accept the certificate|stranger.pem",
        ),
        Case::broker(
            "the certificate alone",
            external(),
            &shown("purser"),
            "ok is reachable (TLS)|topology: `purser serve` will declare",
        ),
        Case::broker("of no user", external(), &shown("nobody"), "FAIL ACCESS_REFUSED"),
        Case::broker("nothing to sign in with", external(), &[ca()], "FAIL auth_mechanism=external needs amqps://"),
        Case::broker(
            "another's key",
            external(),
            &mixed,
            "FAIL amqp.client_key_file|is not the key of the certificate",
        ),
        Case::broker(
            "no such file",
            at("localhost"),
            &[("ca_file", file("none.pem"))],
            "FAIL amqp.ca_file|none.pem: No such file",
        ),
        Case::broker(
            "a file of something else",
            at("localhost"),
            &[("ca_file", file("server.key"))],
            "FAIL holds no certificate; it must be PEM",
        ),
        Case::broker("files for nothing", own.plain_amqp_url(), &[ca()], "FAIL would not be used; write amqps://"),
        Case::broker(
            "another client's parameters",
            own.amqps_url("guest:guest@", "localhost", "%2f?cacertfile=ca.pem"),
            &[],
            "FAIL takes these parameters and no others",
        ),
    ]
}

fn database_cases(own: &Own, papers: &Papers) -> Vec<Case> {
    let plain = own.plain_postgres_url();
    let by_name = plain.replace("127.0.0.1", "localhost");
    let certified = by_name.replace("purser:purser@", "certified@");
    let ca = format!("sslrootcert={}", papers.path("ca.pem"));
    let with = |mode: &str| format!("{by_name}?sslmode={mode}&{ca}");
    let shown = |name: &str| {
        let (cert, key) = (papers.path(&format!("{name}.pem")), papers.path(&format!("{name}.key")));
        format!("{certified}?sslmode=verify-full&{ca}&sslcert={cert}&sslkey={key}")
    };
    let other = format!("{by_name}?sslmode=verify-full&sslrootcert={}", papers.path("other-ca.pem"));
    let missing = format!("{by_name}?sslmode=verify-full&sslrootcert={}", papers.path("none.pem"));
    vec![
        Case::database("nothing said", plain.clone(), "ok is reachable (no TLS)"),
        Case::database("disable", format!("{by_name}?sslmode=disable"), "ok is reachable (no TLS)"),
        Case::database("verify-full", with("verify-full"), "ok is reachable (TLS)"),
        Case::database("verify-ca", with("verify-ca"), "ok is reachable (TLS)"),
        Case::database("require", with("require"), "ok is reachable (TLS)"),
        Case::database(
            "another authority",
            other,
            "FAIL certificate is not from the one in|certificate in sslrootcert",
        ),
        Case::database(
            "require verifies, too",
            format!("{by_name}?sslmode=require"),
            "FAIL is not from one that this system trusts: name the file of its CA's certificate in sslrootcert",
        ),
        Case::database(
            "another host name",
            format!("{plain}?sslmode=verify-full&{ca}"),
            "FAIL certificate is for another host",
        ),
        Case::database("the certificate alone", shown("certified"), "ok is reachable (TLS)"),
        Case::database("another user's", shown("purser"), "FAIL certificate authentication failed for user"),
        Case::database("a stranger's", shown("stranger"), "FAIL not accept the certificate in sslcert|stranger.pem"),
        Case::database("none", format!("{certified}?sslmode=verify-full&{ca}"), "FAIL valid client certificate"),
        Case::database("no such file", missing, "FAIL sslrootcert|none.pem: No such file"),
        Case::database(
            "files for nothing",
            format!("{by_name}?{ca}"),
            "FAIL files for TLS are named, but there is no TLS without sslmode=verify-full",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn purser_and_its_servers_believe_nobody_whose_papers_do_not_fit() {
    let papers = Papers::new();
    let own = open_services(&papers).await;
    check(broker_cases(&own, &papers)).await;
    check(database_cases(&own, &papers)).await;
    bets_go_through_where_all_of_it_is_encrypted(&own, &papers).await;
}

/// On the services of the test above: starting a broker takes long.
async fn bets_go_through_where_all_of_it_is_encrypted(own: &Own, papers: &Papers) {
    let mut stage = Stage::prepare(Base::Postgres, ACME, &own.addresses).await;
    let (amqp, postgres) = (stage.vhost.amqp_url(), stage.postgres.as_ref().expect("a database").url());
    let vhost = amqp.rsplit('/').next().expect("a virtual host");
    own.run(&["rabbitmqctl", "set_permissions", "-p", vhost, "purser", ".*", ".*", ".*"]).await;
    let file = |name: &str| papers.path(name);
    let amqps = own.amqps_url("", "localhost", &format!("{vhost}?auth_mechanism=external"));
    let trusted = stage.file("trusted.pem");
    std::fs::copy(file("ca.pem"), &trusted).expect("copied");
    let broker = format!(
        "{amqps}\"\nca_file = \"{}\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}",
        trusted.display(),
        file("purser.pem"),
        file("purser.key")
    );
    let database = format!("{}?sslmode=verify-full&sslrootcert={}", postgres, file("ca.pem"));
    let config = std::fs::read_to_string(stage.config()).expect("a configuration");
    let config = config.replace(&amqp, &broker).replace(&postgres, &database.replace("127.0.0.1", "localhost"));
    std::fs::write(stage.config(), &config).expect("written");

    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", "alice").await;
    stage.deposit("acme", "alice", "10.00", "CHF").await;
    let mut wire = Wire::connect(&stage).await;
    let body = json!({ "amount": 100, "currency": "CHF", "game": "wallstroulette", "round": 1,
                       "externalId": "one", "playerId": "alice" });
    assert_eq!(code(&wire.ask(Message::new(Operation::OrderBet, "one", &body)).await), "201");
    let illegible = Properties { correlation_id: b"caf\xe9", ..Properties::default() };
    let plain = amqp.clone();
    tokio::task::spawn_blocking(move || raw::publish(&plain, ("v1.0", "v1.0.acme.order.bet"), &illegible, b"{}"))
        .await
        .expect("published");
    until("what nobody can read is parked", async || wire.ready("v1.0.acme.dead").await == 1).await;
    assert_eq!(plain_sessions(&stage.database).await, 0);
    let listed = own.run(&["rabbitmqctl", "-q", "list_connections", "vhost", "user", "auth_mechanism", "ssl"]).await;
    let of_purser: Vec<&str> = listed.lines().filter(|line| line.contains("\tpurser\t")).collect();
    let here = of_purser.iter().filter_map(|line| line.strip_prefix(vhost));
    assert_eq!(here.collect::<Vec<_>>(), ["\tpurser\tEXTERNAL\ttrue"], "{listed}");

    // Files are read for every connection, whatever comes of it.
    std::fs::copy(file("other-ca.pem"), &trusted).expect("copied");
    until("the connection is closed", async || stage.vhost.close_connections_of_purser().await > 0).await;
    until("the broker is a stranger", async || stage.log().contains("certificate is not from the one in")).await;
    std::fs::copy(file("ca.pem"), &trusted).expect("copied");
    until("the broker is known again", async || stage.is_ready().await).await;
    stage.stop().await;

    // A start that could never succeed ends at once, with the status of wrong configuration.
    std::fs::write(stage.config(), config.replace("/trusted.pem", "/none.pem")).expect("written");
    let refused = stage.run(&["serve"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("none.pem: No such file"), "{said}");
}

/// Sessions of Purser without TLS, this question's own apart.
async fn plain_sessions(database: &Database) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        sessions: i64,
    }
    let sql = "SELECT count(*) AS sessions FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND NOT ssl";
    let asking = database.query(move |conn| {
        let asked = match conn {
            AnyConnection::Sqlite(conn) => sql_query(sql).get_result::<Row>(conn),
            AnyConnection::Postgres(conn) => sql_query(sql).get_result::<Row>(conn),
        };
        asked.map_err(|error| StoreError::Rejected(error.to_string()))
    });
    asking.await.expect("an answer").sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_wants_a_certificate_is_shown_one() {
    let papers = Papers::new();
    let tls = Tls { directory: papers.directory(), client_cert: "required" };
    let own = Own::start_with(&["broker"], Some(tls)).await;
    let file = |name: &str| papers.path(name);
    let url = || own.amqps_url("guest:guest@", "localhost", "%2f");
    let shown = [
        ("ca_file", file("ca.pem")),
        ("client_cert_file", file("purser.pem")),
        ("client_key_file", file("purser.key")),
    ];
    check(vec![
        Case::broker("shown", url(), &shown, "ok is reachable (TLS)"),
        Case::broker(
            "not shown",
            url(),
            &shown[..1],
            "FAIL asks for a client certificate: name one, and its key, in amqp.client_cert_file and amqp.client_key_file",
        ),
    ])
    .await;
}
