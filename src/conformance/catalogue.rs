//! What a wallet promises, as data: cases of a few steps, each with the sentence of the documentation that it holds the
//! wallet to. The files are `schemas/conformance/*.toml`; `catalogue.json` beside them is their schema.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The files, in the order in which they are judged.
const FILES: [(&str, &str); 11] = [
    ("rules.toml", include_str!("../../schemas/conformance/rules.toml")),
    ("amqp-orders.toml", include_str!("../../schemas/conformance/amqp-orders.toml")),
    ("amqp-refusals.toml", include_str!("../../schemas/conformance/amqp-refusals.toml")),
    ("amqp-messages.toml", include_str!("../../schemas/conformance/amqp-messages.toml")),
    ("amqp-tokens.toml", include_str!("../../schemas/conformance/amqp-tokens.toml")),
    ("rest.toml", include_str!("../../schemas/conformance/rest.toml")),
    ("balance-service.toml", include_str!("../../schemas/conformance/balance-service.toml")),
    ("quickplay.toml", include_str!("../../schemas/conformance/quickplay.toml")),
    ("goplay.toml", include_str!("../../schemas/conformance/goplay.toml")),
    ("codegames.toml", include_str!("../../schemas/conformance/codegames.toml")),
    ("provider.toml", include_str!("../../schemas/conformance/provider.toml")),
];

/// The schema of the files.
const SCHEMA: &str = include_str!("../../schemas/conformance/catalogue.json");

/// A file that does not read. Only a build of the program with a broken catalogue has one.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("schemas/conformance/{file}: {error}")]
    File { file: &'static str, error: toml::de::Error },
    #[error("case {0} is there twice")]
    Twice(String),
}

/// By which way a wallet is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpokenDialect {
    Amqp,
    Rest,
    BalanceService,
    Quickplay,
    Goplay,
    Codegames,
}

impl SpokenDialect {
    /// The trading API, which every wallet speaks.
    pub(crate) const TRADING: [Self; 2] = [Self::Amqp, Self::Rest];

    pub fn name(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Rest => "rest",
            Self::BalanceService => "balance-service",
            Self::Quickplay => "quickplay",
            Self::Goplay => "goplay",
            Self::Codegames => "codegames",
        }
    }

    /// Whether players are shown by tokens of the party's.
    pub(crate) fn shows_tokens(self) -> bool {
        matches!(self, Self::Amqp | Self::Rest | Self::Quickplay)
    }
}

/// A sentence of the published documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    #[serde(default)]
    pub document: String,
    pub section: String,
    pub sentence: String,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, \"{}\": {}", self.document, self.section, self.sentence)
    }
}

/// What a case cannot be judged without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A key that signs tokens, and a wallet that asks for them.
    Tokens,
    /// Two players with money.
    SecondPlayer,
    /// The limit of a single bet.
    Limit,
    /// A player who may bet more than there is.
    BelowLimit,
    /// The players of a sandbox.
    Sandbox,
    /// HTTP, beside the queues.
    Http,
    /// A provider's key over HTTP.
    ApiKey,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub id: String,
    pub title: String,
    pub clause: Clause,
    #[serde(default)]
    pub needs: Vec<Need>,
    pub step: Vec<CaseStep>,
    #[serde(skip)]
    pub dialect: Option<SpokenDialect>,
}

