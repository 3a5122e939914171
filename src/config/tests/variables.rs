//! Variables over the file, and files beside it.

use super::*;

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
