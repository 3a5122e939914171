//! How long the operators' pages and lists take on a large ledger, over HTTP, one after another.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use purser::admin::trail::{self, Actor, Deed};
use purser::ledger::orders::OrderKey;
use purser::ledger::{ExternalId, Game, OrderId, Party};
use purser::storage::Reader;
use reqwest::Client;
use serde_json::{Value, json};

use crate::history::{CURRENCY, GAME, PARTY};
use crate::ledger::Ledger;
use crate::program;

/// Of what is not in the history: approvals that wait, and acts in the trail.
const APPROVALS: usize = 400;
const ACTS: usize = 3_000;

/// Players that every ledger has.
const FEWEST_PLAYERS: usize = 100;

/// Each page is asked for so often before it counts, and while it does.
const UNCOUNTED: usize = 5;
const COUNTED: usize = 60;

/// What no page may take, at the 95th percentile.
pub const MOST: Duration = Duration::from_millis(50);

const TOKEN: &str = "an-operators-token-of-a-benchmark-42";

/// Above this a transfer waits, in minor units.
const THRESHOLD: i64 = 1_000_000;

/// The longest that a start may take.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// What one page took.
pub struct PageTime {
    pub path: String,
    pub median: Duration,
    pub p95: Duration,
    pub slowest: Duration,
    /// Processor time of `serve` for one: it hardly depends on what else the machine does.
    pub processor: Duration,
}

