//! What operators do about grants: look at them, end them, and set another password.

use serde_json::Value;

use super::partner::{
    ASKING, PASSWORD, Page, ask_token, error, landing, open, profile, refreshing, tokens_of, value, with,
};
use crate::e2e::stage::{Base, Stage, on_both};

const NEW_PASSWORD: &str = "another horse, another staple";

/// Whether the tokens of a grant are good for something.
async fn is_alive(stage: &Stage, (access, refresh): &(String, String)) -> bool {
    let access = profile(stage, access).await.status != 401;
    let response = ask_token(stage, &refreshing(refresh)).await;
    let refresh = response.status == 200;
    assert_eq!(access, refresh, "both or neither");
    if !refresh {
        assert_eq!(error(&response), (400, "invalid_grant".to_owned()));
    }
    access
}

async fn list(stage: &Stage, arguments: &[&str]) -> Vec<Value> {
    let told = stage.done(&[&["grants", "list", "--json", "--party", "acme"], arguments].concat()).await;
    told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Status and what was said on standard error.
async fn refused(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = stage.run(arguments).await;
    (ran.status.code(), String::from_utf8(ran.stderr).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_all_that_was_allowed_under_the_old_one() {
    on_both(async |base| {
        let stage = open(base).await;
        let [one, other] = [tokens_of(&stage, "alice", &[]).await, tokens_of(&stage, "ali", &[]).await];
        let bobs = tokens_of(&stage, "bob", &[]).await;
        let set = ["player", "password", "--party", "acme", "--player", "alice"];
        let told = stage.done_with(&set, &format!("{NEW_PASSWORD}\n")).await;
        assert_eq!(told, "password of player alice set; 2 grants ended\n");
        for (tokens, expected) in [(&one, false), (&other, false), (&bobs, true)] {
            assert_eq!(is_alive(&stage, tokens).await, expected);
        }
        let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
        assert_eq!(page.sign_in(&stage, "alice", PASSWORD).await.status, 403, "the old one");
        let (_, query) = landing(&page.sign_in(&stage, "alice", NEW_PASSWORD).await);
        assert!(value(&query, "code").is_some());
        let elsewhere = Page::open(&stage, "/emca", &with(&ASKING, &[])).await;
        let (_, query) = landing(&elsewhere.sign_in(&stage, "alice", PASSWORD).await);
        assert!(value(&query, "code").is_some(), "another party's player of that name");

        // Who has none gets one.
        stage.add_player("acme", "nopass").await;
        let set = ["player", "password", "--party", "acme", "--player", "nopass", "--json"];
        let told: Value = serde_json::from_str(&stage.done_with(&set, NEW_PASSWORD).await).expect("JSON");
        assert_eq!(told["grants_ended"], 0);
        let (_, query) = landing(&page.sign_in(&stage, "nopass", NEW_PASSWORD).await);
        assert!(value(&query, "code").is_some());
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_set_for_a_known_player_from_a_filled_input_alone() {
    let stage = open(Base::Sqlite).await;
    let set = ["player", "password", "--party", "acme", "--player", "alice"];
    let (status, said) = refused(&stage, &set).await;
    assert!(status == Some(2) && said.contains("standard input is empty"), "{said}");
    let unknown = ["player", "password", "--party", "acme", "--player", "nobody"];
    let ran = stage.run_with(&unknown, NEW_PASSWORD).await;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(1) && said.contains("there is no player nobody of party acme"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_looked_at_without_their_tokens_and_ended() {
    on_both(async |base| {
        let stage = open(base).await;
        assert_eq!(stage.done(&["grants", "list", "--party", "acme"]).await, "no grants\n");
        let [one, other] =
            [tokens_of(&stage, "alice", &[]).await, tokens_of(&stage, "alice", &[("scope", "vip")]).await];
        let bobs = tokens_of(&stage, "bob", &[]).await;
        let all = list(&stage, &[]).await;
        assert_eq!(all.len(), 3);
        assert_eq!(list(&stage, &["--player", "bob"]).await.len(), 1);
        let emca = stage.done(&["grants", "list", "--party", "emca"]).await;
        assert_eq!(emca, "no grants\n", "another party's are not shown");
        let scopes = |grants: &[Value]| {
            let mut scopes: Vec<String> =
                grants.iter().map(|grant| grant["scope"].as_str().unwrap().to_owned()).collect();
            scopes.sort();
            scopes
        };
        let alices = list(&stage, &["--player", "alice"]).await;
        assert_eq!(scopes(&alices), ["profile vip", "vip"]);
        for grant in &alices {
            assert_eq!(
                (&grant["player"], &grant["client"], &grant["state"]),
                (&"alice".into(), &"vip-shop".into(), &"active".into())
            );
        }
        let shown = stage.done(&["grants", "list", "--party", "acme", "--all"]).await;
        for (access, refresh) in [&one, &other, &bobs] {
            assert!(!shown.contains(access) && !shown.contains(refresh), "{shown}");
        }

        // One by its id, twice; not with another party's name.
        let vip =
            alices.iter().find(|grant| grant["scope"] == "vip").expect("a grant")["grant"].as_str().expect("an id");
        let (status, said) = refused(&stage, &["grants", "end", "--party", "emca", "--grant", vip]).await;
        assert!(status == Some(1) && said.contains("has no grant"), "{said}");
        assert!(is_alive(&stage, &other).await);
        let end = ["grants", "end", "--party", "acme", "--grant", vip];
        assert_eq!(stage.done(&end).await, format!("grant {vip} ended\n"));
        assert_eq!(stage.done(&end).await, format!("grant {vip} had ended before\n"));
        assert_eq!((profile(&stage, &other.0).await.status, is_alive(&stage, &bobs).await), (401, true));
        assert_eq!(scopes(&list(&stage, &["--player", "alice"]).await), ["profile vip"]);
        assert_eq!(list(&stage, &["--player", "alice", "--all"]).await.len(), 2);

        // All of a player's.
        let end = ["grants", "end", "--party", "acme", "--player", "alice"];
        assert_eq!(stage.done(&end).await, "1 grants of player alice ended\n");
        assert_eq!(stage.done(&end).await, "0 grants of player alice ended\n");
        assert_eq!(profile(&stage, &one.0).await.status, 401);
        let (status, said) = refused(&stage, &["grants", "end", "--party", "acme", "--player", "nobody"]).await;
        assert!(status == Some(1) && said.contains("there is no player nobody"), "{said}");
        let (status, _) = refused(&stage, &["grants", "end", "--party", "acme"]).await;
        assert_eq!(status, Some(2), "one of the two is needed");
    })
    .await;
}
