//! Variables over the file, and files beside it.

use super::*;

/// A list, in a variable of its own: the hashes are those of two texts.
const OPERATORS: &str = "[{name = \"carol\", role = \"viewer\", token_hash = \"sha256:\
    2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90\"}, {name = \"dave\", role = \"admin\", \
    token_hash = \"sha256:81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9\"}]";

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
        ("PURSER__APPROVALS__THRESHOLD__CHF", "100000"),
        ("PURSER__OPERATORS", OPERATORS),
        ("PURSER_UNRELATED", "x"),
    ];
    let config = parse_with(SAMPLE, &variables).unwrap();
    assert_eq!(config.approvals.threshold, [(currency("CHF"), 100_000)].into());
    let operators: Vec<_> = config.operators.iter().map(|operator| (operator.name.as_str(), operator.role)).collect();
    assert_eq!(operators, [("carol", Role::Viewer), ("dave", Role::Admin)]);
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
    let cases: [(&[(&str, &str)], &str); 9] = [
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
        (&[("PURSER__AMQP", "5")], "environment variable PURSER__AMQP must be a list or a table in TOML, or be called"),
        (&[("PURSER__OPERATORS", "carol")], "environment variable PURSER__OPERATORS must be a list or a table in TOML"),
        (
            &[("PURSER__OPERATORS", "[{name = \"carol\", role = \"boss\"}]")],
            "operators[0].role (set in environment variable PURSER__OPERATORS)",
        ),
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

/// Where each secret is a setting; `@` stands for it.
const HELD: [(&str, &str); 8] = [
    ("admin_token", "[http]\n@"),
    ("hmac_secret", "[parties.acme.jwt]\n@"),
    (
        "secret",
        "[parties.acme.goplay]\npath = \"\"\ncurrency = \"CHF\"\n[[parties.acme.goplay.clients]]\nid = \"c\"\n@\n\
         redirect_uris = [\"http://c.example/\"]",
    ),
    ("keys_secret", "[parties.acme.codegames]\npath = \"\"\ncurrency = \"CHF\"\n@"),
    ("api_keys", "[parties.acme.rest]\n@"),
    ("api_keys", "[parties.acme.balance_service]\npath = \"\"\n@"),
    (
        "password_hash",
        "[parties.acme.codegames]\npath = \"\"\ncurrency = \"CHF\"\nkeys_secret = \"k\"\n\
         [[parties.acme.codegames.users]]\nlogin = \"l\"\nplayer = \"l\"\n@",
    ),
    ("token_hash", "[[operators]]\nname = \"carol\"\nrole = \"viewer\"\n@"),
];

#[test]
fn every_secret_may_be_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    for secret in files::SECRETS {
        assert!(HELD.iter().any(|(name, _)| *name == secret), "{secret}");
    }
    for (name, toml) in HELD {
        let written = match name {
            "password_hash" => "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA\n".to_owned(),
            "token_hash" => OperatorTokenHash::of("x").text(),
            "api_keys" => {
                "one key, thirty-two bytes long, it is\n\n another key, as long as the other one is\n".to_owned()
            }
            _ => "a secret that has thirty-two bytes\n".to_owned(),
        };
        std::fs::write(&path, written).unwrap();
        let jwt = if name == "hmac_secret" { "" } else { "player_tokens = \"trusted\"\n" };
        let file = format!("{name}_file = '{}'", path.display());
        let parsed =
            |set: &str| parse(&format!("[parties.acme]\ncurrencies = [\"CHF\"]\n{jwt}{}", toml.replace('@', set)));
        let config = parsed(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == "api_keys" {
            let acme = acme(&config);
            let keys = acme.rest.as_ref().map(|rest| &rest.api_keys).filter(|keys| !keys.is_empty());
            let keys = keys.or(acme.balance_service.as_ref().map(|service| &service.api_keys)).unwrap();
            let keys: Vec<_> = keys.iter().map(Secret::expose).collect();
            assert_eq!(keys, ["one key, thirty-two bytes long, it is", "another key, as long as the other one is"]);
            let both = parsed(&format!("api_keys = [\"k\"]\n{file}")).unwrap_err().to_string();
            assert!(both.contains("must not both be given"), "{both}");
        }
        std::fs::write(&path, if name == "api_keys" { " \n\n" } else { "\n" }).unwrap();
        assert!(parsed(&file).is_err(), "{name}: an empty file");
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
