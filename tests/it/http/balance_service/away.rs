use serde_json::json;

use super::{OTHER, PARTIES, USER, body, call, code, fund, held, open, request, stake};
use crate::e2e::services::{Addresses, Own, execute};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::patience::until;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_a_caller_is_told_to_ask_again_and_nothing_happens_twice() {
    let own = Own::start(&["postgres"]).await;
    let addresses = Addresses::shared().with_postgres_of(&own.addresses);
    let mut stage = Stage::prepare(Base::Postgres, PARTIES, &addresses).await;
    stage.serve();
    stage.until_ready().await;
    stage.add_player("acme", &USER.to_string()).await;
    fund(&stage, "real", "10").await;
    assert_eq!(call(&stage, "AdjustBalance", &stake("before", "-1")).await["is_new"], true);
    own.run(&["stop", "--immediate", "postgres"]).await;
    until("/readyz says that the database is away", async || stage.readyz_says("database", "away: ").await).await;
    let round = json!({ "game_round_id": 1 });
    let calls = [("AdjustBalance", stake("during", "-1")), ("GetTransactionsByGameRound", round)];
    for (method, params) in &calls {
        let answer = request(method, params).send(&stage).await;
        let told = (answer.status, body(&answer)["error"]["code"].clone());
        assert_eq!(told, (503, json!(1002)), "{method}");
        assert_eq!(answer.headers.get_all("retry-after").iter().count(), 1, "{method}");
    }
    own.run(&["start", "postgres"]).await;
    stage.until_ready().await;
    for (reference, is_new) in [("before", false), ("during", true), ("during", false)] {
        assert_eq!(call(&stage, "AdjustBalance", &stake(reference, "-1")).await["is_new"], is_new, "{reference}");
    }
    assert_eq!(held(&stage).await, "8 0 0");
    stage.audit().await;
}

/// A database that takes some players' money and not others' is a fault of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_written_is_an_unexpected_error_of_its_own() {
    on_both(async |base| {
        let stage = open(base).await;
        fund(&stage, "real", "10").await;
        execute(&stage.database, poison(base)).await;
        assert_eq!(code(&stage, "AdjustBalance", &stake("poisoned", "-1")).await, 1002);
        assert_eq!(call(&stage, "AdjustBalance", &stake("good", "-1")).await["is_new"], true);
        assert_eq!((code(&stage, "GetUserBalance", &json!({ "user_id": OTHER, "product_id": 1 })).await), 0);
        assert_eq!(held(&stage).await, "9 0 0");
    })
    .await;
}

/// Refuses one reference.
fn poison(base: Base) -> &'static str {
    match base {
        Base::Sqlite => {
            "CREATE TRIGGER poison BEFORE INSERT ON transactions WHEN NEW.reference = 'poisoned' \
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        }
        Base::Postgres => "ALTER TABLE transactions ADD CONSTRAINT poison CHECK (reference <> 'poisoned')",
    }
}
