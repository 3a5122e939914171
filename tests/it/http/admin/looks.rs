use purser::config::Role;
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::short;
use serde_json::{Value, json};

use super::{get, open, post, problem, shown};
use crate::e2e::stage::{Stage, on_both};
use crate::e2e::wire::{Message, Wire, bet, code};
use crate::http::client::Call;

/// What a person might type, and what must stay what it is.
pub const MARKUP: &str = "<b>=1+1</b>\"'&";

fn result(order: &str, player: &str) -> Message {
    let body = json!({ "result": "win", "amount": 250, "currency": "CHF", "game": "wallstroulette", "round": 1, "externalId": order,
                       "playerId": player });
    Message::new(Operation::OrderBetResult, &format!("result of {order}"), &body)
}

fn in_list(list: &Value, mut is_it: impl FnMut(&Value) -> bool) -> Option<&Value> {
    list.as_array().expect("a list").iter().find(|item| is_it(item))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_shown_with_what_came_what_moved_and_what_a_repeat_is_answered() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        let first = [wire.ask(bet("one")).await, wire.ask(result("one", "alice")).await];
        assert_eq!(first.each_ref().map(code), ["201", "200"]);
        let mut poor = bet("two");
        poor.body = String::from_utf8(poor.body).expect("text").replace(":100", ":9900000").into_bytes();
        wire.ask(poor.clone()).await;
        let again = [wire.ask(bet("one")).await, wire.ask(result("one", "alice")).await, wire.ask(poor).await];

        let found = shown(&stage, Role::Viewer, "/search?q=one").await;
        let hit = in_list(&found["found"], |hit| hit["is"] == "external_id").expect("the order");
        assert!(found["note"].as_str().is_some_and(|note| note.contains("a bet that was refused")), "{found}");
        assert_eq!(hit["party"], "acme");
        let path = hit["path"].as_str().and_then(|path| path.strip_prefix("/admin/v1")).expect("a page");
        let order = shown(&stage, Role::Viewer, path).await;
        let told = (&order["state"], &order["stake"]["amount"], &order["paid"], &order["paid_minor"], &order["player"]);
        assert_eq!(told, (&json!("won"), &json!("1.00"), &json!("2.50"), &json!(250), &json!("alice")));
        let rows = order["journal"].as_array().expect("rows");
        assert_eq!(rows.len(), 2);
        for (row, again) in rows.iter().zip(&again) {
            let by_amqp = in_list(&row["replies"], |reply| reply["by"] == "amqp").expect("a reply");
            assert_eq!(by_amqp["body"].as_str().map(str::as_bytes), Some(&*again.data), "{base:?}: {by_amqp}");
            let kind = again.properties.kind().as_ref().map(|kind| kind.as_str().to_owned());
            assert_eq!(by_amqp["code"].as_str().map(str::to_owned), kind);
            assert_eq!((&row["chain"]["holds"], &row["chain"]["kind"]), (&json!(true), &json!("chained")), "{row}");
            assert_eq!(row["sums"], json!([{ "currency": "CHF", "sum": "0.00", "sum_minor": "0" }]));
        }
        let by_rest = in_list(&rows[0]["replies"], |reply| reply["by"] == "rest").expect("a reply");
        let id = order["order"].as_str().expect("an id");
        let location = format!("/v1/order/{id}");
        assert_eq!(
            (&by_rest["code"], &by_rest["location"], &by_rest["body"]),
            (&json!("201"), &json!(location), &json!(""))
        );
        let transfer = &rows[0]["transfers"][0];
        assert_eq!(
            (&transfer["amount"], &transfer["debit"]["player"], &transfer["credit"]["side"]),
            (&json!("1.00"), &json!("alice"), &json!("house"))
        );
        // A row leads to its neighbours, and they say so, too.
        let next = rows[0]["chain"]["next"]["number"].as_i64().expect("a neighbour");
        let next = shown(&stage, Role::Viewer, &format!("/journal/{next}")).await;
        assert_eq!(next["chain"]["previous"]["hash"], rows[0]["chain"]["hash"]);

        // A refused bet is its player's own: the page of the row has what a repeat of it gets.
        let head = shown(&stage, Role::Viewer, "/search?q=one").await;
        assert_eq!(head["passed_over"], json!(["bet_id", "transaction_number", "codegames_order", "journal_number"]));
        let last = next["number"].as_i64().expect("a number") + 1;
        let refused = shown(&stage, Role::Viewer, &format!("/journal/{last}")).await;
        let by_amqp = in_list(&refused["replies"], |reply| reply["by"] == "amqp").expect("a reply");
        assert_eq!(by_amqp["body"].as_str().map(str::as_bytes), Some(&*again[2].data), "{refused}");
        assert_eq!(refused["transfers"], json!([]));

        // The same rows in the player's history, newest first, and under the correlation ids that came with them.
        let history = shown(&stage, Role::Viewer, "/parties/acme/players/alice/history?limit=2").await;
        let told: Vec<_> = history["items"].as_array().expect("rows").iter().map(|row| &row["number"]).collect();
        assert_eq!(told, [&refused["number"], &next["number"]]);
        let older = history["next"].as_str().expect("there is more");
        let older = shown(&stage, Role::Viewer, &format!("/parties/acme/players/alice/history?after={older}")).await;
        let acts: Vec<_> = older["items"].as_array().expect("rows").iter().map(|row| &row["act"]).collect();
        assert_eq!(acts, ["place_bet", "deposit", "open_player"]);
        let found = shown(&stage, Role::Viewer, "/search?q=result%20of%20one").await;
        let hit = in_list(&found["found"], |hit| hit["is"] == "correlation_id").expect("a row");
        assert_eq!(hit["path"], format!("/admin/v1/journal/{}", next["number"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_behind_our_back_is_shown_not_to_hold() {
    on_both(async |base| {
        let stage = open(base).await;
        let found = shown(&stage, Role::Viewer, "/search?q=1").await;
        let hit = in_list(&found["found"], |hit| hit["is"] == "journal_number");
        assert_eq!(hit.map(|hit| &hit["path"]), Some(&json!("/admin/v1/journal/1")), "{found}");
        assert_eq!(shown(&stage, Role::Viewer, "/journal/2").await["chain"]["holds"], true);
        assert!(
            super::execute(
                &stage,
                "UPDATE journal SET transfers = substr(transfers, 1, 39) || substr(transfers, 1, 1) WHERE seq = 2"
            )
            .await
        );
        assert_eq!(shown(&stage, Role::Viewer, "/journal/2").await["chain"]["holds"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_shown_with_buckets_and_limits_and_without_what_is_nobodys_business() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        wire.ask(bet("today")).await;
        let path = "/parties/acme/players/alice";
        let player = shown(&stage, Role::Viewer, path).await;
        let real = in_list(&player["buckets"], |bucket| bucket["bucket"] == "real").expect("real money");
        assert_eq!(
            (&real["balance"], &real["balance_minor"], &real["currency"]),
            (&json!("99.00"), &json!(9900), &json!("CHF"))
        );
        assert_eq!(player["buckets"].as_array().map(Vec::len), Some(4));
        let limit = in_list(&player["limits"], |limit| limit["currency"] == "CHF").expect("a limit");
        let told = (&limit["staked"], &limit["staked_minor"], &limit["max_stake_per_day"], &limit["max_bet_minor"]);
        assert_eq!(told, (&json!("1.00"), &json!(100), &json!("2500.00"), &json!(10_000)));
        assert_eq!(shown(&stage, Role::Operator, path).await["email"], "alice@mail.example");

        // Of whoever looks, nothing leads to an e-mail address or a token.
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let mut tokened = bet("tokened");
        tokened.properties = tokened.properties.with_correlation_id(short(jwt));
        wire.ask(tokened).await;
        let mut all = player.to_string();
        let mut rows = 0;
        for number in 1..=20 {
            let response = get(Role::Viewer, &format!("/journal/{number}")).send(&stage).await;
            rows += usize::from(response.status == 200);
            all.push_str(&response.text());
        }
        assert!(rows >= 4, "{rows} rows were seen");
        assert!(all.contains("(token)") && all.contains("\"email\":\"***\""), "{all}");
        assert!(!all.contains("mail.example") && !all.contains(jwt), "{all}");
        let opened = shown(&stage, Role::Operator, "/journal/1").await;
        assert_eq!(opened["command"]["profile"]["email"], "alice@mail.example");
        let deposited = shown(&stage, Role::Viewer, "/journal/2").await;
        let by_admin = in_list(&deposited["replies"], |reply| reply["by"] == "admin").expect("a reply");
        let key = deposited["command"]["key"].as_str().expect("a key");
        let body = json!({ "amount": "100.00", "currency": "CHF", "key": key, "reason": "again" });
        let again = post(Role::Operator, "/parties/acme/players/alice/deposits", &body).send(&stage).await;
        assert_eq!((by_admin["body"].as_str(), again.status), (Some(&*again.text()), 201));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_a_table_with_the_columns_that_its_rows_have() {
    on_both(async |base| {
        let stage = open(base).await;
        let mut wire = Wire::connect(&stage).await;
        wire.ask(bet("one")).await;
        let path = "/parties/acme/players/alice/history";
        let csv = get(Role::Viewer, path).header("accept", "text/csv").send(&stage).await.text();
        let mut lines = csv.split("\r\n");
        let columns = lines.next().unwrap_or_default();
        assert_eq!(columns, "number,at,act,correlation,outcome,is_pruned,is_kept,command");
        let listed = shown(&stage, Role::Viewer, path).await;
        let rows = listed["items"].as_array().expect("rows");
        for (row, line) in rows.iter().zip(lines.by_ref()) {
            let members = row.as_object().expect("a row");
            assert_eq!(members.len(), columns.split(',').count(), "{row}");
            assert!(columns.split(',').all(|column| members.contains_key(column)), "{row}");
            let begins = format!("{},{},{},", row["number"], row["at"].as_str().unwrap(), row["act"].as_str().unwrap());
            assert!(line.starts_with(&begins), "{line}");
            assert!(line.contains(",false,true,\"{"), "{line}");
        }
        assert_eq!((rows.len(), lines.collect::<Vec<_>>()), (3, vec![""]));
    })
    .await;
}

/// Accounts of the house's, names of no player, numbers of nothing; and in the end a row that is damaged.
#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_nobody_is_answered_like_anything_else() {
    on_both(async |base| {
        let stage = open(base).await;
        let deposit = shown(&stage, Role::Viewer, "/journal/2").await;
        let cashier = &deposit["transfers"][0]["debit"];
        assert_eq!((&cashier["side"], &cashier["player"]), (&json!("cashier"), &Value::Null));
        let id = cashier["id"].as_str().expect("an id");
        for q in [id, "cashier", "house", "nobody", "a%00b"] {
            assert_eq!(shown(&stage, Role::Viewer, &format!("/search?q={q}")).await["found"], json!([]), "{q}");
        }
        for (path, status) in [
            ("/parties/acme/players/nobody".to_owned(), 404),
            (format!("/parties/acme/players/{id}"), 400),
            ("/parties/acme/players/a%00b".to_owned(), 400),
            ("/parties/nowhere/players/alice".to_owned(), 404),
            (format!("/orders/{id}"), 404),
            ("/transactions/2".to_owned(), 404),
            ("/transactions/-1".to_owned(), 404),
            ("/journal/0".to_owned(), 404),
            (format!("/journal/{}", i64::MAX), 404),
            ("/journal/9223372036854775808".to_owned(), 400),
        ] {
            assert_eq!(problem(&get(Role::Viewer, &path).send(&stage).await).0, status, "{path}");
        }
        assert_eq!(shown(&stage, Role::Viewer, "/parties/acme/players/nobody/history").await["items"], json!([]));
        let body = json!({ "amount": "1.00", "currency": "CHF", "key": "k", "reason": "none" });
        let deposited = post(Role::Operator, "/parties/acme/players/nobody/deposits", &body).send(&stage).await;
        assert_eq!(problem(&deposited).0, 404);

        assert!(super::execute(&stage, "DELETE FROM players WHERE player = 'alice'").await);
        let damaged = problem(&get(Role::Viewer, "/journal/2").send(&stage).await);
        assert_eq!(damaged, (500, "a fault of ours; the log says more".to_owned()));
        assert!(stage.log().contains("account: is of nobody"), "{}", stage.log());
        assert_eq!(problem(&get(Role::Viewer, "/parties/acme/players/alice").send(&stage).await).0, 404);
        assert_eq!(shown(&stage, Role::Viewer, "/search?q=alice").await["found"], json!([]));
    })
    .await;
}

pub async fn rpc(stage: &Stage, method: &str, params: Value) -> Value {
    let body = json!({ "Id": null, "Method": method, "Params": params });
    let call = Call::new("POST", format!("/api/{method}")).header("accept", "application/json").json(&body);
    let answered = call.send(stage).await.json();
    assert!(answered["error"].is_null(), "{answered}");
    answered["result"].clone()
}

pub fn adjustment(kind: i32, reference: &str, amount: &str, source: &Value) -> Value {
    json!({
        "flake_id": 9_148_077_483_121_591_870_i64, "real_amount": amount, "bonus_amount": 0, "ring_fenced_amount": 0,
        "total_amount": amount, "user_id": 77, "bonus_game_type": "G", "cmscore_game_id": 2885, "regulated_game_id": 6403, "transaction_type_id": kind,
        "partner_transaction_id": reference, "partner_timestamp_utc": "2021-08-04T10:42:44.393Z", "partner_id": 100,
        "game_round_id": 1, "product_id": 0, "token": "private-token-of-77", "action_type_id": 1,
        "provider_region_id": 20, "allow_bonus": true, "allow_ring_fenced": true, "currency_id": 1,
        "bet365_transaction_id": 5_000_390_220_i64, "source_bet365_games_transaction_id": source,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn voids_are_listed_and_resolved_and_text_from_outside_stays_text() {
    on_both(async |base| {
        let stage = open(base).await;
        stage.done(&["player", "add", "--party", "acme", "--player", "77", "--currency", "GBP"]).await;
        stage.deposit("acme", "77", "10.00", "GBP").await;
        let staked = rpc(&stage, "AdjustBalance", adjustment(2, "stake", "-1", &json!(0))).await;
        let mut numbers = Vec::new();
        for reference in [MARKUP, "=cmd|' /C calc'!A0", "-3"] {
            let source = &staked["bet365_games_transaction_id"];
            let paid = rpc(&stage, "AdjustBalance", adjustment(3, reference, "2.5", source)).await;
            let number = paid["bet365_games_transaction_id"].clone();
            let queued = json!({ "transaction_type_id": 6, "source_bet365_games_transaction_id": number });
            rpc(&stage, "QueueManualVoidReturn", queued).await;
            numbers.push(number);
        }
        let page = shown(&stage, Role::Viewer, "/parties/acme/voids?limit=2").await;
        let items = page["items"].as_array().expect("a list");
        assert_eq!((items.len(), &page["next"]), (2, &json!(numbers[1].to_string())));
        assert_eq!((&items[0]["partner_transaction_id"], &items[0]["real_minor"]), (&json!(MARKUP), &json!(250)));
        let rest = shown(&stage, Role::Viewer, &format!("/parties/acme/voids?limit=2&after={}", numbers[1])).await;
        assert_eq!((rest["items"][0]["number"].clone(), &rest["next"]), (numbers[2].clone(), &Value::Null));
        assert_eq!(shown(&stage, Role::Viewer, "/parties/zenith/voids").await["items"], json!([]));

        let csv = get(Role::Viewer, "/parties/acme/voids").header("accept", "text/csv").send(&stage).await;
        assert!(csv.header("content-type").starts_with("text/csv"), "{:?}", csv.headers);
        let lines: Vec<String> = csv.text().split("\r\n").map(str::to_owned).collect();
        assert!(lines[1].contains(r#","<b>=1+1</b>""'&",pending,GBP,2.50,250,"#), "{lines:?}");
        assert!(lines[2].contains(",'=cmd|' /C calc'!A0,") && lines[3].contains(",'-3,"), "{lines:?}");

        // By its partner's name, whoever the player is.
        let found = shown(&stage, Role::Viewer, "/search?q=%3Ccmd%3E").await;
        assert_eq!(found["found"], json!([]));
        let encoded: String = url::form_urlencoded::byte_serialize(MARKUP.as_bytes()).collect();
        let found = shown(&stage, Role::Viewer, &format!("/search?q={encoded}")).await;
        let hit = in_list(&found["found"], |hit| hit["is"] == "partner_transaction_id").expect("the transaction");
        assert_eq!(hit["path"], format!("/admin/v1/transactions/{}", numbers[0]));
        let transaction = shown(&stage, Role::Viewer, &format!("/transactions/{}", numbers[0])).await;
        let told = (&transaction["void"], &transaction["source"], &transaction["moved"][0]["amount"]);
        assert_eq!(told, (&json!("pending"), &staked["bet365_games_transaction_id"], &json!("2.50")));
        assert_eq!(transaction["journal"][0]["outcome"]["done"]["adjusted"]["transaction"], numbers[0]);
        assert!(!transaction.to_string().contains("private-token"), "{transaction}");

        let resolve = |number: &Value, how: &str| {
            post(Role::Approver, &format!("/parties/acme/voids/{number}/{how}"), &json!({})).send(&stage)
        };
        for _ in 0..2 {
            let approved = resolve(&numbers[0], "approve").await;
            assert_eq!(
                (approved.status, approved.json()["state"].clone()),
                (200, json!("approved")),
                "{}",
                approved.text()
            );
            let dismissed = resolve(&numbers[1], "dismiss").await;
            assert_eq!((dismissed.status, dismissed.json()["transaction"].clone()), (200, Value::Null));
        }
        assert_eq!(resolve(&numbers[0], "dismiss").await.status, 409);
        assert_eq!(resolve(&staked["bet365_games_transaction_id"], "approve").await.status, 404);
        assert_eq!(stage.balance("acme", "77", "GBP").await, 1_400);
        let waiting = shown(&stage, Role::Viewer, "/parties/acme/voids").await;
        assert_eq!(waiting["items"].as_array().map(Vec::len), Some(1));
        let all = shown(&stage, Role::Viewer, "/parties/acme/voids?all=true").await;
        assert_eq!(all["items"].as_array().map(Vec::len), Some(3));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_are_listed_by_name_and_the_document_has_the_calls() {
    let stage = open(crate::e2e::stage::Base::Sqlite).await;
    let first = shown(&stage, Role::Viewer, "/parties?limit=1").await;
    assert_eq!((&first["items"][0]["party"], &first["next"]), (&json!("acme"), &json!("acme")));
    let second = shown(&stage, Role::Viewer, "/parties?limit=1&after=acme").await;
    assert_eq!((&second["items"][0]["party"], &second["next"]), (&json!("zenith"), &Value::Null));
    let (_, document) = stage.get("/openapi.json").await.expect("an answer");
    let deposit = &document["paths"]["/admin/v1/parties/{party}/players/{player}/deposits"]["post"];
    assert_eq!(deposit["operationId"], "admin-deposit", "{document}");
    let printed: Value = serde_json::from_str(&stage.done(&["schema", "openapi"]).await).expect("JSON");
    assert_eq!(document, printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_wants_of_an_operator_is_made_by_a_command() {
    let stage = open(crate::e2e::stage::Base::Sqlite).await;
    let hash = stage.done_with(&["operator", "hash"], &format!("{}\n", super::token(Role::Viewer))).await;
    assert_eq!(hash.trim(), purser::config::OperatorTokenHash::of(&super::token(Role::Viewer)).text());
    for weak in ["", "hunter2", &"ab".repeat(40)] {
        let refused = stage.run_with(&["operator", "hash"], weak).await;
        assert_eq!(refused.status.code(), Some(2), "{weak}");
    }
    let settings = stage.done(&["config", "show"]).await;
    assert!(settings.contains("operators[0].token_hash = \"***\"") && !settings.contains("sha256:"), "{settings}");
}
