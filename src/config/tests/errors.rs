//! What is wrong with a configuration, and that no error shows a value.

use proptest::prelude::*;

use super::*;

/// What is wrong, and what the message must say. `@` stands for a party that is otherwise in order.
const ERRORS: [(&str, &str); 84] = [
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
    ("[amqp]\nconsumer_disconnected_timeout = \"5\"", "must be a duration such as \"15s\", from 1s to 24h"),
    ("[amqp]\nurl = \"amqp://h\"\nca_file = \"a.pem\"", "amqp.url (set in test.toml) begins with amqp://, so that"),
    (
        "[amqp]\nurl = \"amqp://h?frame_max=8192\"",
        "amqp.url (set in test.toml) has a frame_max that is not a number of at least 16384",
    ),
    ("[amqp]\nurl = \"amqp://h?frame_max=no\"", "amqp.url (set in test.toml) has a frame_max that is not a number"),
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
fn what_is_wrong_is_named_with_what_would_be_right() {
    check(&ERRORS);
}

/// That each of these is wrong, and that the message says what it must.
pub(super) fn check(errors: &[(&str, &str)]) {
    for (toml, expected) in errors {
        let toml = toml.strip_prefix('@').map_or((*toml).to_owned(), |rest| format!("{TRUSTED}{rest}"));
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
