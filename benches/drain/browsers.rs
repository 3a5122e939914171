//! Operators who look on while a backlog drains: what a browser that is open on the console asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::redirect::Policy;
use reqwest::{Client, header};
use tokio::task::JoinHandle;

use crate::purser::{Purser, TOKEN};

/// As often as the console's own script looks again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Purser may not listen yet.
const START_PAUSE: Duration = Duration::from_millis(100);
const START_TRIES: u32 = 300;

/// What is looked at beside the overview, in turns.
const PAGES: [&str; 7] = [
    "parties/bench/players/player-000007?limit=200",
    "search?q=player-000007",
    "search?q=bench-000000000042",
    "voids",
    "approvals",
    "trail?limit=200",
    "health",
];

/// The browsers, until they are closed.
pub struct Browsers {
    open: Vec<JoinHandle<anyhow::Result<()>>>,
    looks: Arc<AtomicU64>,
}

impl Browsers {
    pub fn open(purser: &Purser, count: usize) -> Self {
        let looks = Arc::<AtomicU64>::default();
        let tasks = (0..count).flat_map(|number| {
            let (url, looks) = (purser.url.clone(), Arc::clone(&looks));
            [tokio::spawn(watch(url.clone())), tokio::spawn(look_on(url, number, looks))]
        });
        Self { open: tasks.collect(), looks }
    }

    /// Closes them; an error where one was not answered. Returns how many pages they were shown.
    pub async fn close(self) -> anyhow::Result<u64> {
        for browser in self.open {
            // One that looks on does so until it is closed.
            if browser.is_finished() {
                browser.await??;
            } else {
                browser.abort();
            }
        }
        let looks = self.looks.load(Ordering::Relaxed);
        ensure!(looks > 0, "nobody was shown a page: is the backlog too small?");
        Ok(looks)
    }
}

/// Signs in, as a person does; answers with a client that has the cookie.
async fn signed_in(url: &str) -> anyhow::Result<Client> {
    let client = Client::builder().redirect(Policy::none()).build()?;
    for _ in 0..START_TRIES {
        let body = format!("token={TOKEN}");
        let form = client.post(format!("{url}/console/sign-in")).body(body);
        let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let Ok(answer) = form.send().await else {
            tokio::time::sleep(START_PAUSE).await;
            continue;
        };
        let cookie = answer.headers().get(header::SET_COOKIE).context("no cookie")?.to_str()?.to_owned();
        let cookie = cookie.split(';').next().unwrap_or_default().parse()?;
        let headers = header::HeaderMap::from_iter([(header::COOKIE, cookie)]);
        return Ok(Client::builder().default_headers(headers).build()?);
    }
    anyhow::bail!("nobody listens at {url}")
}

/// The overview again and again, and between two looks at it another page.
async fn look_on(url: String, number: usize, looks: Arc<AtomicU64>) -> anyhow::Result<()> {
    let client = signed_in(&url).await?;
    for page in (number..).map(|turn| PAGES[turn % PAGES.len()]) {
        for page in ["", page] {
            let answer = client.get(format!("{url}/console/{page}")).send().await?;
            ensure!(answer.status().is_success(), "page {page:?} was answered {}", answer.status());
            answer.bytes().await?;
            looks.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The stream of moments.
async fn watch(url: String) -> anyhow::Result<()> {
    signed_in(&url).await?;
    let mut streaming = Client::new().get(format!("{url}/admin/v1/live")).bearer_auth(TOKEN).send().await?;
    ensure!(streaming.status().is_success(), "the stream was answered {}", streaming.status());
    while streaming.chunk().await?.is_some() {}
    anyhow::bail!("the stream has ended")
}
