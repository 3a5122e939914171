//! Player tokens over AMQP: a party that signs with a shared secret, and one that signs with RSA.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lapin::types::{AMQPValue, FieldTable};
use purser::dialects::egpp::Operation;
use serde_json::{Value, json};

use super::services::Addresses;
use super::stage::{Base, Stage, on_both};
use super::wire::{Message, Wire};

const SECRET: &str = "a secret of well over thirty-two bytes, shared with nobody";
const OTHER_SECRET: &str = "another secret of well over thirty-two bytes, as it happens";

const HOUR: i64 = 3600;

const PARTIES: &str = r#"
[ledger]
ordering_grace = "100ms"
[parties.hmac]
currencies = ["CHF"]
games = ["wallstroulette"]
[parties.hmac.jwt]
hmac_secret = "a secret of well over thirty-two bytes, shared with nobody"
[parties.rsa]
currencies = ["CHF"]
games = ["wallstroulette"]
[parties.rsa.jwt]
public_key_file = "rsa.pub.pem"
private_key_file = "rsa.pem"
"#;

/// A party and the keys of its identity provider.
struct Issuer {
    party: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    /// A key of the same kind that is not the party's.
    other_key: EncodingKey,
    now: i64,
}

impl Issuer {
    fn sign(&self, claims: Value) -> String {
        self.sign_with(self.algorithm, &self.key, claims)
    }

    fn sign_with(&self, algorithm: Algorithm, key: &EncodingKey, claims: Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("a token")
    }

    /// A good token.
    fn token(&self, player: &str) -> String {
        self.sign(json!({ "sub": player, "exp": self.now + HOUR }))
    }

    /// A token that expired an hour ago.
    fn expired(&self, player: &str) -> String {
        self.sign(json!({ "sub": player, "exp": self.now - HOUR }))
    }

    fn forged(&self, player: &str) -> String {
        self.sign_with(self.algorithm, &self.other_key, json!({ "sub": player, "exp": self.now + HOUR }))
    }
}

/// Where a message carries its tokens, and when it says that it was sent.
#[derive(Default)]
struct Carried {
    /// The whole value of the header.
    authorization: Option<String>,
    player_id: String,
    timestamp: Option<i64>,
}

fn in_header(token: &str) -> Carried {
    Carried { authorization: Some(format!("Bearer {token}")), player_id: "alice".to_owned(), timestamp: None }
}

fn in_body(token: &str) -> Carried {
    Carried { player_id: token.to_owned(), ..Carried::default() }
}

fn at(timestamp: i64, carried: Carried) -> Carried {
    Carried { timestamp: Some(timestamp), ..carried }
}

/// A provider of one party's.
struct Play {
    wire: Wire,
    party: &'static str,
    asked: u32,
}

impl Play {
    /// Asks, and expects this code, error included.
    async fn check(&mut self, what: &str, operation: Operation, order: &str, carried: Carried, expected: &str) {
        let mut body = json!({ "game": "wallstroulette", "externalId": order, "playerId": carried.player_id });
        match operation {
            Operation::OrderBet => merge(&mut body, json!({ "amount": 10, "currency": "CHF", "round": 1 })),
            Operation::OrderBetResult => {
                merge(&mut body, json!({ "result": "win", "amount": 10, "currency": "CHF", "round": 1 }));
            }
            Operation::OrderBetCancel => {}
            Operation::BalanceGet => body = json!({ "currency": "CHF", "playerId": carried.player_id }),
        }
        let told = self.ask(operation, &body, carried).await;
        assert_eq!(told, expected, "{what} (party {})", self.party);
    }

