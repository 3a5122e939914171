//! A wallet that is wrong on purpose: a go-between with queues of its own in one virtual host, and Purser's behind it in
//! another. What it passes on it passes on well, but for one fault.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use purser::dialects::egpp::Operation;
use purser::transport::amqp::topology::{REQUESTS, STATUS, short};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Takes every stake twice.
    DoublesDebits,
    /// Answers what it has seen before as if it were news.
    ForgetsRepeats,
    /// Answers a repeat with one byte more, which means the same.
    ChangesStoredByte,
    /// Gives the reply about one player's balance to who asked about another's.
    SwapsCorrelations,
    /// Every tenth reply has a correlation id that nobody sent.
    InventsCorrelations,
    LosesOneInAHundred,
    ForgetsPersistence,
    /// Tells the token that it was shown, in a page's own words.
    Gossips,
    /// Takes everything, answers nothing.
    Silent,
}

/// Replies that go well first, so that there is something to judge.
const WELL_BEHAVED: usize = 60;

/// Runs as long as it is kept.
pub struct Crooked {
    running: JoinHandle<()>,
    _connections: [Connection; 2],
}

impl Drop for Crooked {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A request that is under way behind the go-between.
struct Asked {
    request: Delivery,
    is_repeat: bool,
}

struct GoBetween {
    front: Channel,
    back: Channel,
    back_replies: ShortString,
    fault: Fault,
    /// By the correlation id that the request has behind the go-between.
    asked: HashMap<String, Asked>,
    seen: HashSet<(String, Vec<u8>)>,
    replies: usize,
    held: Option<(Delivery, Vec<u8>)>,
}

impl Crooked {
    pub async fn start(front: &str, back: &str, fault: Fault) -> Self {
        let connect =
            async |url: &str| Connection::connect(url, ConnectionProperties::default()).await.expect("a connection");
        let connections = [connect(front).await, connect(back).await];
        let [front, back] = [connections[0].create_channel().await, connections[1].create_channel().await];
        let (front, back) = (front.expect("a channel"), back.expect("a channel"));
        let mut requests = Vec::new();
        for exchange in [REQUESTS, STATUS] {
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let declaring =
                front.exchange_declare(short(exchange), ExchangeKind::Topic, options, FieldTable::default());
            declaring.await.expect("an exchange");
        }
        for operation in Operation::ALL {
            let queue = short(&format!("v1.0.acme.{}", operation.name()));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            front.queue_declare(queue.clone(), options, FieldTable::default()).await.expect("a queue");
            let (options, none) = (QueueBindOptions::default(), FieldTable::default());
            front.queue_bind(queue.clone(), short(REQUESTS), queue.clone(), options, none).await.expect("bound");
            requests.push(consume(&front, queue).await);
        }
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = back.queue_declare(short(""), options, FieldTable::default()).await.expect("a queue");
        let back_replies = queue.name().clone();
        let answers = consume(&back, back_replies.clone()).await;
        let go_between = GoBetween {
            front,
            back,
            back_replies,
            fault,
            asked: HashMap::new(),
            seen: HashSet::new(),
            replies: 0,
            held: None,
        };
        Self { running: tokio::spawn(go_between.run(requests, answers)), _connections: connections }
    }
}

async fn consume(channel: &Channel, queue: ShortString) -> Consumer {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(queue, short(""), options, FieldTable::default()).await.expect("a consumer")
}

impl GoBetween {
    async fn run(mut self, requests: Vec<Consumer>, mut answers: Consumer) {
        let mut requests = futures_util::stream::select_all(requests);
        loop {
            tokio::select! {
                Some(Ok(request)) = requests.next() => self.pass_on(request).await,
                Some(Ok(answer)) = answers.next() => self.answer(answer).await,
                else => return,
            }
        }
    }

    async fn pass_on(&mut self, request: Delivery) {
        if self.fault == Fault::Silent {
            return;
        }
        let queue = request.routing_key.as_str().to_owned();
        let is_repeat = !self.seen.insert((queue.clone(), request.data.clone()));
        if self.fault == Fault::DoublesDebits && queue.ends_with(".order.bet") && !is_repeat {
            self.double(&request, &queue).await;
        }
        let id = if correlation(&request).is_some() { uuid::Uuid::new_v4().to_string() } else { String::new() };
        self.send(&queue, &request, &id, &request.data).await;
        self.asked.insert(id, Asked { request, is_repeat });
    }

