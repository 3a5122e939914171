//! The broker and the Postgres that a test runs against: the shared ones, in a virtual host and a database of the
//! test's own, or a pair of its own that it may stop and kill.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use purser::storage::queries::AnyConnection;
use purser::storage::{Database, StoreError};
use serde_json::Value;
use url::Url;

/// Where to find a broker and a Postgres in which virtual hosts and databases may be created.
#[derive(Clone)]
pub struct Addresses {
    amqp: Url,
    management: Url,
    postgres: Url,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test uses.
pub fn unique_name() -> String {
    format!("e2e_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl Addresses {
    /// The services that the environment names.
    pub fn shared() -> Self {
        let url = |name: &str| {
            let value = std::env::var(name).unwrap_or_else(|_| {
                panic!("{name} is not set: scripts/services start, then eval \"$(scripts/services env)\"")
            });
            Url::parse(&value).expect("a URL")
        };
        Self {
            amqp: url("PURSER_TEST_AMQP_URL"),
            management: url("PURSER_TEST_AMQP_MANAGEMENT_URL"),
            postgres: url("PURSER_TEST_PG_URL"),
        }
    }

    /// The node of a cluster that has these ports, and the shared Postgres.
    pub fn of_node(amqp: u16, management: u16) -> Self {
        let url = |text: String| Url::parse(&text).expect("a URL");
        Self {
            amqp: url(format!("amqp://guest:guest@127.0.0.1:{amqp}/")),
            management: url(format!("http://guest:guest@127.0.0.1:{management}/")),
            postgres: Self::shared().postgres,
        }
    }

    /// This broker, and that Postgres.
    pub fn with_postgres_of(&self, other: &Self) -> Self {
        Self { postgres: other.postgres.clone(), ..self.clone() }
    }

    /// The broker's port.
    pub fn amqp_port(&self) -> u16 {
        self.amqp.port().expect("a port")
    }

    /// A new virtual host.
    pub async fn vhost(&self) -> Vhost {
        let vhost = Vhost { name: unique_name(), addresses: self.clone() };
        vhost.management(reqwest::Method::PUT, &format!("vhosts/{}", vhost.name)).await;
        vhost
    }

    /// A new Postgres database.
    pub async fn database(&self) -> PostgresDatabase {
        let database = PostgresDatabase { name: unique_name(), addresses: self.clone() };
        execute(&self.maintenance(), format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    fn maintenance(&self) -> Database {
        Database::Postgres(self.postgres.to_string())
    }
}

/// Runs statements that the program itself never would. A machine on which everything starts at once may keep a server
/// from answering whoever connects: then nothing was run.
pub async fn execute(database: &Database, sql: impl Into<String>) {
    let sql = sql.into();
    for _ in 0..5 {
        match try_execute(database, sql.clone()).await {
            Err(StoreError::Outage(why)) if why.contains("connection attempt") => crate::patience::pause().await,
            ended => return ended.expect("executed"),
        }
    }
    panic!("not executed: {sql}");
}

/// Reads one number, past the program.
pub async fn number(database: &Database, sql: impl Into<String>) -> i64 {
    let sql = format!("SELECT CAST(({}) AS BIGINT) AS number", sql.into());
    let reading = database.query(move |conn| {
        let row = match conn {
            AnyConnection::Sqlite(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
            AnyConnection::Postgres(conn) => diesel::sql_query(&sql).get_result::<Number>(conn),
        };
        row.map_err(|error| StoreError::Rejected(format!("{error}: {sql}")))
    });
    reading.await.expect("a number").number.unwrap_or(0)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

async fn try_execute(database: &Database, sql: impl Into<String>) -> Result<(), StoreError> {
    let sql = sql.into();
    let executing = database.query(move |conn| {
        let executed = match conn {
            AnyConnection::Sqlite(conn) => conn.batch_execute(&sql),
            AnyConnection::Postgres(conn) => conn.batch_execute(&sql),
        };
        executed.map_err(|error| StoreError::Rejected(format!("{error}: {sql}")))
    });
    executing.await
}

/// A virtual host that goes away with the test.
pub struct Vhost {
    name: String,
    addresses: Addresses,
}

impl Vhost {
    pub fn amqp_url(&self) -> String {
        let mut url = self.addresses.amqp.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// What the broker knows of each queue, by name.
    pub async fn queues(&self) -> BTreeMap<String, Value> {
        let listed = self.management(reqwest::Method::GET, &format!("queues/{}", self.name)).await;
        let listed: Vec<Value> = serde_json::from_slice(&listed).expect("a list of queues");
        listed.into_iter().map(|queue| (queue["name"].as_str().expect("a name").to_owned(), queue)).collect()
    }

    /// Closes every connection that calls itself `purser`, as an operator would.
    pub async fn close_connections_of_purser(&self) -> usize {
        let mut closed = 0;
        for connection in self.connections().await {
            if connection["user_provided_name"] == "purser" {
                let name = connection["name"].as_str().expect("a name").replace(' ', "%20").replace('>', "%3E");
                self.management(reqwest::Method::DELETE, &format!("connections/{name}")).await;
                closed += 1;
            }
        }
        closed
    }

    /// Puts `{}` into a queue through an exchange, with properties that no client's stack might bear.
    pub async fn put(&self, exchange: &str, queue: &str, properties: &str) {
        let body = format!(
            r#"{{"routing_key":"{queue}","properties":{properties},"payload":"{{}}","payload_encoding":"string"}}"#
        );
        let path = format!("exchanges/{}/{exchange}/publish", self.name);
        let put = self.management_with(reqwest::Method::POST, &path, body).await;
        assert_eq!(put, br#"{"routed":true}"#);
    }

    async fn connections(&self) -> Vec<Value> {
        let listed = self.management(reqwest::Method::GET, &format!("vhosts/{}/connections", self.name)).await;
        serde_json::from_slice(&listed).expect("a list of connections")
    }

    async fn management(&self, method: reqwest::Method, path: &str) -> Vec<u8> {
        self.management_with(method, path, String::new()).await
    }

    async fn management_with(&self, method: reqwest::Method, path: &str, body: String) -> Vec<u8> {
        let url = format!("{}api/{path}", self.addresses.management);
        let sending = reqwest::Client::new().request(method, &url).header("content-type", "application/json");
        let sending = sending.body(body).send();
        let response = sending.await.expect("the management API answers");
        let status = response.status();
        let body = response.bytes().await.expect("a body").to_vec();
        assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&body));
        body
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let url = format!("{}api/vhosts/{}", self.addresses.management, self.name);
        // Where the test's own broker has gone before, so has the virtual host.
        clean_up(async move { drop(reqwest::Client::new().delete(&url).send().await) });
    }
}

/// A Postgres database that goes away with the test.
pub struct PostgresDatabase {
    name: String,
    addresses: Addresses,
}

impl PostgresDatabase {
    pub fn url(&self) -> String {
        let mut url = self.addresses.postgres.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// Ends every session in this database, as an operator would.
    pub async fn terminate_backends(&self) {
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        execute(&self.addresses.maintenance(), sql).await;
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (maintenance, sql) = (self.addresses.maintenance(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        clean_up(async move { drop(try_execute(&maintenance, sql).await) });
    }
}

/// A destructor cannot await, and must not block the test's own runtime.
fn clean_up(work: impl Future<Output = ()> + Send + 'static) {
    let cleaning = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work);
    });
    // A test that has failed already says more than what is left behind.
    drop(cleaning.join());
}

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// The ports to choose from: below those that the system gives to connections.
const PORTS: std::ops::Range<u16> = 20_000..31_000;

/// A port that nobody listens on. Test processes that run side by side begin at different places.
pub fn free_port() -> u16 {
    let places = PORTS.end - PORTS.start;
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(places)).expect("a place");
    loop {
        let place = (begin + NEXT_PORT.fetch_add(1, Ordering::Relaxed)) % places;
        if TcpListener::bind(("127.0.0.1", PORTS.start + place)).is_ok() {
            return PORTS.start + place;
        }
    }
}

/// The first of so many ports in a row that nobody listens on.
pub fn free_ports(count: u16) -> u16 {
    let places = PORTS.end - PORTS.start;
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(places)).expect("a place");
    loop {
        // Taken together, so that no other test of this process is given one of them.
        let first = PORTS.start + (begin + NEXT_PORT.fetch_add(count, Ordering::Relaxed)) % places;
        let is_free = |port: u16| port < PORTS.end && TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(is_free) {
            return first;
        }
    }
}

/// A broker or Postgres (or both) of the test's own, in a directory of its own; gone with the test, failed or not.
pub struct Own {
    pub addresses: Addresses,
    directory: PathBuf,
    environment: Vec<(&'static str, String)>,
    amqp_tls_port: Option<u16>,
}

/// How services of a test's own speak TLS.
#[derive(Clone, Copy)]
pub struct Tls<'a> {
    /// Holds `ca.pem`, `server.pem` and `server.key`.
    pub directory: &'a Path,
    /// Whether the broker wants to see one: `optional` or `required`.
    pub client_cert: &'static str,
}

impl Own {
    /// Starts the services of these names (`broker`, `postgres`).
    pub async fn start(names: &[&str]) -> Self {
        Self::start_with(names, None).await
    }

    /// The same, and they speak TLS, too.
    pub async fn start_with(names: &[&str], tls: Option<Tls<'_>>) -> Self {
        let [amqp, management, distribution, postgres] = [(); 4].map(|()| free_port());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique_name());
        let url = |text: String| Url::parse(&text).expect("a URL");
        let addresses = Addresses {
            amqp: url(format!("amqp://guest:guest@127.0.0.1:{amqp}/")),
            management: url(format!("http://guest:guest@127.0.0.1:{management}/")),
            postgres: url(format!("postgres://purser:purser@127.0.0.1:{postgres}/purser")),
        };
        let mut environment = vec![
            ("PURSER_AMQP_PORT", amqp.to_string()),
            ("PURSER_AMQP_MANAGEMENT_PORT", management.to_string()),
            ("PURSER_AMQP_DIST_PORT", distribution.to_string()),
            ("PURSER_PG_PORT", postgres.to_string()),
            ("PURSER_SERVICES_DIR", directory.display().to_string()),
        ];
        let mut amqp_tls_port = None;
        if let Some(Tls { directory, client_cert }) = tls {
            let port = *amqp_tls_port.insert(free_port());
            environment.extend([
                ("PURSER_AMQP_TLS_PORT", port.to_string()),
                ("PURSER_AMQP_CLIENT_CERT", client_cert.to_owned()),
                ("PURSER_TLS_DIR", directory.display().to_string()),
            ]);
        }
        let own = Self { addresses, directory, environment, amqp_tls_port };
        own.run(&[&["start"], names].concat()).await;
        own
    }

    /// The broker's address by this name of this machine, over TLS.
    pub fn amqps_url(&self, user: &str, host: &str, vhost: &str) -> String {
        let port = self.amqp_tls_port.expect("services that speak TLS");
        format!("amqps://{user}{host}:{port}/{vhost}")
    }

    /// The broker's address without TLS.
    pub fn plain_amqp_url(&self) -> String {
        let mut url = self.addresses.amqp.clone();
        url.set_path("%2f");
        url.into()
    }

    /// The broker's address without TLS, for this `user:password`.
    pub fn amqp_url(&self, user: &str, vhost: &str) -> String {
        let mut url = self.addresses.amqp.clone();
        url.set_path(vhost);
        url.as_str().replace("guest:guest@", &format!("{user}@"))
    }

    /// What `scripts/services` has to be told to mean these.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The port of this Postgres.
    pub fn postgres_port(&self) -> u16 {
        self.addresses.postgres.port().expect("a port")
    }

    /// The database's address, with nothing said about TLS.
    pub fn plain_postgres_url(&self) -> String {
        self.addresses.postgres.clone().into()
    }

    /// Runs `scripts/services` with these arguments; answers with its standard output.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
        let ran = ran.expect("scripts/services runs");
        assert!(ran.status.success(), "scripts/services {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("UTF-8")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services"));
        command.args(arguments).envs(self.environment());
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Killed and not stopped: nobody needs what they would still write.
        for arguments in [["kill", "broker"].as_slice(), &["stop", "--immediate", "--clean"]] {
            if let Err(error) = self.command(arguments).output() {
                eprintln!("{}: {error}", self.directory.display());
            }
        }
    }
}
