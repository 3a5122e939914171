use purser::config::Role;

use super::{attributes, cookie, form, get, input, page, post, sign_in};
use crate::e2e::dead::park;
use crate::e2e::stage::{Base, Stage, on_both};
use crate::e2e::wire::Wire;
use crate::http::admin::{execute, open, shown, token};
use crate::http::client::{Call, Response};
use crate::patience::until;

const PLAYER: &str = "/parties/acme/players/alice";
const DEPOSITS: &str = "/parties/acme/players/alice/deposits";
const DEPOSIT: [(&str, &str); 4] = [("amount", "1.00"), ("currency", "CHF"), ("key", "one"), ("reason", "a test")];

/// The sign-in form and nothing else, with what it says.
fn signs_in(response: &Response) -> String {
    let text = response.text();
    assert_eq!(response.status, 401, "{text}");
    assert!(text.contains("name=\"token\"") && !text.contains("alice@") && !text.contains("the-"), "{text}");
    let told = text.split("role=\"alert\"").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1));
    told.unwrap_or_default().to_owned()
}

/// What a session's cookie says, without its name.
fn secret(cookie: &str) -> &str {
    cookie.split_once('=').expect("a value").1
}

/// The link of a page that leads to its first letter.
async fn first_letter(stage: &Stage, cookie: &str) -> String {
    let letters = page(stage, cookie, "/dead-letters?party=acme").await;
    let link = attributes(&letters, "href").into_iter().find(|link| link.contains("/letters/"));
    link.expect("a letter").trim_start_matches('.').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_doubled_and_overlong_cookies_are_nobodys_session() {
    let stage = open(Base::Sqlite).await;
    let [one, other] = [sign_in(&stage, Role::Admin).await, sign_in(&stage, Role::Operator).await];
    let good = secret(&one);
    let flipped: String =
        good.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let junk = [
        String::new(),
        "%00%ff".to_owned(),
        "\u{fc}".repeat(43),
        "A".repeat(43),
        format!("{good}A"),
        good[..42].to_owned(),
        flipped,
        format!("\"{good}\""),
        format!("{good}%3D"),
        "A".repeat(50_000),
    ];
    for value in &junk {
        let told = signs_in(&get(&format!("purser_console={value}"), PLAYER).send(&stage).await);
        assert!(told.contains("you are signed in no more"), "{told}");
        let sent = signs_in(&post(&format!("purser_console={value}"), DEPOSITS, &DEPOSIT).send(&stage).await);
        assert!(sent.contains("nothing was done"), "{sent}");
    }
    for cookies in [
        format!("{one}; {other}"),
        format!("{other}; {one}"),
        format!("{one}; {one}"),
        format!("purser_console=x; {one}"),
    ] {
        for call in [get(&cookies, PLAYER), get(&cookies, "/health"), post(&cookies, DEPOSITS, &DEPOSIT)] {
            let told = signs_in(&call.send(&stage).await);
            assert!(told.contains("more than one cookie") && told.contains("delete the cookies"), "{told}");
        }
    }
    let in_two_headers = get(&one, PLAYER).header("cookie", &*other).send(&stage).await;
    assert!(signs_in(&in_two_headers).contains("more than one cookie"));
    // More than is read of any head.
    let too_long = get(&format!("purser_console={}", "A".repeat(500_000)), PLAYER).try_send(&stage).await;
    // Whoever is still sending may hear no answer at all.
    assert!(too_long.as_ref().map_or(true, |answer| answer.status == 431), "{too_long:?}");
    assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);

    // What others have set beside it is no concern of ours, and both sessions last.
    page(&stage, &format!("theme=Zo\u{eb}; xpurser_console=x; {one}; purser_console2=y"), "/trail").await;
    page(&stage, &other, PLAYER).await;
    // Whoever brings junk may sign in all the same.
    for cookies in ["purser_console=x", "purser_console=x; purser_console=y"] {
        let signed_in =
            form("/sign-in", &[("token", &token(Role::Viewer))]).header("cookie", cookies).send(&stage).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        page(&stage, &cookie(&signed_in), "/health").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_left_open_for_too_long_says_what_to_do_and_leads_back() {
    on_both(async |base| {
        let stage = open(base).await;
        let first = Call::new("GET", format!("/console{PLAYER}")).send(&stage).await;
        assert_eq!(signs_in(&first), "", "nothing is wrong yet");
        let operator = sign_in(&stage, Role::Operator).await;
        let left_open = page(&stage, &operator, PLAYER).await;
        let key = input(&left_open, "key");
        let pairs = [("amount", "1.00"), ("currency", "CHF"), ("key", &*key), ("reason", "a test")];
        assert!(execute(&stage, "UPDATE console_sessions SET expires_at = 1").await);

        let asked = get(&operator, &format!("{PLAYER}?limit=5")).send(&stage).await;
        assert!(signs_in(&asked).contains("twelve hours are over"), "{}", asked.text());
        assert_eq!(input(&asked.text(), "to"), "parties/acme/players/alice?limit=5");
        let sent = post(&operator, DEPOSITS, &pairs).send(&stage).await;
        assert!(signs_in(&sent).contains("nothing was done: sign in, and send the form again"), "{}", sent.text());
        let to = input(&sent.text(), "to");
        assert_eq!(to, "parties/acme/players/alice");
        let audit = post(&operator, "/audit?ledger=default", &[]).send(&stage).await;
        assert_eq!(
            (signs_in(&audit).is_empty(), input(&audit.text(), "to")),
            (false, "audit?ledger=default".to_owned())
        );
        let out = post(&operator, "/sign-out", &[]).send(&stage).await;
        assert_eq!((&*signs_in(&out), &*input(&out.text(), "to")), ("", ""), "who signs out is told nothing");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);

        // The sign-in page was open all the time, and the browser has its old cookie still.
        let typed = [("token", &*token(Role::Operator)), ("to", &to)];
        let again = post(&operator, "/sign-in", &typed).send(&stage).await;
        assert_eq!((again.status, again.header("location")), (303, "./parties/acme/players/alice"), "{}", again.text());
        let again = cookie(&again);
        for _ in 0..2 {
            assert_eq!(post(&again, DEPOSITS, &pairs).send(&stage).await.status, 303);
        }
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_100, "with the key of the page that was left open");
        let wrong = form("/sign-in", &[("token", "nobody's"), ("to", &to)]).header("cookie", &*operator);
        let wrong = wrong.send(&stage).await;
        assert!(signs_in(&wrong).contains("nobody&#39;s"), "{}", wrong.text());
        assert_eq!(input(&wrong.text(), "to"), to);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_from_another_tab_does_not_do_what_a_page_of_somebody_elses_asks() {
    on_both(async |base| {
        let stage = open(base).await;
        let operator = sign_in(&stage, Role::Operator).await;
        let reader = input(&page(&stage, &operator, PLAYER).await, "shown_to");
        assert_eq!(reader, "the-operator");
        let of_reader = [&DEPOSIT[..], &[("shown_to", &*reader)]].concat();
        // Another tab of the same browser, so the cookie goes with it.
        let other = form("/sign-in", &[("token", &token(Role::Approver))]).header("cookie", &*operator);
        let approver = cookie(&other.send(&stage).await);
        assert!(
            signs_in(&get(&operator, PLAYER).send(&stage).await).contains("another tab"),
            "the former session is over"
        );
        let sent = post(&approver, DEPOSITS, &of_reader).send(&stage).await;
        let text = sent.text();
        assert_eq!(sent.status, 409, "{text}");
        assert!(text.contains("shown to the-operator, and the-approver has signed in since"), "{text}");
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_000);
        let trail = shown(&stage, Role::Admin, "/trail?limit=200").await.to_string();
        assert!(!trail.contains("the-approver"), "nothing was asked for: {trail}");
        let anew = page(&stage, &approver, PLAYER).await;
        assert!(anew.contains("the-approver") && !anew.contains("the-operator"), "{anew}");
        let reader = input(&anew, "shown_to");
        let of_reader = [&DEPOSIT[..], &[("shown_to", &*reader)]].concat();
        assert_eq!(post(&approver, DEPOSITS, &of_reader).send(&stage).await.status, 303);
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 10_100);

        // Signed out in one tab, it is so in every other.
        assert_eq!(post(&approver, "/sign-out", &[]).send(&stage).await.status, 303);
        for call in [get(&approver, PLAYER), get(&approver, "/"), post(&approver, DEPOSITS, &DEPOSIT)] {
            assert!(signs_in(&call.send(&stage).await).contains("you are signed in no more"));
        }
        stage.audit().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_says_to_whom_its_page_was_shown() {
    let stage = open(Base::Sqlite).await;
    let wire = Wire::connect(&stage).await;
    park(&wire, "one").await;
    let admin = sign_in(&stage, Role::Admin).await;
    let letter = first_letter(&stage, &admin).await;
    let made = post(&admin, "/parties/acme/dead-letters/plans", &[("act", "drop")]).send(&stage).await;
    let plan = format!("/parties/acme/dead-letters/{}", made.header("location"));
    for path in [PLAYER, "/new-player", "/dead-letters?party=acme", &letter, &plan, "/audit"] {
        let html = page(&stage, &admin, path).await;
        // All but signing out, which is for whoever is signed in.
        let forms = html.matches("method=\"post\"").count() - 1;
        let said = html.matches("name=\"shown_to\" value=\"the-admin\"").count();
        assert!(forms > 0 && said == forms, "{path}: {said} of {forms}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refreshes_itself_does_not_take_what_is_to_be_said_in_another_tab() {
    let stage = open(Base::Sqlite).await;
    let operator = sign_in(&stage, Role::Operator).await;
    assert_eq!(post(&operator, DEPOSITS, &DEPOSIT).send(&stage).await.status, 303);
    let refreshed = get(&operator, "/").header("purser-refresh", "1").send(&stage).await;
    assert_eq!(refreshed.status, 200);
    assert!(page(&stage, &operator, PLAYER).await.contains("Deposited 1.00 CHF"));
    assert!(!page(&stage, &operator, PLAYER).await.contains("Deposited 1.00 CHF"), "it is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_did_in_another_tab_is_seen_in_this_one() {
    on_both(async |base| {
        let stage = open(base).await;
        let wire = Wire::connect(&stage).await;
        park(&wire, "one").await;
        let operator = sign_in(&stage, Role::Operator).await;
        let letter = first_letter(&stage, &operator).await;
        page(&stage, &operator, &letter).await;
        let plans = "/parties/acme/dead-letters/plans";
        let made = post(&operator, plans, &[("act", "redrive")]).send(&stage).await;
        let plan = format!("/parties/acme/dead-letters/{}", made.header("location"));
        assert!(page(&stage, &operator, &plan).await.contains("Put 1 back"));
        let in_another_tab = post(&operator, &format!("{plan}/run"), &[]).send(&stage).await;
        assert_eq!(in_another_tab.status, 303, "{}", in_another_tab.text());
        until("it is done", async || page(&stage, &operator, &plan).await.contains("1 of 1 put back")).await;
        // This tab has seen nothing of it: its button runs nothing, and leads to what came of it.
        let here = post(&operator, &format!("{plan}/run"), &[]).send(&stage).await;
        assert_eq!(here.status, 303, "{}", here.text());
        let told = page(&stage, &operator, &plan).await;
        assert!(told.contains("<strong>done</strong>") && !told.contains("/run\""), "{told}");
        let gone = get(&operator, &letter).send(&stage).await;
        assert!(gone.status == 404 && gone.text().contains("looked at anew"), "{}", gone.text());
        assert!(page(&stage, &operator, "/dead-letters?party=acme").await.contains("None lay there."));
        assert_eq!(stage.balance("acme", "alice", "CHF").await, 9_999, "once");
        let trail = shown(&stage, Role::Admin, "/trail?limit=200").await.to_string();
        assert_eq!(trail.matches("\"dead redrive\"").count(), 2, "begun and done: {trail}");
    })
    .await;
}