    /// The same bet under another name, whose answer nobody hears.
    async fn double(&self, request: &Delivery, queue: &str) {
        let Ok(mut bet) = serde_json::from_slice::<Value>(&request.data) else { return };
        let Some(id) = bet["externalId"].as_str().map(|id| format!("{id}~")) else { return };
        bet["externalId"] = id.into();
        self.send(queue, request, "doubled", bet.to_string().as_bytes()).await;
    }

    async fn send(&self, queue: &str, request: &Delivery, id: &str, body: &[u8]) {
        let from = &request.properties;
        let mut properties = BasicProperties::default()
            .with_reply_to(self.back_replies.clone())
            .with_delivery_mode(from.delivery_mode().unwrap_or(1))
            .with_headers(from.headers().clone().unwrap_or_default());
        if !id.is_empty() {
            properties = properties.with_correlation_id(short(id));
        }
        if let Some(timestamp) = from.timestamp() {
            properties = properties.with_timestamp(*timestamp);
        }
        let options = BasicPublishOptions::default();
        self.back.basic_publish(short(REQUESTS), short(queue), options, body, properties).await.expect("sent");
    }

    async fn answer(&mut self, answer: Delivery) {
        let id = answer.properties.correlation_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        let Some(Asked { request, is_repeat }) = self.asked.remove(&id) else { return };
        self.replies += 1;
        let body = self.body(&request, is_repeat, answer.data.clone());
        let is_balance = request.routing_key.as_str().ends_with("balance.get");
        match self.fault {
            Fault::LosesOneInAHundred if self.replies.is_multiple_of(100) => {}
            Fault::SwapsCorrelations if is_balance && self.replies > WELL_BEHAVED => {
                // This one's reply to the one before, and the other way round; the last one waits in vain.
                if let Some((before, held)) = self.held.take() {
                    self.reply(&before, &answer, &body).await;
                    self.reply(&request, &answer, &held).await;
                } else {
                    self.held = Some((request, body));
                }
            }
            _ => self.reply(&request, &answer, &body).await,
        }
    }

    fn body(&self, request: &Delivery, is_repeat: bool, body: Vec<u8>) -> Vec<u8> {
        let is_order = request.routing_key.as_str().contains(".order.");
        match self.fault {
            Fault::ForgetsRepeats if is_repeat && is_order => {
                br#"{"code":"493","error":"TRANSACTION_NOT_FOUND","description":"Transaction not found"}"#.to_vec()
            }
            Fault::ChangesStoredByte if is_repeat => [body.as_slice(), b" "].concat(),
            Fault::Gossips if is_order => {
                let token = request.properties.headers().as_ref().and_then(|all| all.inner().get("authorization"));
                let Some(AMQPValue::LongString(token)) = token else { return body };
                let error = format!("<script>alert('{}')</script>\u{1b}[2J", String::from_utf8_lossy(token.as_bytes()));
                json!({ "code": "400", "error": error }).to_string().into_bytes()
            }
            _ => body,
        }
    }

    async fn reply(&self, request: &Delivery, answer: &Delivery, body: &[u8]) {
        let from = &answer.properties;
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type(from.kind().clone().unwrap_or_default())
            .with_delivery_mode(from.delivery_mode().unwrap_or(1));
        if self.fault == Fault::ForgetsPersistence {
            properties = properties.with_delivery_mode(1);
        }
        if let Some(id) = correlation(request) {
            let invents = self.fault == Fault::InventsCorrelations && self.replies.is_multiple_of(10);
            properties = properties.with_correlation_id(if invents { short("nobody's") } else { id });
        }
        let (exchange, key) = match request.properties.reply_to() {
            Some(queue) => ("", queue.clone()),
            None => (STATUS, request.routing_key.clone()),
        };
        let options = BasicPublishOptions::default();
        self.front.basic_publish(short(exchange), key, options, body, properties).await.expect("sent");
    }
}

/// What the reply must have for its correlation id.
fn correlation(request: &Delivery) -> Option<ShortString> {
    let given = |id: &&ShortString| !id.as_str().is_empty();
    let properties = &request.properties;
    let id = properties.correlation_id().as_ref().filter(given);
    id.or(properties.message_id().as_ref().filter(given)).cloned()
}
