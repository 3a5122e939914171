//! Commands that the database takes in no batch.

use purser::storage::Database;
use serde_json::{Value, json};

use super::faults::{under_load, with_alice};
use super::services::execute;
use super::stage::on_both;
use super::wire::{Wire, bet, code, header};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_breaks_every_batch_is_parked_alone() {
    on_both(async |base| {
        let (stage, play) = under_load(base).await;
        stage.add_player("acme", "alice").await;
        stage.deposit("acme", "alice", "1000.00", "CHF").await;
        poison(&stage.database).await;
        let mut wire = Wire::connect(&stage).await;
        for order in ["poison-1", "good-1", "poison-2", "good-2"] {
            let reply = wire.ask(bet(order)).await;
            if order.starts_with("good") {
                assert_eq!(code(&reply), "201");
                continue;
            }
            let told: Value = serde_json::from_slice(&reply.data).expect("JSON");
            let expected = json!({ "code": "500", "error": "INTERNAL_SERVER_ERROR",
                                   "description": "Server was unable to process the request" });
            assert_eq!(told, expected);
            let dead = wire.take("v1.0.acme.dead").await.delivery;
            assert_eq!(header(&dead.properties, "x-purser-reason"), "fault");
            assert_eq!(dead.data, bet(order).body);
        }
        // Healed, the same message is taken.
        execute(&stage.database, "DELETE FROM poisoned").await;
        assert_eq!(code(&wire.ask(bet("poison-1")).await), "201");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 100_000 - 300);
        play.finish(&stage).await;
        assert_eq!(wire.ready("v1.0.acme.dead").await, 0);
        assert!(!stage.log().contains("panicked"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_poisoned_commands_in_a_row_do_not_hold_up_the_good_ones_behind_them() {
    on_both(async |base| {
        let stage = with_alice(base).await;
        poison(&stage.database).await;
        let mut wire = Wire::connect(&stage).await;
        let orders =
            ["poison", "good"].into_iter().flat_map(|kind| (0..12).map(move |number| format!("{kind}-{number}")));
        wire.send_all(orders.map(|order| bet(&order))).await;
        // Where nothing goes through any more the database might be at fault, so the last ones may wait for company.
        let (mut good, mut parked, mut more) = (0, 0, 12);
        while parked < 12 || good < more {
            match code(&wire.next_reply().await).as_str() {
                "201" => good += 1,
                "500" => parked += 1,
                other => panic!("{other}"),
            }
            if good == more && parked < 12 {
                wire.send_all([bet(&format!("good-{more}"))]).await;
                more += 1;
            }
        }
        stage.audit().await;
    })
    .await;
}

/// Makes the database refuse every order whose externalId begins with `poison`.
async fn poison(database: &Database) {
    let sql = match database {
        Database::Sqlite(_) => {
            "CREATE TABLE poisoned (prefix TEXT); INSERT INTO poisoned VALUES ('poison%');
             CREATE TRIGGER poison BEFORE INSERT ON orders
             WHEN EXISTS (SELECT 1 FROM poisoned WHERE NEW.external_id LIKE prefix)
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END;"
        }
        Database::Postgres(_) => {
            "CREATE TABLE poisoned (prefix TEXT); INSERT INTO poisoned VALUES ('poison%');
             CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF EXISTS (SELECT 1 FROM poisoned WHERE NEW.external_id LIKE prefix) THEN
             RAISE EXCEPTION 'poisoned'; END IF; RETURN NEW; END $$;
             CREATE TRIGGER poison BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION poison();"
        }
    };
    execute(database, sql).await;
}
