use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ledger::account::Bucket;

const SAMPLE: &str = include_str!("sample.toml");

pub(super) fn parse(toml: &str) -> Result<Config, ConfigError> {
    parse_with(toml, &[])
}

fn parse_with(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::read(Section::root(layers::merge(Some((Path::new("test.toml"), toml)), &environment)?)?)
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn acme(config: &Config) -> &PartyConfig {
    &config.parties[&Party::parse("acme").unwrap()]
}

#[test]
fn nothing_configured_is_the_demo_party_on_sqlite() {
    let config = parse("").unwrap();
    assert!(config.is_demo);
    assert_eq!(config.database.url, DatabaseUrl::Sqlite(PathBuf::from("purser.db")));
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqp://127.0.0.1:5672/%2f");
    assert_eq!(
        (config.amqp.queue_type, config.amqp.prefetch, config.amqp.delivery_limit),
        (QueueType::Quorum, 2000, 20)
    );
    assert_eq!(config.http.listen.unwrap().to_string(), "127.0.0.1:8080");
    assert!(config.http.admin_token.is_none());
    assert_eq!((config.ledger.max_batch, config.ledger.ordering_grace), (512, Duration::from_secs(2)));
    assert_eq!(config.shutdown.grace, Duration::from_secs(15));
    let (name, demo) = config.parties.first_key_value().unwrap();
    assert_eq!((name.as_str(), demo.currencies.len(), demo.games.len()), ("demo", 6, 5));
    assert_eq!(demo.player_tokens, PlayerTokens::Required);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_sample_is_read_whole() {
    let config = parse(SAMPLE).unwrap();
    assert!(!config.is_demo);
    assert_eq!((config.exponent(currency("GPT")), config.exponent(currency("BTC"))), (2, 8));
    let acme = acme(&config);
    assert_eq!(acme.currencies.iter().map(Currency::as_str).collect::<Vec<_>>(), ["CHF", "EUR", "GBP", "BTC", "ETH"]);
    assert_eq!(acme.games.len(), 5);
    let limits = StakeLimits { max_bet: Some(100_000), max_stake_per_day: Some(1_000_000) };
    assert_eq!(acme.limits[&currency("CHF")], limits);
    let jwt = acme.jwt.as_ref().unwrap();
    assert_eq!((jwt.issuer.as_deref(), jwt.audience.as_deref()), (Some("https://id.acme.example"), Some("purser")));
    assert!(matches!(&jwt.key, JwtKey::HmacSecret(secret) if secret.expose() == "…"));
}

#[test]
fn the_samples_dialects_are_typed() {
    let config = parse(SAMPLE).unwrap();
    let acme = acme(&config);
    let quickplay = acme.quickplay.as_ref().unwrap();
    assert_eq!((quickplay.path.as_str(), quickplay.digest), ("/quickplay", SignatureDigest::Sha1));
    let balance_service = acme.balance_service.as_ref().unwrap();
    assert_eq!(balance_service.currency_ids[&3], currency("USD"));
    assert_eq!(balance_service.gbp_rates[&currency("USD")].to_string(), "0.78183");
    assert_eq!(balance_service.spend_order, [Bucket::RingFenced, Bucket::Real, Bucket::Bonus]);
    let goplay = acme.goplay.as_ref().unwrap();
    let levels: Vec<_> = goplay.vip.iter().map(|level| (level.name.as_str(), level.price_minor)).collect();
    assert_eq!((goplay.path.as_str(), levels), ("", vec![("standard", 1000), ("gold", 2500)]));
    assert_eq!(goplay.clients[0].redirect_uris, ["http://127.0.0.1:9000/callback"]);
    let codegames = acme.codegames.as_ref().unwrap();
    assert_eq!((codegames.path.as_str(), codegames.users[0].player.as_str()), ("/api/v1", "cc_user"));
}

const TRUSTED: &str = "[parties.acme]\ncurrencies = [\"CHF\", \"EUR\"]\nplayer_tokens = \"trusted\"\n";

/// What is wrong, and what the message must say. `@` stands for a party that is otherwise in order.
const ERRORS: [(&str, &str); 86] = [
    ("amqp = 5", "amqp (set in test.toml) must be a table of settings"),
    ("[amqp", "test.toml, line 1, column 6:"),
    ("[http]\nlisten = \"127.0.0.1:80\"\nlisten = \"127.0.0.1:81\"", "test.toml, line 3"),
    (
        "[http]\nlisen = \"\"",
        "http.lisen (set in test.toml) is not a setting; known here: admin_token, admin_token_file, listen",
    ),
    (
        "[htp]\nlisten = \"\"",
        "htp (set in test.toml) is not a setting; known here: amqp, approvals, currencies, database",
    ),
    ("[http]\nlisten = \"localhost\"", "http.listen (set in test.toml) must be an IP address and a port"),
    ("[http]\nlisten = 8080", "http.listen (set in test.toml) must be text in quotes"),
    ("[database]\nurl = \"\"", "database (set in test.toml) needs a url"),
    ("[database]\nurl = \"purser.db\"", "database.url (set in test.toml) must be sqlite://FILE or postgres://"),
    ("[database]\nurl = \"mysql://h/d\"", "must be sqlite://FILE or postgres://"),
    ("[database]\nurl = \"postgres://u:p@h:x/d\"", "must be sqlite://FILE or postgres://"),
    ("[database]\nurl = \"sqlite::memory:\"", "an in-memory ledger would forget"),
    ("[database]\nurl = \"sqlite://:memory:\"", "an in-memory ledger would forget"),
    ("[database]\nurl = \"sqlite://\"", "names no file"),
    ("[database]\nurl = \"sqlite://a.db?mode=ro\"", "must not carry parameters"),
    (
        "[database]\nurl = \"sqlite://a.db\"\nurl_file = \"b\"",
        "database.url_file (set in test.toml) and database.url (set in test.toml) must not both be given",
    ),
    (
        "[database]\nurl_file = \"/no/such/file\"",
        "database.url_file (set in test.toml) names /no/such/file, unreadable",
    ),
    ("[amqp]\nurl = \"http://h\"", "amqp.url (set in test.toml) must be amqp://"),
    ("[amqp]\nqueue_type = \"lazy\"", "amqp.queue_type (set in test.toml) must be \"quorum\" or \"classic\""),
    ("[amqp]\nprefetch = 1", "amqp.prefetch (set in test.toml) must be a whole number from 2 to 65535"),
    ("[amqp]\nprefetch = 65536", "from 2 to 65535"),
    ("[amqp]\nprefetch = 2.5", "from 2 to 65535"),
    ("[amqp]\nprefetch = 99999999999999999999", "out of range"),
    ("[amqp]\ndelivery_limit = 0", "amqp.delivery_limit (set in test.toml) must be a whole number from 1"),
    ("[amqp]\nurl = \"amqp://h:1,i:2/v\"", "several nodes are a list of such URLs"),
    ("[amqp]\nurl = \"amqp://h,i/v\"", "several nodes are a list of such URLs"),
    ("[amqp]\nurl = []", "amqp.url is an empty list; write \"\" for none"),
    ("[amqp]\nurl = [\"amqp://h\", \"\"]", "amqp.url[1] (set in test.toml) must not be empty"),
    ("[amqp]\nurl = [\"amqp://h\", \"http://h\"]", "amqp.url[1] (set in test.toml) must be amqp://"),
    ("[amqp]\nurl = [\"amqp://h\"]\nurl_file = \"f\"", "amqp.url_file (set in test.toml) and amqp.url must not both"),
    (
        "[amqp]\nurl = [\"amqp://h/a\", \"amqp://i/b\"]",
        "amqp.url[1] (set in test.toml) names another user, virtual host or login mechanism than amqp.url[0]",
    ),
    ("[amqp]\nurl = [\"amqp://u@h\", \"amqp://v@h\"]", "these are nodes of one cluster"),
    ("[amqp]\nqueue_group_size = 0", "amqp.queue_group_size (set in test.toml) must be a whole number from 1 to 9"),
    ("[amqp]\nqueue_leader_locator = \"random\"", "must be \"client-local\" or \"balanced\""),
    ("[amqp]\nconsumer_disconnected_timeout = \"5\"", "must be a duration such as \"15s\", from 1s to 1day"),
    ("[amqp]\nurl = \"amqp://h\"\nca_file = \"a.pem\"", "amqp.url (set in test.toml) begins with amqp://, so that"),
    ("[amqp]\nurl = \"amqps://h?verify=none\"", "amqp.url (set in test.toml) takes these parameters and no others"),
    (
        "[amqp]\nurl = \"amqps://h?auth_mechanism=EXTERNAL\"",
        "amqp.url (set in test.toml) with auth_mechanism=external needs amqps://, client_cert_file",
    ),
    (
        "[amqp]\nclient_cert_file = \"a.pem\"",
        "amqp (set in test.toml) needs client_cert_file and client_key_file together",
    ),
    ("[ledger]\nmax_batch = 0", "ledger.max_batch (set in test.toml) must be a whole number from 1 to 10000"),
    (
        "[ledger]\nordering_grace = \"61s\"",
        "ledger.ordering_grace (set in test.toml) must be a duration such as \"15s\", from 0s to 1m",
    ),
    ("[ledger]\nordering_grace = 2", "ledger.ordering_grace (set in test.toml) must be text in quotes"),
    ("[shutdown]\ngrace = \"0s\"", "from 1s to 10m"),
    ("[currencies.gpt]\nexponent = 2", "currencies.gpt (set in test.toml) must be three or four upper-case letters"),
    (
        "[currencies.GPT]\nexponent = 19",
        "currencies.GPT.exponent (set in test.toml) must be a whole number from 0 to 18",
    ),
    ("[currencies.GPT]\nplaces = 2", "currencies.GPT.exponent is missing"),
    ("[parties.Acme]\ncurrencies = [\"CHF\"]", "parties.Acme (set in test.toml) must be 1 to 32 of a-z, 0-9 and '-'"),
    ("[parties.acme]\ngames = []", "parties.acme.currencies is missing"),
    ("[parties.acme]\ncurrencies = []", "must name at least one currency"),
    ("[parties.acme]\ncurrencies = \"CHF\"", "must be a list such as"),
    (
        "[parties.acme]\ncurrencies = [\"CHF\", \"franc\"]",
        "parties.acme.currencies[1] (set in test.toml) is \"franc\" and must be three or four",
    ),
    (
        "[parties.acme]\ncurrencies = [\"CHF\", \"CHF\"]",
        "parties.acme.currencies[1] (set in test.toml) names CHF again",
    ),
    ("[parties.acme]\ncurrencies = [\"CHF\"]", "parties.acme (set in test.toml) needs a [jwt] section"),
    (
        "@games = [\"roulette\", \"short\"]",
        "parties.acme.games[1] (set in test.toml) is \"short\" and must be 8 to 20 characters long",
    ),
    (
        "@player_token = \"trusted\"",
        "parties.acme.player_token (set in test.toml) is not a setting; known here: amqp_users, amqp_vhost",
    ),
    ("@amqp_vhost = \"\"", "parties.acme.amqp_vhost (set in test.toml) must be a name of 1 to 255 bytes"),
    ("@amqp_vhost = \"..\"", "which no URL can name"),
    ("@amqp_users = []", "parties.acme.amqp_users (set in test.toml) is an empty list; leave it out"),
    ("@reply_queues = [\"a\\u0000\"]", "parties.acme.reply_queues[0] (set in test.toml) must be a name"),
    (
        "@limits.USD.max_bet = 5",
        "parties.acme.limits.USD (set in test.toml) is for a currency that the party does not have",
    ),
    (
        "@limits.CHF.max_bet = 0",
        "parties.acme.limits.CHF.max_bet (set in test.toml) must be a whole number of at least 1",
    ),
    ("@jwt = {}", "parties.acme.jwt needs one of hmac_secret, public_key_file, jwks_file, jwks_url"),
    ("@jwt = { hmac_secret = \"s\", jwks_file = \"k\" }", "has both hmac_secret and jwks_file"),
    ("@jwt = { jwks_file = \"k\", jwks_url = \"https://h/k\" }", "has both jwks_file and jwks_url"),
    ("@jwt = { hmac_secret = \"s\", hmac_secret_file = \"k\" }", "must not both be given"),
    ("@jwt = { jwks_url = \"https://u:p@h/k\" }", "must be an https:// address without user name or password"),
    ("@jwt = { hmac_secret = \"s\", secret = \"t\" }", "parties.acme.jwt.secret (set in test.toml) is not a setting"),
    ("@rest = { api_keys = [\"\"] }", "parties.acme.rest.api_keys[0] (set in test.toml) must not be empty"),
    ("@rest = { api_keys = \"k\" }", "parties.acme.rest.api_keys (set in test.toml) must be a list"),
    (
        "@quickplay = { path = \"q\", partner = \"p\", public_key_file = \"k\", currency = \"EUR\" }",
        "parties.acme.quickplay.path (set in test.toml) must be empty, or start with /",
    ),
    (
        "@quickplay = { path = \"/q/\", partner = \"p\", public_key_file = \"k\", currency = \"EUR\" }",
        "not end with one",
    ),
    (
        "@quickplay = { path = \"/{q}\", partner = \"p\", public_key_file = \"k\", currency = \"EUR\" }",
        "must be empty, or start with /",
    ),
    (
        "@quickplay = { path = \"\", partner = \"p\", public_key_file = \"k\", currency = \"EUR\", digest = \"md5\" }",
        "must be \"sha1\" or \"sha256\"",
    ),
    ("@balance_service = { path = \"/a\", currency_ids = { one = \"GBP\" } }", "must have a whole number for its key"),
    ("@balance_service = { path = \"/a\", currency_ids = { 1 = \"GBP\", 2 = \"GBP\" } }", "names GBP again"),
    (
        "@balance_service = { path = \"/a\", gbp_rates = { EUR = \"-1\" } }",
        "parties.acme.balance_service.gbp_rates.EUR (set in test.toml) must be a decimal number in quotes",
    ),
    (
        "@balance_service = { path = \"/a\", spend_order = [\"gbt_bonus\"] }",
        "must be \"real\", \"bonus\" or \"ring_fenced\"",
    ),
    ("@balance_service = { path = \"/a\", spend_order = [\"real\", \"real\"] }", "names real again"),
    (
        "@goplay = { path = \"\", currency = \"CHF\", vip = { a = \"1.001\" } }",
        "parties.acme.goplay.vip.a (set in test.toml) must be a price in quotes",
    ),
    ("@goplay = { path = \"\", currency = \"CHF\", vip = { a = \"1\", b = \"1.00\" } }", "has one price for a and b"),
    (
        "@goplay = { path = \"\", currency = \"CHF\", clients = [{ id = \"a\", redirect_uris = [\"http://h\"] }] }",
        "parties.acme.goplay.clients[0] (set in test.toml) needs a secret or secret_file",
    ),
    (
        "@goplay = { path = \"\", currency = \"CHF\", clients = [{ id = \"a\", secret = \"s\", redirect_uris = [\"/back\"] }] }",
        "redirect_uris[0] (set in test.toml) must be an absolute address",
    ),
    (
        "@codegames = { path = \"/c\", currency = \"CHF\" }",
        "parties.acme.codegames (set in test.toml) needs keys_secret or keys_secret_file",
    ),
    (
        "@codegames = { path = \"/c\", currency = \"CHF\", keys_secret = \"k\", users = [{ login = \"l\", password_hash = \"plain\", player = \"l\" }] }",
        "must be an Argon2id hash",
    ),
    (
        "@goplay = { path = \"/c\", currency = \"GPT\" }",
        "parties.acme names GPT, which is not in ISO 4217: say how many decimal places it has",
    ),
    (
        "@goplay = { path = \"/c\", currency = \"CHF\" }\ncodegames = { path = \"/c\", currency = \"CHF\", keys_secret = \"k\" }",
        "parties.acme.codegames.path equals parties.acme.goplay.path",
    ),
];

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
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (toml, expected) in ERRORS {
        let toml = toml.strip_prefix('@').map_or(toml.to_owned(), |rest| format!("{TRUSTED}{rest}"));
        let error = parse(&toml).expect_err(&toml).to_string();
        assert!(error.contains(expected), "{toml}\n  says: {error}\n ought: {expected}");
    }
}

#[test]
fn no_error_shows_a_value() {
    let cases = [
        "[parties.acme.jwt]\nhmac_secret = \"hunter2\nissuer = \"x\"",
        "[http]\nadmin_token = hunter2",
        "[http]\nadmin_token = \"\"\"hunter2",
        "[http]\nadmin_token = \"a\\hunter2\"",
        "[http]\nadmin_token = \"a\" hunter2",
        "[http]\nadmin_token = 99999999999999999999",
        "[http]\nadmin_token = [\"hunter2\"]",
        "[http]\nlisten = \"hunter2\"",
        "[database]\nurl = \"postgres://user:hunter2@host:port/db\"",
        "[database]\nurl = \"hunter2\"",
        "[amqp]\nurl = \"amqp:hunter2\"",
        "[amqp]\nqueue_type = \"hunter2\"",
        "[parties.acme]\ncurrencies = [\"CHF\"]\nplayer_tokens = \"hunter2\"",
    ];
    for toml in cases {
        let error = parse(toml).expect_err(toml);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("9999"), "{shown}");
    }
}

