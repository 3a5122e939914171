//! The names that a broker gives to whoever waits for a direct reply.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// What a client says that wants direct replies. The broker adds a suffix for each channel.
pub const WITHOUT_SUFFIX: &str = "amq.rabbitmq.reply-to";

/// Whether a reply to this queue would be a direct one.
pub fn is_direct(queue: &str) -> bool {
    queue.starts_with(WITHOUT_SUFFIX)
}

/// A name that a broker could have given out: one process identifier in Erlang's external term format, in base64, and a
/// key that nobody can guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectName<'a> {
    /// What tells nodes apart: the term up to and with the node's name.
    pub node: Vec<u8>,
    pub text: &'a str,
}

impl<'a> DirectName<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let suffix = text.strip_prefix(WITHOUT_SUFFIX)?.strip_prefix('.')?;
        let (process, key) = suffix.split_once('.')?;
        let is_key = |key: &str| !key.is_empty() && BASE64.decode(key).is_ok();
        let mut term = BASE64.decode(process).ok()?;
        let node = length_of_node(&term).filter(|_| is_key(key))?;
        term.truncate(node);
        Some(Self { node: term, text })
    }
}

/// Where the node's name ends in a term that is one process identifier.
fn length_of_node(term: &[u8]) -> Option<usize> {
    let (node, numbers) = match term {
        [131, 103, node @ ..] => (node, 9),
        [131, 88, node @ ..] => (node, 12),
        _ => return None,
    };
    let rest = match node {
        [100 | 118, high, low, rest @ ..] => {
            (rest.len() == usize::from(u16::from_be_bytes([*high, *low])) + numbers).then_some(rest)
        }
        [115 | 119, length, rest @ ..] => (rest.len() == usize::from(*length) + numbers).then_some(rest),
        _ => None,
    };
    rest.map(|_| term.len() - numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RabbitMQ 3.10 gives it out.
    const GIVEN: &str = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA0OTQ2Nzg5MgAAA4sAAAAAawWfiA==.NHpSQvZFuF799dmRrtvu4A==";

    #[test]
    fn a_name_tells_its_node_and_what_is_none_is_none() {
        let name = DirectName::parse(GIVEN).unwrap();
        assert_eq!(name.node, b"\x83Xv\x00\x0ereply@49467892");
        for (was, is) in [
            ("g1h2", "g1l2"),
            ("OTQ2", "OTQ2AAAA"),
            (".NHp", "."),
            (".NHp", "..NHp"),
            ("==.N", "=.N"),
            ("4A==", "4A==.4A=="),
            ("reply-to.", "reply-to"),
        ] {
            let forged = GIVEN
                .replacen(was, is, 1)
                .replace("SQvZFuF799dmRrtvu4A==", if is == "." { "" } else { "SQvZFuF799dmRrtvu4A==" });
            assert_eq!(DirectName::parse(&forged), None, "{forged}");
        }
        assert_eq!(DirectName::parse("amq.rabbitmq.reply-to"), None);
    }
}
