//! Where traces go.

use url::Url;

use super::error::ConfigError;
use super::section::Section;

#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// A collector that takes OTLP over HTTP; none: the environment's (`OTEL_EXPORTER_OTLP_ENDPOINT`), else nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// The share of messages and requests that is traced, of those without a sampled `traceparent` of their own.
    pub sample_ratio: f64,
}

pub(super) fn telemetry(mut section: Section) -> Result<Telemetry, ConfigError> {
    let endpoint = section.require("otlp_endpoint")?;
    // A password in it would be shown with it; OTEL_EXPORTER_OTLP_HEADERS is the place for credentials.
    let is_http = |text: &str| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
        })
    };
    let otlp_endpoint = if endpoint.is_empty() {
        None
    } else {
        let problem = "must be a URL such as \"http://127.0.0.1:4318\", without user and password";
        Some(endpoint.parsed(problem, |text| is_http(text).then(|| text.to_owned()))?)
    };
    let sample_ratio = section.require("sample_ratio")?.share()?;
    section.finish()?;
    Ok(Telemetry { otlp_endpoint, sample_ratio })
}

#[cfg(test)]
mod tests {
    use crate::config::tests::parse;

    #[test]
    fn traces_go_nowhere_until_somebody_says_where() {
        let usual = parse("").unwrap().telemetry;
        assert_eq!((usual.otlp_endpoint, usual.sample_ratio), (None, 0.01));
        for (ratio, expected) in [("1", 1.0), ("0", 0.0), ("0.25", 0.25), ("\"0.5\"", 0.5)] {
            let text = format!("[telemetry]\notlp_endpoint = \"http://c:4318\"\nsample_ratio = {ratio}");
            let found = parse(&text).unwrap().telemetry;
            assert_eq!((found.otlp_endpoint.as_deref(), found.sample_ratio), (Some("http://c:4318"), expected));
        }
    }

    #[test]
    fn what_is_wrong_with_telemetry_is_named() {
        for (toml, says) in [
            ("otlp_endpoint = \"c:4318\"", "telemetry.otlp_endpoint (set in test.toml) must be a URL such as"),
            ("otlp_endpoint = \"http://u:secret@c:4318\"", "without user and password"),
            ("sample_ratio = 1.5", "telemetry.sample_ratio (set in test.toml) must be a number from 0 to 1"),
            ("sample_ratio = -1", "telemetry.sample_ratio (set in test.toml) must be a number from 0 to 1"),
            ("sample_ratio = nan", "telemetry.sample_ratio (set in test.toml) must be a number from 0 to 1"),
            ("colour = 1", "telemetry.colour (set in test.toml) is not a setting"),
        ] {
            let error = parse(&format!("[telemetry]\n{toml}")).expect_err(toml).to_string();
            assert!(error.contains(says) && !error.contains("secret"), "{error}, not {says}");
        }
    }
}