#[test]
fn secrets_are_hidden_and_addresses_lose_their_credentials() {
    let toml = SAMPLE
        .replace("sqlite://purser.db", "postgres://user:hunter2@db.example:5432/purser?password=hunter2")
        .replace("admin_token = \"\"", "admin_token = \"hunter2\"")
        .replace("amqp://guest:guest@", "amqps://guest:hunter2@")
        .replace("\"…\"", "\"hunter2\"")
        .replace("$argon2id$…", "$argon2id$hunter2");
    let config = parse(&toml).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    assert_eq!(config.database.url.to_string(), "postgres://db.example:5432/purser");
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqps://127.0.0.1:5672/%2f");
    assert_eq!(acme(&config).codegames.as_ref().unwrap().keys_secret.expose(), "hunter2");
}

#[test]
fn variables_lie_over_the_file_and_are_coerced() {
    let variables = [
        ("PURSER__AMQP__PREFETCH", "100"),
        ("PURSER__AMQP__URL", ""),
        ("PURSER__HTTP__LISTEN", "[::1]:8080"),
        ("PURSER__LEDGER__ORDERING_GRACE", "500ms"),
        ("PURSER__CURRENCIES__GPT__EXPONENT", "3"),
        ("PURSER__PARTIES__ACME__LIMITS__CHF__MAX_BET", "5"),
        ("PURSER__PARTIES__ACME__BALANCE_SERVICE__GBP_RATES__USD", "0.5"),
        ("PURSER__PARTIES__ACME__BALANCE_SERVICE__CURRENCY_IDS__4", "CHF"),
        ("PURSER__PARTIES__ACME__GAMES", "[\"roulettefx\"]"),
        ("PURSER_UNRELATED", "x"),
    ];
    let config = parse_with(SAMPLE, &variables).unwrap();
    assert_eq!((config.amqp.prefetch, config.amqp.urls.is_empty()), (100, true));
    assert_eq!(config.http.listen.unwrap().to_string(), "[::1]:8080");
    assert_eq!(config.ledger.ordering_grace, Duration::from_millis(500));
    assert_eq!(config.exponent(currency("GPT")), 3);
    let acme = acme(&config);
    let limits = StakeLimits { max_bet: Some(5), max_stake_per_day: Some(1_000_000) };
    assert_eq!((acme.limits[&currency("CHF")], acme.games.len()), (limits, 1));
    let balance_service = acme.balance_service.as_ref().unwrap();
    assert_eq!(balance_service.gbp_rates[&currency("USD")].to_string(), "0.5");
    assert_eq!(balance_service.currency_ids.len(), 4);
}

