#![no_main]
//! Messages of the queues: properties as they are on the wire, and a body; opened, answered and made dead letters of.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use purser::config::Secret;
use purser::dialects::egpp::handler::EgppRefused;
use purser::dialects::egpp::{EgppHandler, EgppReply, Opened, status};
use purser::ledger::command::Timestamp;
use purser::tls::Files;
use purser::transport::amqp::admission::Admission;
use purser::transport::amqp::message::{self, Died};
use purser::transport::amqp::{AmqpSettings, BrokerNodes, TLS_NAMES, topology};
use purser_fuzz::message::read;
use purser_fuzz::party::{NOW, SETTING};

static HANDLERS: LazyLock<[EgppHandler; 2]> = LazyLock::new(|| {
    [false, true].map(|is_trusting| {
        let settings = &SETTING.config.parties[&SETTING.party];
        let mut handler = EgppHandler::of(&SETTING.party, settings, Some(SETTING.verifier.clone()));
        handler.rules.trusts_player_ids = is_trusting;
        handler
    })
});

/// Purser is the broker's user `purser`, and anybody may name any reply queue.
static ADMISSION: LazyLock<Admission> = LazyLock::new(|| {
    let settings = AmqpSettings {
        nodes: BrokerNodes::new(vec![Secret::new("amqp://purser:secret@127.0.0.1/%2f")]),
        user: None,
        queues: topology::QueueSettings::new(topology::BrokerQueueType::Quorum, 20),
        prefetch: 10,
        tls: Files { names: &TLS_NAMES, ca: None, identity: None },
    };
    Admission::new(&settings, Vec::new(), Vec::new())
});

fuzz_target!(|bytes: &[u8]| {
    let Some((operation, delivery)) = read(bytes) else { return };
    let place = (&SETTING.party, operation);
    let envelope = message::envelope(&delivery.properties, Timestamp(NOW * 1_000_000));
    for handler in HANDLERS.iter() {
        let reply = match handler.open(operation, &delivery.data, &envelope) {
            Ok(Opened::Balance(question)) => status::of_balance(&question, Some(1)),
            Ok(Opened::Command(command)) => {
                assert!(envelope.correlation.is_some(), "a command without a correlation id");
                let written = serde_json::to_string(&command).expect("written");
                let read: purser::ledger::Command = serde_json::from_str(&written).expect("read");
                assert_eq!(*command, read, "{written}");
                status::of_fault()
            }
            Ok(Opened::Staged(_) | Opened::Late(_)) => panic!("staged outside of a sandbox"),
            Err(EgppRefused::Malformed(malformed)) => status::of_malformed(&malformed),
            Err(EgppRefused::Denied(denied)) => status::of_denied(&denied),
            Err(EgppRefused::UnknownKey | EgppRefused::KeysUnavailable) => status::of_unknown_key(),
        };
        check(&reply);
        let publication = message::reply(&delivery, place, &ADMISSION, reply);
        let queue = publication.routing_key.as_str();
        // To a queue of Purser's own only where the status exchange decides who reads it.
        assert!(!publication.exchange.as_str().is_empty() || !topology::is_ours(queue), "a reply to {queue}");
        let copy = message::copy(&delivery, &ADMISSION, &publication);
        assert!(copy.is_none_or(|copy| !topology::is_ours(copy.routing_key.as_str())), "a copy to a queue of ours");
    }
    let died = Died { reason: "malformed", error: "fuzzed", at: NOW, frame_max: 131_072 };
    let letter = message::dead_letter(&delivery, place, &ADMISSION, died);
    assert_eq!(letter.body, delivery.data);
    assert!(letter.properties.user_id().is_none() && letter.properties.expiration().is_none());
});

fn check(reply: &EgppReply) {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let length = |name: &str| body[name].as_str().map_or(0, |text| text.chars().count());
    assert!(length("error") <= 200 && length("description") <= 100, "{body}");
}
