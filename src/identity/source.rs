//! Where a key set is kept, and reading it from there.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use url::Url;

use super::keys::{self, KeyError, MAX_BYTES};

/// An identity provider that takes longer would hold up the tokens that wait for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) enum KeySource {
    /// The key is in the configuration and does not change.
    Fixed,
    File(PathBuf),
    Url {
        url: Url,
        client: reqwest::Client,
    },
}

/// What tells that a file was written again, without reading it.
pub(super) type Stamp = (SystemTime, u64);

impl KeySource {
    /// Redirects are off: the keys come from where the operator said, and from nowhere else.
    pub fn url(url: Url) -> Result<Self, KeyError> {
        let builder = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let client = builder.build().map_err(fetch_error)?;
        Ok(Self::Url { url, client })
    }

    /// The file's stamp; none where it is no file, or not there at the moment.
    pub fn stamp(&self) -> Option<Stamp> {
        let Self::File(path) = self else {
            return None;
        };
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Reads the file at once: it is local and small.
    pub fn read_file(&self) -> Result<Vec<u8>, KeyError> {
        let Self::File(path) = self else {
            return Err(KeyError::Set("there is no key set to read"));
        };
        keys::read_file(path)
    }

    pub async fn fetch(&self) -> Result<Vec<u8>, KeyError> {
        let Self::Url { url, client } = self else {
            return self.read_file();
        };
        let response = client.get(url.clone()).header("accept", "application/json").send().await;
        let mut response = response.map_err(fetch_error)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(KeyError::Fetch(format!("the answer is {}", response.status())));
        }
        let mut json = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fetch_error)? {
            json.extend_from_slice(&chunk);
            if json.len() > MAX_BYTES {
                return Err(KeyError::Fetch(format!("the answer is longer than {MAX_BYTES} bytes")));
            }
        }
        Ok(json)
    }
}

/// The address may carry a key of its own in its query, so it is left out.
fn fetch_error(error: reqwest::Error) -> KeyError {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    KeyError::Fetch(format!("{error}{cause}"))
}
