//! Who may call, and how: the API key, and what the seed requires of a request's headers.

use http::Method;

use super::code::{BalanceServiceCode, CallRefused};
use crate::config::Secret;
use crate::dialects::http::Request;

/// A quality of an `Accept` entry, in thousandths.
const FULL_QUALITY: u16 = 1000;

/// Lets a request through that carries one of the keys. Where none is configured, only this machine may call.
pub fn check_key(api_keys: &[Secret], request: &Request) -> Result<(), CallRefused> {
    if api_keys.is_empty() {
        let nobody = "this party has no API keys, so that it answers on this machine only, and nobody through a proxy";
        return if request.is_local { Ok(()) } else { Err(BalanceServiceCode::ApiKey.because(nobody)) };
    }
    let presented = request.header("x-api-key").or_else(|| request.bearer());
    let presented = presented.ok_or_else(|| BalanceServiceCode::ApiKey.because("send it in the header x-api-key"))?;
    if Secret::is_among(presented, api_keys) { Ok(()) } else { Err(BalanceServiceCode::ApiKey.into()) }
}

/// Checks method and headers, in the order of the seed's codes.
pub fn check_headers(request: &Request) -> Result<(), CallRefused> {
    if request.method != Method::POST {
        return Err(BalanceServiceCode::NotPost.into());
    }
    if !request.is_content_type("application/json") {
        return Err(BalanceServiceCode::ContentType.because("it must be application/json"));
    }
    let accepts = request.headers.get_all("accept").iter();
    let accepts: Vec<&str> = accepts.filter_map(|value| value.to_str().ok()).collect();
    if accepts_json(&accepts.join(",")) {
        Ok(())
    } else {
        Err(BalanceServiceCode::Accept.because("it must allow application/json"))
    }
}

/// Whether an `Accept` header allows JSON: the most specific range that covers it decides.
fn accepts_json(accept: &str) -> bool {
    let ranges = accept.split(',').filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let specificity = match parts.next()?.to_ascii_lowercase().as_str() {
            "application/json" => 2,
            "application/*" => 1,
            "*/*" => 0,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((specificity, weight.map_or(Some(FULL_QUALITY), quality)?))
    });
    ranges.max().is_some_and(|(_, quality)| quality > 0)
}

/// `0.8` as 800; `None` for what is no weight.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_weight = matches!(whole, "0" | "1") && fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let thousandths = format!("{whole}{fraction:0<3}").parse().ok().filter(|_| is_weight)?;
    (thousandths <= FULL_QUALITY).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::accepts_json;

    #[test]
    fn the_most_specific_range_decides_whether_json_is_accepted() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/*", true),
            ("*/*", true),
            ("text/html, */*;q=0.1", true),
            ("application/json;q=0.001", true),
            ("application/json;q=0, */*", false),
            ("*/*;q=0", false),
            ("application/json, */*;q=0", true),
            ("application/json;q=0.000", false),
            ("application/json;q=high", false),
            ("application/json;q=1.5", false),
            ("text/html", false),
            ("application/jsonp", false),
            ("", false),
        ];
        for (accept, does) in cases {
            assert_eq!(accepts_json(accept), does, "{accept}");
        }
    }
}
