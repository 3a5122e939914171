//! The sign-in page: what it refuses and to whom it says so, and that nobody can fill it in for somebody else.

use super::partner::{ASKING, CHALLENGE, PASSWORD, Page, REDIRECT, encode, form, landing, open, value, with};
use crate::e2e::stage::{Stage, on_both};
use crate::http::client::{Call, Response};

async fn ask(stage: &Stage, asking: &[(String, String)]) -> Response {
    Call::new("GET", format!("/oauth/authorize?{}", encode(asking))).send(stage).await
}

fn check_headers(response: &Response) {
    let policy = response.header("content-security-policy");
    for part in ["default-src 'none'", "style-src 'sha256-", "form-action ", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_the_client_and_what_it_may_do() {
    on_both(async |base| {
        let mut stage = open(base).await;
        for (scope, may, may_not) in [
            ("", "buy VIP status", "nothing else"),
            ("profile", "see your nickname", "buy VIP"),
            ("vip", "buy VIP", "see your"),
        ] {
            let response = ask(&stage, &with(&ASKING, &[("scope", scope)])).await;
            check_headers(&response);
            let html = response.text();
            assert!(html.contains("<strong>vip-shop</strong>") && html.contains("https://shop.example"), "{html}");
            assert!(html.contains(may) && !html.contains(may_not), "{html}");
            let cookie = response.header("set-cookie");
            assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
        }
        let behind_tls = Call::new("GET", format!("/oauth/authorize?{}", encode(&with(&ASKING, &[]))));
        let response = behind_tls.header("x-forwarded-proto", "https").send(&stage).await;
        assert!(response.header("set-cookie").ends_with("; Secure"));
        // The configuration says the same of a proxy that does not.
        stage.replace_in_config("[http]\n", "[http]\npublic_url = \"https://pay.example/purser\"\n");
        stage.stop().await;
        stage.serve();
        stage.until_ready().await;
        let response = ask(&stage, &with(&ASKING, &[])).await;
        assert!(response.header("set-cookie").ends_with("; Secure"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_redirect_uri_is_known_to_be_good_nobody_is_sent_anywhere() {
    on_both(async |base| {
        let stage = open(base).await;
        for changes in [
            [("client_id", "")],
            [("client_id", "nobody")],
            [("redirect_uri", "")],
            [("redirect_uri", "https://shop.example/back")],
            [("redirect_uri", "https://shop.example/back?keep=1&more=2")],
            [("redirect_uri", "https://SHOP.example/back?keep=1")],
            [("redirect_uri", "https://other.example/back")],
            [("redirect_uri", "javascript:alert(1)")],
        ] {
            let asking = with(&ASKING, &changes);
            for response in [ask(&stage, &asking).await, form("/oauth/authorize", &asking).send(&stage).await] {
                assert_eq!((response.status, response.header("location")), (400, ""), "{changes:?}");
                check_headers(&response);
            }
        }
        for name in ["client_id", "redirect_uri"] {
            let twice = format!("{}&{name}=x", encode(&with(&ASKING, &[])));
            let response = Call::new("GET", format!("/oauth/authorize?{twice}")).send(&stage).await;
            assert_eq!((response.status, response.header("location")), (400, ""), "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_then_on_the_client_is_told_with_its_state() {
    on_both(async |base| {
        let stage = open(base).await;
        let long_state = "s".repeat(2049);
        for (changes, error) in [
            ([("response_type", "")], "invalid_request"),
            ([("response_type", "token")], "unsupported_response_type"),
            ([("code_challenge", "")], "invalid_request"),
            ([("code_challenge", "short")], "invalid_request"),
            ([("code_challenge_method", "")], "invalid_request"),
            ([("code_challenge_method", "plain")], "invalid_request"),
            ([("scope", "profile admin")], "invalid_scope"),
            ([("state", long_state.as_str())], "invalid_request"),
        ] {
            let response = ask(&stage, &with(&ASKING, &changes)).await;
            let (address, query) = landing(&response);
            assert_eq!((response.status, address.as_str()), (302, "https://shop.example/back"), "{changes:?}");
            assert_eq!(value(&query, "error").as_deref(), Some(error), "{changes:?}");
            assert_eq!(value(&query, "keep").as_deref(), Some("1"), "its own query stays");
            let state = if changes[0].0 == "state" { None } else { Some("s t&a=t%e") };
            assert_eq!(value(&query, "state").as_deref(), state, "{changes:?}");
            assert_eq!(value(&query, "code"), None);
        }
        let twice = format!("/oauth/authorize?{}&scope=vip", encode(&with(&ASKING, &[])));
        let (_, query) = landing(&Call::new("GET", twice).send(&stage).await);
        assert_eq!(value(&query, "error").as_deref(), Some("invalid_request"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_signs_in_by_id_or_username_and_allows_or_denies() {
    on_both(async |base| {
        let stage = open(base).await;
        for login in ["alice", "ali"] {
            let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
            let response = page.sign_in(&stage, login, PASSWORD).await;
            let (address, query) = landing(&response);
            assert_eq!((response.status, address.as_str()), (303, "https://shop.example/back"));
            assert_eq!(value(&query, "state").as_deref(), Some("s t&a=t%e"));
            assert_eq!(value(&query, "code").map(|code| code.len()), Some(43), "256 bits");
        }
        let page = Page::open(&stage, "", &with(&ASKING, &[("state", "")])).await;
        let (_, query) = landing(&page.submit(&stage, &[("decision", "deny")]).await);
        assert_eq!(value(&query, "error").as_deref(), Some("access_denied"));
        assert_eq!((value(&query, "state"), value(&query, "code")), (None, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_a_player_of_the_party_with_this_password_gets_the_page_again() {
    on_both(async |base| {
        let stage = open(base).await;
        stage.add_player("acme", "nopass").await;
        let too_long = "x".repeat(1025);
        for (username, password, status) in [
            ("alice", "wrong", 403),
            ("nobody", PASSWORD, 403),
            ("nopass", PASSWORD, 403),
            ("Alice", PASSWORD, 403),
            ("a\0b", PASSWORD, 403),
            ("alice", too_long.as_str(), 403),
            (too_long.as_str(), PASSWORD, 403),
            ("", PASSWORD, 400),
            ("alice", "", 400),
        ] {
            let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
            let response = page.sign_in(&stage, username, password).await;
            assert_eq!((response.status, response.header("location")), (status, ""), "{username}");
            check_headers(&response);
            assert!(!response.text().contains(PASSWORD), "a password is never shown again");
            let again = Page::read("/oauth/authorize", &response);
            assert!(again.html.contains("role=\"alert\""));
            let (_, query) = landing(&again.sign_in(&stage, "bob", PASSWORD).await);
            assert!(value(&query, "code").is_some(), "the page works again");
        }
        let log = stage.log();
        assert!(!log.contains(PASSWORD) && !log.contains(CHALLENGE) && !log.contains("goplay_sign_in"), "{log}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_elsewhere_grants_nothing() {
    on_both(async |base| {
        let stage = open(base).await;
        let typed = [("username", "alice"), ("password", PASSWORD), ("decision", "allow")];
        let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
        let other = Page::open(&stage, "", &with(&ASKING, &[])).await;
        for cookie in ["", "goplay_sign_in=", "goplay_sign_in=x", &other.cookie] {
            let response = page.submit_with(&stage, cookie, &typed).await;
            assert_eq!((response.status, response.header("location")), (403, ""), "{cookie}");
        }
        for (name, value) in [
            ("redirect_uri", "http://127.0.0.1:9000/callback"),
            ("state", "another"),
            ("scope", "vip"),
            ("code_challenge", &"A".repeat(43)),
            ("ticket", ""),
            ("ticket", &"A".repeat(43)),
        ] {
            let mut forged = Page::open(&stage, "", &with(&ASKING, &[])).await;
            forged.fields.iter_mut().filter(|(known, _)| known == name).for_each(|(_, field)| value.clone_into(field));
            let response = forged.submit(&stage, &typed).await;
            assert_eq!((response.status, response.header("location")), (403, ""), "{name}");
        }
        let denied = page.submit_with(&stage, "", &[("decision", "deny")]).await;
        assert_eq!(denied.status, 403, "nobody can deny for somebody else either");
        let (address, _) = landing(&page.submit(&stage, &typed).await);
        assert!(REDIRECT.starts_with(&address));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_five_wrong_passwords_even_the_right_one_has_to_wait() {
    on_both(async |base| {
        let stage = open(base).await;
        let page = Page::open(&stage, "", &with(&ASKING, &[])).await;
        for login in ["alice", "nobody"] {
            for _ in 0..5 {
                assert_eq!(page.sign_in(&stage, login, "wrong").await.status, 403);
            }
            let response = page.sign_in(&stage, login, PASSWORD).await;
            assert_eq!(response.status, 429);
            let wait: u32 = response.header("retry-after").parse().expect("seconds");
            assert!((1..=10).contains(&wait), "{wait}");
            check_headers(&response);
        }
        assert_eq!(page.sign_in(&stage, "ali", PASSWORD).await.status, 429, "alice's other name");
        let (_, query) = landing(&page.sign_in(&stage, "bob", PASSWORD).await);
        assert!(value(&query, "code").is_some(), "others do not wait");
    })
    .await;
}