/// One thing that a case does.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CaseStep {
    /// Sends a message and judges its reply.
    Ask(Message),
    /// Sends a message; a later `reply` judges what comes.
    Send(Message),
    Reply(Awaited),
    /// Sends the same bytes again; the same bytes must come back.
    Repeat(Repeat),
    /// Sends `count` copies at once, each with a correlation id of its own; all must be answered with the same bytes.
    Copies(Message),
    /// Sends `count` messages at once, numbered by `{n}`; each must be answered.
    Many(Message),
    /// Lets a part of the grace go by.
    Wait(WaitStep),
    /// Asks for a player's balance and judges it.
    Balance(BalanceStep),
    /// Calls over HTTP and judges the response.
    Http(HttpCall),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishRoute {
    /// Through the topic exchange.
    #[default]
    Exchange,
    /// Straight to the queue, through the default exchange.
    Queue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyTo {
    /// A queue of the case's own.
    #[default]
    Queue,
    /// `amq.rabbitmq.reply-to`.
    Direct,
    /// None: the reply goes to the status exchange.
    Status,
}

/// What a message shows for its player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    #[default]
    Good,
    None,
    /// Ended an hour ago.
    Expired,
    /// Another's signature under good claims.
    Forged,
    /// Another player's.
    Other,
    /// Does not say when it ends.
    Endless,
    /// A good one in the place of `playerId`, and none in the header.
    Body,
    /// No JWT at all.
    Garbage,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What later steps call it.
    #[serde(default)]
    pub name: String,
    pub operation: String,
    /// Whose it is.
    #[serde(default = "player")]
    pub player: String,
    /// Members beside, or instead of, those that the operation has by itself.
    #[serde(default)]
    pub body: Map<String, Value>,
    /// Members to leave out.
    #[serde(default)]
    pub without: Vec<String>,
    /// Another body altogether.
    pub raw: Option<String>,
    /// Blanks are added up to this length.
    pub pad_to: Option<usize>,
    #[serde(default)]
    pub route: PublishRoute,
    #[serde(default)]
    pub reply_to: ReplyTo,
    /// An empty one is left out; none: one of its own.
    pub correlation_id: Option<String>,
    pub message_id: Option<String>,
    #[serde(default = "yes")]
    pub persistent: bool,
    #[serde(default)]
    pub token: TokenKind,
    /// The message's `timestamp`, so many seconds ago.
    pub sent_ago_s: Option<u64>,
    #[serde(default = "one")]
    pub count: usize,
    #[serde(default)]
    pub expect: Expect,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    pub of: String,
    pub expect: Expect,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub of: String,
    /// Another way to the queue than the first time.
    pub route: Option<PublishRoute>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitStep {
    pub grace_percent: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceStep {
    #[serde(default = "player")]
    pub player: String,
    /// What it must be: `start - stake`.
    pub is: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCall {
    #[serde(default)]
    pub name: String,
    pub method: String,
    pub path: String,
    #[serde(default = "player")]
    pub player: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<Map<String, Value>>,
    pub raw: Option<String>,
    pub pad_to: Option<usize>,
    #[serde(default)]
    pub token: TokenKind,
    /// Whether the provider's key is shown, where there is one.
    #[serde(default = "yes")]
    pub key: bool,
    /// Whether the partner signs the body, where its dialect wants that.
    #[serde(default = "yes")]
    pub sign: bool,
    /// Whether it signs the body's `data` alone, as its text stands there.
    #[serde(default)]
    pub sign_data: bool,
    #[serde(default)]
    pub expect: Expect,
    /// Values for later steps: a header's, or a member's of the body where it begins with `/`. What is called `secret_…` is
    /// shown in no report.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
}

/// What must come. What is left out is not looked at; what every reply has to have (`rules.toml`) always is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Any of these; a balance counts as 200. Over HTTP it is the status, too.
    #[serde(default)]
    pub code: Vec<String>,
    /// Members that must be there with these values.
    #[serde(default)]
    pub body: Map<String, Value>,
    /// Values that must stand at these places of the body: `/error/code`.
    #[serde(default)]
    pub at: BTreeMap<String, Value>,
    /// Whether there must be no body.
    #[serde(default)]
    pub empty: bool,
    /// Parameters of the address that the browser must be sent to.
    #[serde(default)]
    pub location: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn player() -> String {
    "{player}".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the sentences stand.
    document: String,
    dialect: Option<SpokenDialect>,
    #[serde(default)]
    rule: BTreeMap<String, Clause>,
    #[serde(default)]
    case: Vec<Case>,
}

/// Everything that wallets are held to.
#[derive(Debug)]
pub struct Catalogue {
    /// What every reply is held to, whichever case it is of.
    pub rules: BTreeMap<String, Clause>,
    pub cases: Vec<Case>,
    /// SHA-256 of the files and their schema.
    pub digest: String,
}

impl Catalogue {
    pub fn load() -> Result<Self, CatalogueError> {
        let (mut rules, mut cases, mut digest) = (BTreeMap::new(), Vec::new(), Sha256::new());
        digest.update(SCHEMA);
        for (file, text) in FILES {
            digest.update(text);
            let read: File = toml::from_str(text).map_err(|error| CatalogueError::File { file, error })?;
            let at = |clause: Clause| Clause { document: read.document.clone(), ..clause };
            rules.extend(read.rule.into_iter().map(|(name, clause)| (name, at(clause))));
            cases.extend(read.case.into_iter().map(|case| Case {
                clause: at(case.clause),
                dialect: read.dialect,
                ..case
            }));
        }
        let mut seen = std::collections::BTreeSet::new();
        match cases.iter().find(|case: &&Case| !seen.insert(case.id.clone())) {
            Some(case) => Err(CatalogueError::Twice(case.id.clone())),
            None => Ok(Self { rules, cases, digest: super::hex(&digest.finalize()) }),
        }
    }

    /// The clause that every reply is held to by this name.
    pub fn rule(&self, name: &str) -> Clause {
        let unknown = || Clause { document: String::new(), section: String::new(), sentence: name.to_owned() };
        self.rules.get(name).cloned().unwrap_or_else(unknown)
    }
}