#[test]
fn variables_alone_define_a_whole_party() {
    let variables = [
        ("PURSER__PARTIES__ACME__CURRENCIES", "[\"CHF\"]"),
        ("PURSER__PARTIES__ACME__GAMES", "[\"roulettefx\"]"),
        ("PURSER__PARTIES__ACME__JWT__HMAC_SECRET", "{not TOML, thirty-two bytes long}"),
        ("PURSER__PARTIES__ACME__GOPLAY__PATH", ""),
        ("PURSER__PARTIES__ACME__GOPLAY__CURRENCY", "CHF"),
        ("PURSER__PARTIES__ACME__GOPLAY__VIP", "{gold = \"1.50\"}"),
        (
            "PURSER__PARTIES__ACME__GOPLAY__CLIENTS",
            "[{id = \"shop\", secret = \"s\", redirect_uris = [\"http://127.0.0.1/\"]}]",
        ),
    ];
    let config = parse_with("", &variables).unwrap();
    assert!(!config.is_demo);
    let acme = acme(&config);
    let JwtKey::HmacSecret(secret) = &acme.jwt.as_ref().unwrap().key else { panic!("{acme:?}") };
    assert_eq!(secret.expose(), "{not TOML, thirty-two bytes long}");
    assert_eq!(acme.goplay.as_ref().unwrap().clients[0].id, "shop");
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let cases: [(&[(&str, &str)], &str); 7] = [
        (
            &[("PURSER__AMQP__PREFETCH", "many")],
            "amqp.prefetch (set in environment variable PURSER__AMQP__PREFETCH) must be a whole",
        ),
        (
            &[("PURSER__AMQP__PREFECTH", "5")],
            "amqp.prefecth (set in environment variable PURSER__AMQP__PREFECTH) is not a setting",
        ),
        (
            &[("PURSER__AMPQ__PREFETCH", "5")],
            "ampq (set in environment variable PURSER__AMPQ__PREFETCH) is not a setting",
        ),
        (&[("PURSER__AMQP", "5")], "environment variable PURSER__AMQP must be PURSER__SECTION__KEY"),
        (&[("PURSER__AMQP____URL", "5")], "must be PURSER__SECTION__KEY"),
        (&[("PURSER__AMQP__URL", "x"), ("PURSER__amqp__url", "y")], "sets what another variable sets too"),
        (&[("PURSER__PARTIES__ACME__CURRENCIES", "[CHF]")], "must be a list such as"),
    ];
    for (variables, expected) in cases {
        let error = parse_with("", variables).expect_err(expected).to_string();
        assert!(error.contains(expected), "says: {error}\n ought: {expected}");
    }
}

