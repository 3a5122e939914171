//! Listening to a party: each decision is shown as it happens, and nothing is taken from a queue.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::process::purser;
use super::stage::{ACME, Stage, on_both};
use crate::patience::until;

struct Listening {
    child: Child,
    heard: PathBuf,
}

impl Listening {
    fn start(stage: &Stage, name: &str, arguments: &[&str]) -> Self {
        let heard = stage.file(name);
        let mut command = purser(&stage.config(), &[&["listen", "--party", "acme"], arguments].concat());
        let out = File::create(&heard).expect("a file");
        let child = command.stdout(out).stderr(Stdio::null()).spawn().expect("purser starts");
        Self { child, heard }
    }

    fn lines(&self) -> Vec<String> {
        let heard = std::fs::read_to_string(&self.heard).expect("a file");
        // The last one may be half written.
        let whole = heard.rfind('\n').map_or("", |end| &heard[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    async fn has_heard(&self, count: usize) -> Vec<String> {
        until(&format!("{count} lines are heard: {:?}", self.lines()), async || self.lines().len() >= count).await;
        self.lines()
    }

    fn end(mut self) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("told");
        assert!(told.success() && self.child.wait().expect("ended").success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_each_decision_of_the_party_once_with_its_reason() {
    on_both(async |base| {
        let stage = Stage::open(base, ACME).await;
        stage.add_player("acme", "alice").await;
        let listening = Listening::start(&stage, "heard.ndjson", &["--json", "--since", "1h"]);
        let opened: Value = serde_json::from_str(&listening.has_heard(1).await[0]).expect("JSON");
        assert_eq!(opened["command"]["act"], "open_player");
        let people = Listening::start(&stage, "heard.txt", &["--since", "1h"]);
        people.has_heard(1).await;
        stage.deposit("acme", "alice", "10", "CHF").await;
        let poor = ["withdraw", "--party", "acme", "--player", "alice", "--currency", "CHF", "--amount", "11"];
        assert_eq!(stage.run(&poor).await.status.code(), Some(1));
        let heard = listening.has_heard(3).await;
        let refused: Value = serde_json::from_str(&heard[2]).expect("JSON");
        assert_eq!(refused["outcome"]["refused"]["insufficient_funds"]["balance"], 1_000);
        let read = people.has_heard(3).await;
        assert!(read[1].contains("200 deposit alice") && read[1].contains("amount=1000"), "{}", read[1]);
        assert!(
            read[2].contains("492 withdraw alice") && read[2].ends_with("-> refused:insufficient_funds:balance:1000")
        );
        assert_eq!(listening.lines().len(), 3);
        listening.end();
        people.end();
    })
    .await;
}
