use purser::config::Role;

use super::{attributes, form, get, input, page, post, sign_in};
use crate::e2e::stage::{Base, Stage, on_both};
use crate::http::admin::looks::MARKUP;
use crate::http::admin::{config, shown};

const DEPOSITS: &str = "/parties/acme/players/alice/deposits";
const ALICE: &str = "/parties/acme/players/alice";

/// Up to 50.00 CHF one person moves alone.
async fn open(base: Base) -> Stage {
    let stage = Stage::open(base, &(config() + "[approvals]\nthreshold = { CHF = 5000 }\n")).await;
    stage.done(&["player", "add", "--party", "acme", "--player", "alice"]).await;
    stage
}

fn money<'a>(amount: &'a str, key: &'a str) -> [(&'a str, &'a str); 5] {
    [("amount", amount), ("currency", "CHF"), ("bucket", "real"), ("key", key), ("reason", MARKUP)]
}

/// Asks for a transfer that has to wait; answers with the path of its approval.
async fn ask(stage: &Stage, cookie: &str, path: &str, pairs: &[(&str, &str)]) -> String {
    let asked = post(cookie, path, pairs).send(stage).await;
    assert_eq!((asked.status, asked.header("location")), (303, "../alice"), "{}", asked.text());
    let told = page(stage, cookie, ALICE).await;
    assert!(told.contains("Nothing was moved yet: it waits for a second person."), "{told}");
    let link = attributes(&told, "href").into_iter().find(|link| link.contains("approvals/"));
    format!("/{}", link.expect("the approval").trim_start_matches(['.', '/']))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_linked_to_and_moved_once_by_somebody_else() {
    on_both(async |base| {
        let stage = open(base).await;
        let roles = [Role::Viewer, Role::Operator, Role::Approver, Role::Admin];
        let [viewer, operator, approver, admin] =
            futures_util::future::join_all(roles.map(|role| sign_in(&stage, role))).await.try_into().expect("four");
        let key = input(&page(&stage, &operator, ALICE).await, "key");
        let approval = ask(&stage, &operator, DEPOSITS, &money("60.00", &key)).await;
        // The same form again is the same request.
        assert_eq!(ask(&stage, &operator, DEPOSITS, &money("60.00", &key)).await, approval);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 0);

        let own = page(&stage, &operator, &approval).await;
        assert!(own.contains("You asked for it") && !own.contains("/approve\""), "{own}");
        for (cookie, path, status) in [
            (&viewer, &*approval, 403),
            (&viewer, "/approvals", 403),
            (&operator, "/approvals", 403),
            (&operator, "/approvals/00000000-0000-4000-8000-000000000000", 403),
            (&approver, "/approvals/00000000-0000-4000-8000-000000000000", 404),
            (&approver, "/approvals/seven", 400),
        ] {
            assert_eq!(get(cookie, path).send(&stage).await.status, status, "{path}");
        }
        for cookie in [&viewer, &operator] {
            assert!(!page(&stage, cookie, "/").await.contains("approvals\""));
        }
        let listed = page(&stage, &approver, "/approvals").await;
        assert!(listed.contains(approval.trim_start_matches('/')) && listed.contains("60.00 CHF"), "{listed}");
        assert!(listed.contains("the-operator") && listed.contains("&#60;b&#62;") && !listed.contains("<b>"));
        let one = page(&stage, &approver, &approval).await;
        assert!(one.contains("/approve\"") && one.contains("/reject\"") && !one.contains("<b>"), "{one}");

        let approve = format!("{approval}/approve");
        let elsewhere = form(&approve, &[]).header("cookie", &*approver).header("sec-fetch-site", "cross-site");
        assert_eq!(elsewhere.send(&stage).await.status, 403);
        assert_eq!(post(&operator, &approve, &[]).send(&stage).await.status, 403);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 0);
        let clicks = [&approver, &admin, &approver].map(|cookie| post(cookie, &approve, &[]).send(&stage));
        for click in futures_util::future::join_all(clicks).await {
            assert_eq!((click.status, click.header("location").starts_with("../")), (303, true), "{}", click.text());
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 6_000);
        let moved = page(&stage, &approver, &approval).await;
        assert!(moved.contains("Approved: deposited 60.00 CHF (real). The balance was 60.00 CHF"), "{moved}");
        assert!(moved.contains(">moved<") && !moved.contains("/approve\""), "{moved}");
        assert!(page(&stage, &operator, &approval).await.contains(">moved<"), "whoever asked may look");
        assert!(page(&stage, &approver, "/approvals").await.contains("None waits."));
        assert!(page(&stage, &approver, "/approvals?all=true").await.contains("60.00 CHF"));
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_what_they_asked_for_and_what_is_rejected_stays_so() {
    let stage = open(Base::Sqlite).await;
    let [approver, admin] = [sign_in(&stage, Role::Approver).await, sign_in(&stage, Role::Admin).await];
    let approval = ask(&stage, &approver, DEPOSITS, &money("70.00", "k")).await;
    assert!(!page(&stage, &approver, &approval).await.contains("/approve\""));
    for how in ["approve", "reject"] {
        let own = post(&approver, &format!("{approval}/{how}"), &[]).send(&stage).await;
        assert!(own.status == 403 && own.text().contains("whoever asks does not decide"), "{}", own.text());
    }
    assert_eq!(post(&admin, &format!("{approval}/reject"), &[]).send(&stage).await.status, 303);
    let rejected = page(&stage, &admin, &approval).await;
    assert!(rejected.contains("Rejected: nothing is moved.") && rejected.contains(">rejected<"), "{rejected}");
    let late = post(&admin, &format!("{approval}/approve"), &[]).send(&stage).await;
    assert!(late.status == 409 && late.text().contains("decided on before, and is rejected"), "{}", late.text());
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_refuses_stays_approved_and_says_so() {
    let stage = open(Base::Sqlite).await;
    let [operator, approver] = [sign_in(&stage, Role::Operator).await, sign_in(&stage, Role::Approver).await];
    let withdrawals = "/parties/acme/players/alice/withdrawals";
    let approval = ask(&stage, &operator, withdrawals, &money("60.00", "w")).await;
    let approve = format!("{approval}/approve");
    let refused = post(&approver, &approve, &[]).send(&stage).await;
    let text = refused.text();
    assert!(refused.status == 409 && text.contains("too little; nothing was moved"), "{text}");
    assert!(text.contains("approved and not moved") && text.contains("Approve again"), "{text}");
    let trail = shown(&stage, Role::Admin, "/trail?limit=1").await;
    assert!(trail["items"][0]["outcome"].as_str().expect("how").starts_with("not done: "), "{trail}");
    stage.deposit("acme", "alice", "50.00", "CHF").await;
    stage.deposit("acme", "alice", "50.00", "CHF").await;
    assert_eq!(post(&approver, &approve, &[]).send(&stage).await.status, 303);
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 4_000);
    stage.audit().await;
}