#[test]
fn a_secret_may_be_in_a_file_whose_last_newline_is_no_part_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let url = write("url", "amqps://user:hunter2@mq.example/%2f\r\n");
    let toml = format!("[amqp]\nurl_file = '{url}'\n[http]\nadmin_token_file = '{}'", write("token", "secret \n"));
    let config = parse(&toml).unwrap();
    assert_eq!(config.amqp.address_in(None).unwrap(), "amqps://mq.example/%2f");
    assert_eq!(config.http.admin_token.unwrap().expose(), "secret ");
    let error = parse(&format!("[http]\nadmin_token_file = '{}'", write("empty", "\n"))).unwrap_err().to_string();
    assert!(error.contains("which is empty"), "{error}");
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

/// No secret that anybody warns of.
const LONG: &str = "a secret of well over thirty-two bytes, shared with nobody";

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let config = parse("[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]").unwrap();
    let networks = ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::parse(text).unwrap());
    assert_eq!(config.http.trusted_proxies, networks);
    let error = parse("[http]\ntrusted_proxies = [\"proxy.example\"]").unwrap_err().to_string();
    assert!(error.contains("http.trusted_proxies[0]") && error.contains("a network such as"), "{error}");
}

#[test]
fn the_public_address_may_have_a_prefix_and_nothing_behind_it() {
    let public_url =
        |text: &str| parse(&format!("[http]\npublic_url = \"{text}\"")).map(|config| config.http.public_url);
    assert_eq!(public_url("").unwrap(), None);
    assert_eq!(public_url("https://ops.example/purser").unwrap().unwrap().path(), "/purser");
    for text in ["ops.example", "ftp://ops.example", "https://ops.example/?a=b", "https://a:b@ops.example", "/purser"] {
        let error = public_url(text).unwrap_err().to_string();
        assert!(error.contains("http.public_url") && error.contains("must be an address such as"), "{error}");
    }
}

