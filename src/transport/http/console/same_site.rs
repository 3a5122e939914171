//! Whether a form came from one of our own pages. The cookie alone does not tell: a browser sends it with whatever page of
//! the same site asks it to.

use axum::http::{HeaderMap, header};
use url::Url;

/// Whether a request may be from a page of ours: the browser says so, in `Sec-Fetch-Site` where it sends that, else in
/// `Origin`. `None`: it says nothing.
pub fn is_own(headers: &HeaderMap, public: Option<&Url>) -> Option<bool> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let origin = headers.get(header::ORIGIN)?.to_str().unwrap_or_default();
    Some(is_ours(origin, headers, public))
}

/// The public address's, or that of the host that the request was sent to.
fn is_ours(origin: &str, headers: &HeaderMap, public: Option<&Url>) -> bool {
    if public.is_some_and(|public| public.origin().ascii_serialization() == origin) {
        return true;
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    origin
        .split_once("://")
        .is_some_and(|(scheme, authority)| matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host))
}

/// Whether the browser's side is encrypted, as configuration or the proxy in front say.
pub fn is_https(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    public.is_some_and(|public| public.scheme() == "https")
        || forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_ours_where_the_browser_says_so() {
        let public = Url::parse("https://ops.example/purser").unwrap();
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], Some(true)),
            (&[("sec-fetch-site", "same-site")], Some(false)),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a:80"), ("host", "a:80")], Some(false)),
            (&[("sec-fetch-site", "none")], Some(false)),
            (&[("origin", "https://ops.example")], Some(true)),
            (&[("origin", "http://ops.example"), ("host", "127.0.0.1:8080")], Some(false)),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], Some(true)),
            (&[("origin", "http://127.0.0.1:9090"), ("host", "127.0.0.1:8080")], Some(false)),
            (&[("origin", "null"), ("host", "null")], Some(false)),
            (&[("origin", "http://a"), ("host", "a"), ("host", "b")], Some(false)),
            (&[("host", "a")], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_own(&headers, Some(&public)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn https_is_what_the_public_address_or_the_proxy_says() {
        let [https, http] = ["https://a", "http://a"].map(|text| Url::parse(text).unwrap());
        let forwarded =
            |scheme: &str| HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), scheme.parse().unwrap())]);
        assert!(is_https(&HeaderMap::new(), Some(&https)) && is_https(&forwarded("HTTPS"), None));
        assert!(!is_https(&HeaderMap::new(), Some(&http)) && !is_https(&forwarded("http"), None));
    }
}
