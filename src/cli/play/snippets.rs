//! The same message as others would send it. Secrets come from the environment: TOKEN, AMQP_URL, API_KEY.

use serde::Serialize;
use serde_json::Value;

use super::{Act, Message};
use crate::config::{Config, PartyConfig};
use crate::ledger::OrderId;
use crate::transport::amqp::topology;

/// One spelling each; `curl` for what HTTP is there for.
#[derive(Serialize)]
pub struct Snippets {
    pub python: String,
    pub amqp_publish: String,
    pub curl: Option<String>,
}

impl Snippets {
    pub fn text(&self) -> String {
        let python = format!("\n# --- Python: pip install pika\n{}", self.python);
        // amqp-publish has no option for it, and whoever reads the 400 shall know why.
        let publish = format!(
            "\n# --- amqp-publish: it can set no correlation id, so the message is parked as malformed\n{}",
            self.amqp_publish
        );
        let curl = self.curl.as_ref().map(|curl| format!("\n\n# --- REST\n{curl}")).unwrap_or_default();
        format!("{python}{publish}{curl}")
    }
}

pub fn of(message: &Message, config: &Config, settings: &PartyConfig, show_token: bool) -> Snippets {
    let token = message.token.as_deref().filter(|_| show_token);
    let address = config.amqp.address_in(settings.amqp.vhost.as_deref()).unwrap_or_default();
    let queue = topology::request_queue(&message.party, message.act.operation());
    Snippets {
        python: python(message, &address, &queue, token),
        amqp_publish: amqp_publish(message, &address, &queue, token),
        curl: config.http.listen.map(|listen| curl(message, settings, &format!("http://{listen}"), token)),
    }
}

/// A text as JSON is one as Python, too, and so is an object of texts and whole numbers.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

fn python(message: &Message, address: &str, queue: &str, token: Option<&str>) -> String {
    let token = token.map_or_else(|| "os.environ[\"TOKEN\"]".to_owned(), literal);
    let headers = match message.token {
        Some(_) => format!("{{\"authorization\": \"Bearer \" + {token}}}"),
        None => "{}".to_owned(),
    };
    let (address, queue, correlation) = (literal(address), literal(queue), literal(&message.correlation));
    let (exchange, body) = (literal(topology::REQUESTS), &message.body);
    format!(
        r#"import json, os, time
import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", {address})))
channel = connection.channel()
channel.confirm_delivery()
replies = []
channel.basic_consume("amq.rabbitmq.reply-to", lambda *reply: replies.append(reply[3]), auto_ack=True)
body = {body}
channel.basic_publish({exchange}, {queue}, json.dumps(body), pika.BasicProperties(
    content_type="application/json", delivery_mode=2, correlation_id={correlation},
    reply_to="amq.rabbitmq.reply-to", headers={headers}), mandatory=True)
deadline = time.monotonic() + 15
while not replies and time.monotonic() < deadline:
    connection.process_data_events(time_limit=1)
print(replies[0].decode() if replies else "no reply")
connection.close()
"#
    )
}

fn amqp_publish(message: &Message, address: &str, queue: &str, token: Option<&str>) -> String {
    let authorization = message.token.as_ref().map(|_| format!(" -H {}", header("authorization: Bearer ", token)));
    format!(
        "amqp-publish -u \"${{AMQP_URL:-{address}}}\" -e {} -r {} -p -C application/json{} -b {}",
        quoted(topology::REQUESTS),
        quoted(queue),
        authorization.unwrap_or_default(),
        quoted(&message.body.to_string())
    )
}

fn curl(message: &Message, settings: &PartyConfig, base: &str, token: Option<&str>) -> String {
    let order = message.order.as_ref().map(|order| OrderId::of(&message.party, order).uuid().to_string());
    let order = order.unwrap_or_default();
    let (method, path) = match message.act {
        Act::Balance => ("GET", format!("/v1/balance/{}?{}", escaped(message.player.as_str()), query(message))),
        Act::Bet => ("POST", "/v1/order".to_owned()),
        Act::Win | Act::Tie | Act::Lose => ("PUT", format!("/v1/order/{order}")),
        Act::Cancel => ("DELETE", format!("/v1/order/{order}")),
    };
    let authorization = header("Authorization: Bearer ", token);
    let mut line = format!("curl -i -X {method} {} -H {authorization}", quoted(&format!("{base}{path}")));
    let has_keys = settings.rest.as_ref().is_some_and(|rest| !rest.api_keys.is_empty());
    if has_keys && message.act != Act::Balance {
        line += " -H \"x-api-key: $API_KEY\"";
    }
    if message.act != Act::Balance {
        line += &format!(" -H 'Content-Type: application/json' -d {}", quoted(&message.body.to_string()));
    }
    line
}

fn query(message: &Message) -> String {
    let wallet = message.wallet.as_ref().map(|wallet| format!("&walletId={}", escaped(wallet.name())));
    format!("currency={}{}", message.currency, wallet.unwrap_or_default())
}

/// A header for a shell: the token from the environment, or as it is.
fn header(name: &str, token: Option<&str>) -> String {
    token.map_or_else(|| format!("\"{name}$TOKEN\""), |token| quoted(&format!("{name}{token}")))
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn escaped(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