#[test]
fn what_is_unwise_is_a_warning() {
    let short = format!("{TRUSTED}jwt = {{ hmac_secret = \"short\" }}");
    let endless = format!("{TRUSTED}jwt = {{ hmac_secret = \"{LONG}\", require_exp = false }}");
    let of = |party: &str, issuer: &str| {
        format!(
            "[parties.{party}]\ncurrencies = [\"CHF\"]\njwt = {{ hmac_secret = \"{LONG}\", issuer = \"{issuer}\" }}\n"
        )
    };
    let shared = of("acme", "us") + &of("emca", "us");
    let told_apart = parse(&(of("acme", "us") + &of("emca", "them"))).unwrap().warnings;
    assert!(!told_apart.iter().any(|warning| warning.contains("one issuer")), "{told_apart:?}");
    let plain = format!("{TRUSTED}jwt = {{ jwks_url = \"http://id.example/keys\" }}");
    let sealed = format!("{TRUSTED}codegames = {{ path = \"/a\", currency = \"CHF\", keys_secret = \"short\" }}");
    let unrated = format!("{TRUSTED}balance_service = {{ path = \"/a\", currency_ids = {{ 2 = \"EUR\" }} }}");
    let cases = [
        ("[amqp]\nprefetch = 100", "amqp.prefetch is below ledger.max_batch"),
        (&short, "parties.acme.jwt.hmac_secret (set in test.toml) has 5 bytes"),
        (&short, "parties.acme.rest.api_keys is empty"),
        (&plain, "plain http"),
        (&sealed, "parties.acme.codegames.keys_secret has 5 bytes"),
        (&endless, ".require_exp is false"),
        (&shared, "parties.acme.jwt and parties.emca.jwt have one key and one issuer"),
        (&unrated, "parties.acme.balance_service has no gbp_rates for EUR"),
        (&unrated, "parties.acme.balance_service.api_keys is empty"),
        ("[amqp]\nurl = \"amqp://broker/p\"", "amqp.url goes to another machine without TLS"),
        ("[database]\nurl = \"postgres://u@db/p?sslmode=prefer\"", "database.url goes to another machine without TLS"),
        ("[database]\nurl = \"postgres://u@127.0.0.1:1,two:2/p\"", "database.url goes to another machine without TLS"),
    ];
    for (toml, expected) in cases {
        let warnings = parse(toml).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{expected}: {warnings:?}");
    }
}