/// `purser serve` on a ledger, without a broker.
struct Served {
    child: Child,
    url: String,
    client: Client,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Fills what the history leaves empty, and times every page and list.
pub async fn measure(ledger: &Ledger, program: Option<PathBuf>) -> anyhow::Result<Vec<PageTime>> {
    act(&Reader::new(ledger.database.clone())).await?;
    let served = Served::start(ledger, program).await?;
    for number in 0..APPROVALS {
        served.ask_for_approval(number).await?;
    }
    let mut times = Vec::new();
    for path in served.paths().await? {
        times.push(served.time(path).await?);
    }
    Ok(times)
}

/// Acts in the trail, as an operator's are written.
async fn act(reader: &Reader) -> anyhow::Result<()> {
    let actor = Actor { who: "bench".into(), role: "admin", origin: "127.0.0.1".to_owned() };
    for number in 0..ACTS / 2 {
        let target = format!("player-{number:07}");
        let deed =
            Deed { act: "deposit", party: Some(Party::parse(PARTY)?), target, detail: json!({ "amount": "1.00" }) };
        let work = async { Ok::<_, purser::storage::StoreError>(((), "done".to_owned())) };
        trail::recorded(reader, &actor, &deed, work).await?;
    }
    Ok(())
}

impl Served {
    async fn start(ledger: &Ledger, program: Option<PathBuf>) -> anyhow::Result<Self> {
        let directory = ledger.directory.path();
        let (config, log) = (directory.join("serve.toml"), directory.join("serve.log"));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let text = fs::read_to_string(directory.join("purser.toml"))?;
        let listening = format!("listen = \"127.0.0.1:{port}\"\nadmin_token = \"{TOKEN}\"");
        let text = text.replace("listen = \"\"", &listening);
        fs::write(&config, format!("{text}[approvals]\nthreshold = {{ {CURRENCY} = {THRESHOLD} }}\n"))?;
        let program = program.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_purser")));
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).arg("serve").stdin(Stdio::null()).stderr(File::create(&log)?);
        let (child, url) = (command.spawn().context("cannot start purser")?, format!("http://127.0.0.1:{port}"));
        let mut served = Self { child, url, client: Client::new() };
        let began = Instant::now();
        while !served.is_ready().await {
            let has_ended = served.child.try_wait()?.is_some();
            if has_ended || began.elapsed() > START_PATIENCE {
                bail!("purser does not serve: {}", fs::read_to_string(&log)?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(served)
    }

    async fn is_ready(&self) -> bool {
        let asked = self.client.get(format!("{}/readyz", self.url)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ask_for_approval(&self, number: usize) -> anyhow::Result<()> {
        let player = number % FEWEST_PLAYERS;
        let path = format!("{}/admin/v1/parties/{PARTY}/players/player-{player:07}/deposits", self.url);
        let body = json!({
            "amount": "50000.00", "currency": CURRENCY, "key": format!("waits-{number}"), "reason": "a benchmark",
        });
        let asking = self.client.post(path).bearer_auth(TOKEN).json(&body).send().await?;
        ensure!(asking.status() == 202, "an approval was answered {}", asking.status());
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.url)).bearer_auth(TOKEN).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path} was answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// The path of the first thing of a kind that a search finds.
    async fn found(&self, q: &str, kind: &str) -> anyhow::Result<String> {
        let found = self.get(&format!("/admin/v1/search?q={q}")).await?;
        let hits = found["found"].as_array().context("no hits")?;
        let hit = hits.iter().filter_map(|hit| hit["path"].as_str()).find(|path| path.contains(kind));
        Ok(hit.with_context(|| format!("{q} is in no {kind}"))?.trim_start_matches("/admin/v1").to_owned())
    }

    /// Every page with what is most to show: two hundred rows, from the beginning and from the middle.
    async fn paths(&self) -> anyhow::Result<Vec<String>> {
        let order = OrderKey { game: Game::parse(GAME)?, external_id: ExternalId::parse("size-order-000000001001")? };
        let order = format!("/orders/{}", OrderId::of(&Party::parse(PARTY)?, &order).uuid());
        let transaction = self.found("stake-500", "/transactions/").await?;
        let entry = self.found("size-correlation-000000001000", "/journal/").await?;
        let player = format!("/parties/{PARTY}/players/player-0000007");
        let history = self.get(&format!("/admin/v1{player}/history?limit=200")).await?;
        let rows = history["items"].as_array().map_or(0, Vec::len);
        ensure!(rows == 200, "the player has a history of {rows} rows: name fewer players, or more commands");
        let older = history["items"][100]["number"].to_string();
        let trail = (ACTS / 2).to_string();
        let approval = self.get("/admin/v1/approvals?limit=200").await?;
        let middle = approval["items"][199]["id"].as_str().context("an approval")?.to_owned();
        let searches = ["player-0000007", "size-order-000000001001", "stake-500", "123456", "nothing-of-this-name"];
        let searches = searches.map(|q| format!("/search?q={q}"));
        let both = [
            vec![order, transaction, entry, player.clone(), format!("/approvals/{middle}")],
            searches.to_vec(),
            vec!["/search?q=size-correlation-000000001000".to_owned(), "/audit".to_owned()],
            ["?limit=200".to_owned(), format!("?limit=200&after={trail}")]
                .map(|query| format!("/trail{query}"))
                .to_vec(),
            ["?limit=200", "?limit=200&all=true"].map(|query| format!("/approvals{query}")).to_vec(),
            vec![format!("/approvals?limit=200&after={middle}")],
        ]
        .concat();
        let console = both.iter().map(|path| format!("/console{path}"));
        let api = both.iter().filter(|path| !path.starts_with("/approvals/")).map(|path| format!("/admin/v1{path}"));
        let only_console = [
            "/".to_owned(),
            "/health".to_owned(),
            "/new-player".to_owned(),
            format!("{player}?limit=200"),
            format!("{player}?limit=200&after={older}"),
            format!("/voids?party={PARTY}&limit=200"),
            format!("/voids?party={PARTY}&limit=200&all=true"),
        ];
        let only_api = [
            "/parties".to_owned(),
            format!("{player}/history?limit=200"),
            format!("{player}/history?limit=200&after={older}"),
            format!("/parties/{PARTY}/voids?limit=200"),
            format!("/parties/{PARTY}/voids?limit=200&all=true"),
        ];
        let only_console = only_console.map(|path| format!("/console{path}"));
        let only_api = only_api.map(|path| format!("/admin/v1{path}"));
        Ok(only_console.into_iter().chain(console).chain(only_api).chain(api).collect())
    }

    fn processor(&self) -> Duration {
        program::times(self.child.id()).map_or(Duration::ZERO, |(spent, _)| spent)
    }

    async fn time(&self, path: String) -> anyhow::Result<PageTime> {
        let (mut times, mut before) = (Vec::with_capacity(COUNTED), self.processor());
        for number in 0..UNCOUNTED + COUNTED {
            if number == UNCOUNTED {
                before = self.processor();
            }
            let began = Instant::now();
            let answer = self.client.get(format!("{}{path}", self.url)).bearer_auth(TOKEN).send().await?;
            let status = answer.status();
            let body = answer.bytes().await?;
            ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&body));
            if number >= UNCOUNTED {
                times.push(began.elapsed());
            }
        }
        let processor = self.processor().saturating_sub(before) / COUNTED as u32;
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let page = PageTime { path, median: at(50), p95: at(95), slowest: at(100), processor };
        eprintln!(
            "{}: {:.1} ms, p95 {:.1} ms, processor {:.1} ms",
            page.path,
            ms(page.median),
            ms(page.p95),
            ms(page.processor)
        );
        Ok(page)
    }
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The times as a table; an error where a page takes longer than it may.
pub fn report(measured: &[(&'static str, Vec<PageTime>)]) -> anyhow::Result<()> {
    println!("\n| database | page | median ms | p95 ms | slowest ms | processor ms |\n|---|---|---|---|---|---|");
    for (place, times) in measured {
        for PageTime { path, median, p95, slowest, processor } in times {
            let [median, p95, slowest, processor] = [median, p95, slowest, processor].map(|time| ms(*time));
            println!("| {place} | `{path}` | {median:.1} | {p95:.1} | {slowest:.1} | {processor:.1} |");
        }
    }
    let slow = measured.iter().flat_map(|(place, times)| times.iter().map(move |time| (place, time)));
    let slow: Vec<String> =
        slow.filter(|(_, time)| time.p95 > MOST).map(|(place, time)| format!("{place} {}", time.path)).collect();
    ensure!(slow.is_empty(), "slower than {} ms: {}", MOST.as_millis(), slow.join(", "));
    Ok(())
}