    async fn ask(&mut self, operation: Operation, body: &Value, carried: Carried) -> String {
        self.asked += 1;
        let mut message = Message { party: self.party, ..Message::new(operation, &self.asked.to_string(), body) };
        if let Some(authorization) = carried.authorization {
            let mut headers = FieldTable::default();
            headers.insert("authorization".into(), AMQPValue::LongString(authorization.into()));
            message.properties = message.properties.with_headers(headers);
        }
        if let Some(timestamp) = carried.timestamp {
            message.properties = message.properties.with_timestamp(timestamp.cast_unsigned());
        }
        let reply: Value = serde_json::from_slice(&self.wire.ask(message).await.data).expect("JSON");
        let word = |name: &str| reply[name].as_str().unwrap_or_default();
        if reply["balance"].is_i64() { "200".to_owned() } else { format!("{} {}", word("code"), word("error")) }
            .trim_end()
            .to_owned()
    }

    /// A bet of its own.
    async fn bet(&mut self, what: &str, carried: Carried, expected: &str) {
        let order = format!("bet-{}", self.asked);
        self.check(what, Operation::OrderBet, &order, carried, expected).await;
    }
}

fn merge(body: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("an object") };
    body.as_object_mut().expect("an object").extend(more);
}

const MISSING: &str = "401 UNAUTHORIZED: a player token is required";
const EXPIRED: &str = "401 UNAUTHORIZED: the player token has expired or is not valid yet";
const FORGED: &str = "401 UNAUTHORIZED: the player token's signature is not valid";
const CONFUSED: &str = "401 UNAUTHORIZED: the player token is signed with another algorithm than the party's";
const NO_JWT: &str = "401 UNAUTHORIZED: the player token is not a valid JWT";
const NO_BEARER: &str = "401 UNAUTHORIZED: the authorization header must read 'Bearer <token>'";
const ENDLESS: &str = "401 UNAUTHORIZED: the player token must say when it expires (exp)";
const NO_SUBJECT: &str = "401 UNAUTHORIZED: the player token's subject is not a player id";
const ANOTHERS: &str = "403 FORBIDDEN";

