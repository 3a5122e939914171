//! Queues that somebody else has declared, with arguments that Purser would not have given them and can live with.
//!
//! The broker compares every argument, and refuses the declaration over the first that differs, which it names with its
//! value. Where that one does no harm, the queue is declared again with it as it is, until the broker agrees or names
//! one that matters. So all others are known to be as they should be.
//!
//! | argument | does no harm because |
//! |---|---|
//! | `x-quorum-initial-group-size` | it says how many members the queue began with |
//! | `x-queue-leader-locator` | it says where the leader began |
//! | `x-consumer-disconnected-timeout` | what comes again later is answered later, and as before |
//! | `x-single-active-consumer` | the others wait; except for dead letters, which `purser dead` reads over several channels |

use std::collections::BTreeMap;

use lapin::Connection;
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable};

use super::topology::{DEAD, DeclarationRefused, Declaring, Part, attempt};

/// Each harmless argument is at most taken away and then set to what it is.
const MAX_TRIES: usize = 9;

/// Declares what may be there already; the names of the arguments in which it is somebody else's.
pub(super) async fn declare(
    connection: &Connection,
    part: &Part,
) -> lapin::Result<Result<Vec<String>, DeclarationRefused>> {
    let mut arguments = part.arguments();
    let mut adopted: Vec<String> = Vec::new();
    let mut tries = 1;
    loop {
        let declaring =
            async |channel: &lapin::Channel| part.declare_with(channel, Declaring::Now, arguments.clone()).await;
        let refused = match attempt(connection, part.name(), declaring).await? {
            Ok(()) => return Ok(Ok(adopted)),
            Err(refused) => refused,
        };
        let said = &refused.mismatch.difference;
        let harmless = Difference::read(said).filter(|difference| difference.is_harmless(part));
        let Some((name, adapted)) = harmless.and_then(|difference| difference.adapt(&arguments)) else {
            return Ok(Err(refused));
        };
        if tries == MAX_TRIES || refused.why != AMQPSoftError::PRECONDITIONFAILED {
            return Ok(Err(refused));
        }
        tries += 1;
        arguments = adapted;
        if !adopted.contains(&name) {
            adopted.push(name);
        }
    }
}

/// What the broker says is otherwise.
struct Difference<'a> {
    argument: &'a str,
    /// In its words; what is there may also be that there is none.
    current: &'a str,
}

impl<'a> Difference<'a> {
    /// `… inequivalent arg 'NAME' for queue 'Q' in vhost 'V': received … but current is …`: there is no code for it. The
    /// text is cut off after 255 bytes; then it is not understood, and the queue is reported as any other.
    fn read(said: &'a str) -> Option<Self> {
        let (_, rest) = said.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once("' for queue '")?;
        let (_, current) = rest.rsplit_once(" but current is ").unwrap_or_default();
        Some(Self { argument, current })
    }

    fn is_harmless(&self, part: &Part) -> bool {
        match self.argument {
            "x-quorum-initial-group-size" | "x-queue-leader-locator" | "x-consumer-disconnected-timeout" => true,
            "x-single-active-consumer" => matches!(part, Part::Queue { exchange, .. } if *exchange != DEAD),
            _ => false,
        }
    }

    /// The argument's name, and these arguments without ours, or with the queue's.
    fn adapt(&self, arguments: &FieldTable) -> Option<(String, FieldTable)> {
        let is_this = |name: &str| name == self.argument;
        let others = arguments.inner().iter().filter(|(name, _)| !is_this(name.as_str()));
        let others: BTreeMap<_, _> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut adapted = FieldTable::from(others);
        if !arguments.inner().keys().any(|name| is_this(name.as_str())) {
            adapted.insert(self.argument.into(), value_of(self.current)?);
        }
        Some((self.argument.to_owned(), adapted))
    }
}

/// `the value '3' of type 'signedint'`. Numbers of every width are equal to the broker.
fn value_of(current: &str) -> Option<AMQPValue> {
    let (value, kind) = current.strip_prefix("the value '")?.strip_suffix('\'')?.rsplit_once("' of type '")?;
    match kind {
        "longstr" => Some(AMQPValue::LongString(value.into())),
        "bool" => value.parse().ok().map(AMQPValue::Boolean),
        "long" | "signedint" | "unsignedint" | "short" | "unsignedshort" | "byte" | "unsignedbyte" => {
            value.parse().ok().map(AMQPValue::LongLongInt)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "for queue 'v1.0.acme.order.bet' in vhost 'it's but current is none'";

    fn ours(name: &str) -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert(name.into(), AMQPValue::LongInt(5));
        arguments
    }

    #[test]
    fn what_the_broker_says_is_understood() {
        let text = |value: &str| AMQPValue::LongString(value.into());
        for (current, expected) in [
            ("the value 'true' of type 'bool'", Some(AMQPValue::Boolean(true))),
            ("the value '3' of type 'signedint'", Some(AMQPValue::LongLongInt(3))),
            ("the value 'client-local' of type 'longstr'", Some(text("client-local"))),
            ("the value 'a' of type 'b' of type 'longstr'", Some(text("a' of type 'b"))),
            ("the value 'maybe' of type 'bool'", None),
            ("the value '1.5' of type 'double'", None),
            ("the value 'client-lo...", None),
            ("none", None),
            ("", None),
        ] {
            let said =
                format!("PRECONDITION_FAILED - inequivalent arg 'x-a' {PLACE}: received none but current is {current}");
            let difference = Difference::read(&said).unwrap();
            assert_eq!(difference.argument, "x-a");
            let adapted = difference.adapt(&FieldTable::default()).map(|(_, arguments)| arguments);
            assert_eq!(adapted.and_then(|adapted| adapted.inner().get("x-a").cloned()), expected, "{current}");
            let (_, without) = difference.adapt(&ours("x-a")).unwrap();
            assert_eq!(without, FieldTable::default(), "ours is taken away first");
        }
        assert!(Difference::read("PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'v1.0'").is_none());
    }

    #[test]
    fn only_what_does_no_harm_is_adopted() {
        let queue = |exchange| Part::Queue { name: "q".to_owned(), exchange, arguments: FieldTable::default() };
        for (argument, expected) in [
            ("x-quorum-initial-group-size", [true, true]),
            ("x-queue-leader-locator", [true, true]),
            ("x-consumer-disconnected-timeout", [true, true]),
            ("x-single-active-consumer", [true, false]),
            ("x-delivery-limit", [false, false]),
            ("x-message-ttl", [false, false]),
            ("x-queue-type", [false, false]),
        ] {
            let difference = Difference { argument, current: "" };
            let harmless = ["v1.0", DEAD].map(|exchange| difference.is_harmless(&queue(exchange)));
            assert_eq!(harmless, expected, "{argument}");
        }
    }
}
