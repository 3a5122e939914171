use purser::config::Role;

use super::{form, get, page, post, sign_in};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::admin::{execute, open, shown};
use crate::patience::until;

/// The page once no audit runs.
async fn ended(stage: &Stage, cookie: &str) -> String {
    let mut told = String::new();
    until("no audit runs", async || {
        told = page(stage, cookie, "/audit").await;
        !told.contains("One runs")
    })
    .await;
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_started_by_a_form_and_tells_what_it_found() {
    on_both(async |base| {
        let stage = open(base).await;
        let operator = sign_in(&stage, Role::Operator).await;
        assert!(page(&stage, &operator, "/audit").await.contains("None was carried out yet."));
        let started = post(&operator, "/audit", &[]).send(&stage).await;
        assert_eq!((started.status, started.header("location")), (303, "audit"), "{}", started.text());
        let sound = ended(&stage, &operator).await;
        let known = shown(&stage, Role::Operator, "/audit").await;
        let digest = known["last"]["digest"].as_str().expect("a digest");
        assert!(sound.contains("The ledger is sound.") && sound.contains(digest), "{sound}");
        assert!(sound.contains("data-over") && sound.contains("Start an audit"), "{sound}");
        assert!(sound.contains("<th scope=\"row\">acme</th><td>CHF</td><td class=\"number\">10000</td>"), "{sound}");

        assert!(execute(&stage, "UPDATE accounts SET balance = balance + 1 WHERE side = 'player'").await);
        assert_eq!(post(&operator, "/audit", &[]).send(&stage).await.status, 303);
        let wrong = ended(&stage, &operator).await;
        assert!(wrong.contains("The ledger is not sound.") && wrong.contains("<li>"), "{wrong}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audits_are_for_operators_and_started_from_the_page_alone() {
    let stage = open(Base::Sqlite).await;
    let [viewer, operator] = [sign_in(&stage, Role::Viewer).await, sign_in(&stage, Role::Operator).await];
    assert_eq!(get(&viewer, "/audit").send(&stage).await.status, 403);
    assert_eq!(post(&viewer, "/audit", &[]).send(&stage).await.status, 403);
    // Not even what would be wrong with the form, on the page that it is on.
    let twice = post(&viewer, "/audit", &[("a", "1"), ("a", "2")]).send(&stage).await;
    assert_eq!(twice.status, 403, "{}", twice.text());
    assert!(!page(&stage, &viewer, "/").await.contains("audit\""));
    let elsewhere = form("/audit", &[]).header("cookie", &*operator).header("sec-fetch-site", "same-site");
    assert_eq!(elsewhere.send(&stage).await.status, 403);
    assert!(page(&stage, &operator, "/audit").await.contains("None was carried out yet."));
}