#[test]
fn what_is_encrypted_or_stays_on_this_machine_is_no_reason_to_warn() {
    let urls = [
        ("amqp", "amqps://broker/p"),
        ("amqp", "amqp://localhost/p"),
        ("amqp", "amqp://[::1]/p"),
        ("amqp", "amqp://127.0.0.2:5672/p"),
        ("database", "postgres://u@db/p?connect_timeout=3&sslmode=verify-full"),
        ("database", "postgres://u@localhost/p"),
        ("database", "postgres://u:p@127.0.0.1:1,[::1]:2,localhost:3/p?target_session_attrs=read-write"),
        ("database", "postgres://u@%2Frun%2Fpostgresql/p"),
    ];
    for (section, url) in urls {
        let warnings = parse(&format!("[{section}]\nurl = \"{url}\"")).unwrap().warnings;
        assert_eq!(warnings, Vec::<String>::new(), "{url}");
    }
}

/// Stands in every secret of the sample; no error may contain it.
const HIDDEN: &str = "H1DD3N";

/// Text that is nearly a configuration: the sample with some of it replaced.
fn nearly() -> impl Strategy<Value = String> {
    let signs = ["\"", "'", "=", "[", "]]", "{", "}", "\n", "#", "\\u0000", "nan", "1e400", ".", "_file"];
    let piece = prop_oneof!["\\PC{0,6}", prop::sample::select(signs.to_vec()).prop_map(str::to_owned)];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, piece), 1..5);
    edits.prop_map(|edits| {
        let mut text: Vec<char> = SAMPLE.replace('…', HIDDEN).chars().collect();
        for (at, length, piece) in edits {
            let from = at.index(text.len() + 1);
            let to = text.len().min(from + length);
            text.splice(from..to, piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_repeat_a_secret(toml in prop_oneof![nearly(), "\\PC{0,200}"], games in "\\PC{0,60}") {
        for variables in [vec![], vec![("PURSER__PARTIES__ACME__GAMES", games.as_str())]] {
            let said = parse_with(&toml, &variables).err().map(|error| error.to_string()).unwrap_or_default();
            // Names of settings and of files are repeated, also such as an edit has made of a secret.
            let is_name = said.contains("is not a setting") || said.contains("_file (set in");
            prop_assert!(!said.contains(HIDDEN) || is_name, "{said}");
        }
    }
}

#[test]
fn a_file_that_is_named_must_be_there_and_the_option_beats_the_variable() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().join("here.toml");
    std::fs::write(&here, "[amqp]\nprefetch = 7").unwrap();
    let gone = directory.path().join("gone.toml");
    let environment = |path: &Path| Environment::from([("PURSER_CONFIG".to_owned(), path.display().to_string())]);

    let by_option = Config::load_from(Some(&gone), &Environment::new()).unwrap_err().to_string();
    assert!(by_option.contains("gone.toml named by --config does not exist"), "{by_option}");
    let by_variable = Config::load_from(None, &environment(&gone)).unwrap_err().to_string();
    assert!(by_variable.contains("gone.toml named by PURSER_CONFIG does not exist"), "{by_variable}");
    assert_eq!(Config::load_from(None, &environment(&here)).unwrap().amqp.prefetch, 7);
    assert_eq!(Config::load_from(Some(&here), &environment(&gone)).unwrap().amqp.prefetch, 7);
}

#[test]
fn an_absolute_database_path_keeps_its_slash() {
    let config = parse("database.url = \"sqlite:///var/lib/purser/p.db\"").unwrap();
    assert_eq!(config.database.url, DatabaseUrl::Sqlite(PathBuf::from("/var/lib/purser/p.db")));
}

#[test]
fn files_that_hold_secrets_are_known_by_the_settings_that_name_them() {
    let file = Path::new("test.toml");
    let found = |toml: &str| {
        let merged = layers::merge(Some((file, toml)), &Environment::new()).unwrap();
        let found = files::secret_files(&merged, Some(file));
        found
            .into_iter()
            .map(|found| format!("{}: {}", found.what, found.path.display()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let own = "the configuration file: test.toml";
    for (toml, expected) in [
        ("", ""),
        ("[http]\nadmin_token = \"\"", ""),
        ("[http]\nadmin_token = \"x\"", own),
        ("[amqp]\nurl = \"amqp://guest:guest@127.0.0.1\"", own),
        ("[amqp]\nurl = \"amqps://broker/?auth_mechanism=external\"", ""),
        ("[database]\nurl = \"postgres://u:p@a,b/db\"", own),
        ("[[parties.acme.goplay.clients]]\nsecret = \"x\"", own),
        ("[parties.acme.rest]\napi_keys = [\"x\"]", own),
        ("[parties.acme.rest]\napi_keys = []", ""),
        ("[[parties.acme.codegames.users]]\npassword_hash = \"x\"", own),
        ("[http]\nadmin_token_file = \"token\"", "http.admin_token_file: token"),
        (
            "[amqp]\nca_file = \"ca\"\nclient_cert_file = \"cert\"\nclient_key_file = \"key\"",
            "amqp.client_key_file: key",
        ),
        (
            "[parties.acme.jwt]\npublic_key_file = \"public\"\njwks_file = \"set\"\nprivate_key_file = \"private\"",
            "parties.acme.jwt.private_key_file: private",
        ),
        (
            "[[parties.acme.goplay.clients]]\n[[parties.acme.goplay.clients]]\nsecret_file = \"x\"",
            "parties.acme.goplay.clients[1].secret_file: x",
        ),
    ] {
        assert_eq!(found(toml), expected, "{toml}");
    }
    assert_eq!(found(SAMPLE), own);
}

/// So that `config show` tells every setting: what a section asks for stands in its defaults, or is the file of a secret.
#[test]
fn every_setting_of_the_program_has_its_default_written_down() {
    let defaults: toml::Table = toml::from_str(include_str!("defaults.toml")).unwrap();
    for (section, settings) in &defaults {
        let error = parse(&format!("[{section}]\nno_setting = 1")).unwrap_err().to_string();
        let known = error.split_once("known here: ").unwrap_or_else(|| panic!("{error}")).1.split(", ");
        let settings = settings.as_table().unwrap();
        let is_told = |key: &&str| {
            settings.contains_key(*key) || key.strip_suffix("_file").is_some_and(|secret| settings.contains_key(secret))
        };
        assert_eq!(known.filter(|key| !is_told(key)).collect::<Vec<_>>(), Vec::<&str>::new(), "{section}");
    }
}