/// Opens a stage with both parties, each with a player Alice who has 10.00 CHF, and each party's keys.
async fn open(base: Base) -> (Stage, [Issuer; 2]) {
    let mut stage = Stage::prepare(base, PARTIES, &Addresses::shared()).await;
    for key in ["rsa", "other"] {
        make_rsa_key(&stage.file(key));
    }
    stage.serve();
    stage.until_ready().await;
    for party in ["hmac", "rsa"] {
        stage.add_player(party, "alice").await;
        stage.deposit(party, "alice", "10.00", "CHF").await;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().cast_signed();
    let rsa = |name: &str| {
        let pem = std::fs::read(stage.file(name).with_extension("pem")).expect("a key");
        EncodingKey::from_rsa_pem(&pem).expect("an RSA key")
    };
    let hmac = |secret: &str| EncodingKey::from_secret(secret.as_bytes());
    let issuers = [
        Issuer { party: "hmac", algorithm: Algorithm::HS256, key: hmac(SECRET), other_key: hmac(OTHER_SECRET), now },
        Issuer { party: "rsa", algorithm: Algorithm::RS256, key: rsa("rsa"), other_key: rsa("other"), now },
    ];
    (stage, issuers)
}

/// `path`.pem and `path`.pub.pem.
fn make_rsa_key(path: &Path) {
    let (private, public) = (path.with_extension("pem"), path.with_extension("pub.pem"));
    let openssl = |arguments: &[&str], last: [&Path; 2]| {
        let made = Command::new("openssl").args(arguments).arg(last[0]).arg("-out").arg(last[1]).output();
        assert!(made.expect("openssl runs").status.success(), "openssl {arguments:?}");
    };
    openssl(&["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt"], [Path::new("rsa_keygen_bits:2048"), &private]);
    openssl(&["pkey", "-pubout", "-in"], [&private, &public]);
}

/// Runs `scene` for each party on each database, and makes sure that no refusal became a dead letter.
async fn for_each_party(scene: impl AsyncFn(&Stage, &Issuer, &mut Play)) {
    on_both(async |base| {
        let (stage, issuers) = open(base).await;
        for issuer in &issuers {
            let mut play = Play { wire: Wire::connect(&stage).await, party: issuer.party, asked: 0 };
            scene(&stage, issuer, &mut play).await;
            let dead = format!("v1.0.{}.dead", issuer.party);
            assert_eq!(play.wire.ready(&dead).await, 0, "a refusal is an answer, not a dead letter");
        }
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_in_the_header_or_as_the_player_id_and_all_must_agree() {
    for_each_party(async |stage, issuer, play| {
        let (alice, bob) = (issuer.token("alice"), issuer.token("bob"));
        play.bet("header", in_header(&alice), "201").await;
        play.bet("body", in_body(&alice), "201").await;
        play.bet("both", Carried { player_id: alice.clone(), ..in_header(&alice) }, "201").await;
        play.bet("neither", in_body("alice"), MISSING).await;
        play.bet("another's in the header", in_header(&bob), ANOTHERS).await;
        play.bet("two players", Carried { player_id: alice.clone(), ..in_header(&bob) }, ANOTHERS).await;
        play.bet("one good, one forged", Carried { player_id: issuer.forged("alice"), ..in_header(&alice) }, FORGED)
            .await;
        play.bet(
            "one forged, one good",
            Carried { player_id: alice.clone(), ..in_header(&issuer.forged("alice")) },
            FORGED,
        )
        .await;
        let printed = stage.done(&["token", "--party", issuer.party, "--player", "alice"]).await;
        play.bet("as printed by the program", in_header(printed.trim()), "201").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_the_partys_own_is_no_token() {
    for_each_party(async |stage, issuer, play| {
        let claims = || json!({ "sub": "alice", "exp": issuer.now + HOUR });
        for (what, operation) in [
            ("forged balance", Operation::BalanceGet),
            ("forged bet", Operation::OrderBet),
            ("forged result", Operation::OrderBetResult),
            ("forged cancel", Operation::OrderBetCancel),
        ] {
            play.check(what, operation, "any", in_header(&issuer.forged("alice")), FORGED).await;
            play.check(what, operation, "any", in_body(&issuer.forged("alice")), FORGED).await;
        }
        let good = issuer.token("alice");
        let raw = |value: &str| Carried { authorization: Some(value.to_owned()), ..in_body("alice") };
        play.bet("no scheme", raw(&good), NO_BEARER).await;
        play.bet("other scheme", raw(&format!("Basic {good}")), NO_BEARER).await;
        play.bet("empty header", raw(""), NO_BEARER).await;
        play.bet("lower case", raw(&format!("bearer {good}")), "201").await;
        play.bet("gibberish", in_header("not.a.token"), NO_JWT).await;
        let (bob, parts) = (issuer.token("bob"), good.split('.').collect::<Vec<_>>());
        let transplanted = format!("{}.{}.{}", parts[0], parts[1], bob.split('.').nth(2).expect("a signature"));
        play.bet("another token's signature", in_header(&transplanted), FORGED).await;
        play.bet("no subject", in_header(&issuer.sign(json!({ "exp": issuer.now + HOUR }))), NO_SUBJECT).await;
        play.bet(
            "number as subject",
            in_header(&issuer.sign(json!({ "sub": 7, "exp": issuer.now + HOUR }))),
            NO_SUBJECT,
        )
        .await;
        play.bet("no end", in_header(&issuer.sign(json!({ "sub": "alice" }))), ENDLESS).await;

        // Confused about the algorithm: unsigned, or signed with what both sides may know.
        for none in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIn0"] {
            play.bet("unsigned", in_header(&format!("{none}.{}.", parts[1])), NO_JWT).await;
            play.bet("unsigned, with a signature", in_header(&format!("{none}.{}.{}", parts[1], parts[2])), NO_JWT)
                .await;
        }
        let public = std::fs::read(stage.file("rsa.pub.pem")).expect("a key");
        let confused = match issuer.party {
            "rsa" => vec![
                issuer.sign_with(Algorithm::HS256, &EncodingKey::from_secret(&public), claims()),
                issuer.sign_with(Algorithm::RS512, &issuer.key, claims()),
            ],
            _ => vec![issuer.sign_with(Algorithm::HS512, &issuer.key, claims())],
        };
        for token in confused {
            play.bet("another algorithm", in_header(&token), CONFUSED).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_is_judged_when_the_message_was_sent_where_that_can_be_believed() {
    for_each_party(async |_, issuer, play| {
        let expired = issuer.expired("alice");
        let early = issuer.sign(json!({ "sub": "alice", "nbf": issuer.now + HOUR, "exp": issuer.now + 4 * HOUR }));
        let (sent_while_good, sent_after) = (issuer.now - 2 * HOUR, issuer.now - HOUR / 2);
        play.bet("expired", in_header(&expired), EXPIRED).await;
        play.bet("expired, in the body", in_body(&expired), EXPIRED).await;
        play.bet("sent while it was good", at(sent_while_good, in_header(&expired)), "201").await;
        play.bet("sent while it was good, in the body", at(sent_while_good, in_body(&expired)), "201").await;
        play.bet("sent after it expired", at(sent_after, in_header(&expired)), EXPIRED).await;
        play.bet("not valid yet", in_header(&early), EXPIRED).await;
        play.bet("sent in the future", at(issuer.now + 2 * HOUR, in_header(&early)), EXPIRED).await;
        let long_expired = issuer.sign(json!({ "sub": "alice", "exp": issuer.now - 25 * HOUR }));
        play.bet("sent too long ago", at(issuer.now - 26 * HOUR, in_header(&long_expired)), EXPIRED).await;
        play.check("balance", Operation::BalanceGet, "", in_header(&expired), EXPIRED).await;
        let carried = at(sent_while_good, in_header(&expired));
        play.check("balance sent while it was good", Operation::BalanceGet, "", carried, "200").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_stops_neither_a_result_nor_a_cancel() {
    for_each_party(async |_, issuer, play| {
        let (good, expired) = (issuer.token("alice"), issuer.expired("alice"));
        for (order, operation) in [("settled", Operation::OrderBetResult), ("void", Operation::OrderBetCancel)] {
            play.check("bet", Operation::OrderBet, order, in_header(&good), "201").await;
            play.check("without a token", operation, order, in_body("alice"), MISSING).await;
            play.check("another's", operation, order, in_header(&issuer.expired("bob")), ANOTHERS).await;
            play.check("expired", operation, order, in_header(&expired), "200").await;
            play.check("expired, in the body", operation, order, in_body(&expired), "200").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_or_403_is_not_kept_and_comes_after_the_shape_and_before_the_rest() {
    for_each_party(async |_, issuer, play| {
        let good = issuer.token("alice");
        play.check("no token", Operation::OrderBet, "one", in_body("alice"), MISSING).await;
        play.check("another's", Operation::OrderBet, "one", in_header(&issuer.token("bob")), ANOTHERS).await;
        play.check("asked rightly", Operation::OrderBet, "one", in_header(&good), "201").await;
        play.check("a stored answer needs a token too", Operation::OrderBet, "one", in_body("alice"), MISSING).await;
        let body = |amount: i64| {
            json!({ "game": "unknowngame", "externalId": "two", "playerId": "alice", "amount": amount,
                    "currency": "CHF", "round": 1 })
        };
        let malformed = "400 REQUEST_DATA_FORMAT: amount must be an integer of at least 1";
        assert_eq!(play.ask(Operation::OrderBet, &body(0), in_body("alice")).await, malformed);
        play.wire.take(&format!("v1.0.{}.dead", issuer.party)).await;
        assert_eq!(play.ask(Operation::OrderBet, &body(1), in_body("alice")).await, MISSING);
        assert_eq!(play.ask(Operation::OrderBet, &body(1), in_header(&good)).await, "496 GAME_NOT_FOUND");
    })
    .await;
}
