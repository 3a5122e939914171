//! What is there of the topology, what is not, and what is otherwise: for `purser check`, which changes nothing.
//!
//! AMQP has no words for that, so the broker is asked to do what it will refuse or what is done already:
//!
//! | question | asked by | changes nothing because |
//! |---|---|---|
//! | is it there? | a passive declaration | it is passive |
//! | with these arguments? | a declaration of what is there | the broker only compares |
//! | may it be declared? | a declaration of what is not there, with an impossible argument | permissions come first, then the refusal of the argument |
//! | may it be bound? | the removal of a binding that nobody has | there is none |
//!
//! Each on a channel of its own. Whether a queue is bound cannot be asked; `serve` binds in any case.

use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};

use super::adopted;
use super::topology::{self, DeclarationRefused, Declaring, Mismatch, Part, QueueSettings, attempt, short};
use crate::ledger::Party;

/// No queue is this long.
const IMPOSSIBLE_LENGTH: i64 = -1;

/// How a virtual host stands to what `serve` would declare there.
#[derive(Debug, Default)]
pub struct TopologyComparison {
    /// What is not there, by name; it may be declared.
    pub missing: Vec<String>,
    pub mismatches: Vec<Mismatch>,
    /// What somebody else has declared otherwise and is served as it is: its name and the arguments that differ.
    pub adopted: Vec<String>,
}

/// Compares everything of `parties`; an error means that the connection is gone.
pub async fn compare(
    connection: &Connection,
    parties: &[Party],
    settings: QueueSettings,
) -> lapin::Result<TopologyComparison> {
    let mut comparison = TopologyComparison::default();
    for part in topology::parts(parties, settings) {
        match compare_part(connection, &part).await? {
            Standing::AsExpected(adopted) if adopted.is_empty() => {}
            Standing::AsExpected(adopted) => {
                comparison.adopted.push(format!("{} ({})", part.name(), adopted.join(", ")));
            }
            Standing::Missing => comparison.missing.push(part.name().to_owned()),
            Standing::Otherwise(mismatch) => comparison.mismatches.push(mismatch),
        }
    }
    Ok(comparison)
}

enum Standing {
    /// But for these harmless arguments.
    AsExpected(Vec<String>),
    Missing,
    Otherwise(Mismatch),
}

async fn compare_part(connection: &Connection, part: &Part) -> lapin::Result<Standing> {
    let passively = async |channel: &Channel| part.declare_with(channel, Declaring::Passively, part.arguments()).await;
    let standing = match attempt(connection, part.name(), passively).await? {
        // Should somebody delete it just now, it is made anew, as it was.
        Ok(()) => match adopted::declare(connection, part).await? {
            Ok(adopted) => Standing::AsExpected(adopted),
            Err(refused) => Standing::Otherwise(refused.mismatch),
        },
        Err(DeclarationRefused { why: AMQPSoftError::NOTFOUND, .. }) => ask_to_declare(connection, part).await?,
        Err(refused) => Standing::Otherwise(refused.mismatch),
    };
    match standing {
        Standing::Otherwise(_) => Ok(standing),
        Standing::AsExpected(_) | Standing::Missing => {
            let refused = ask_to_bind(connection, part).await?;
            Ok(refused.map_or(standing, Standing::Otherwise))
        }
    }
}

/// Declares what is not there, in a way that the broker cannot accept.
async fn ask_to_declare(connection: &Connection, part: &Part) -> lapin::Result<Standing> {
    let mut impossible = part.arguments();
    let (argument, value) = match part {
        Part::Exchange(_) => ("alternate-exchange", AMQPValue::LongInt(0)),
        Part::Queue { .. } => ("x-max-length", AMQPValue::LongLongInt(IMPOSSIBLE_LENGTH)),
    };
    impossible.insert(argument.into(), value);
    let asked =
        attempt(connection, part.name(), async |channel| part.declare_with(channel, Declaring::Now, impossible).await);
    Ok(match asked.await? {
        Err(DeclarationRefused { why: AMQPSoftError::PRECONDITIONFAILED, .. }) => Standing::Missing,
        Err(refused) => Standing::Otherwise(refused.mismatch),
        Ok(()) => Standing::Otherwise(Mismatch {
            name: part.name().to_owned(),
            difference: format!("the broker does not know {argument}: it is no RabbitMQ that Purser knows"),
            is_absent: false,
        }),
    })
}

/// Takes away a binding that nobody has; what is refused of that, where the part is bound at all.
async fn ask_to_bind(connection: &Connection, part: &Part) -> lapin::Result<Option<Mismatch>> {
    let Part::Queue { name, exchange, .. } = part else { return Ok(None) };
    let mut nobodys = FieldTable::default();
    let unique = uuid::Uuid::new_v4().to_string();
    nobodys.insert("x-purser-check".into(), AMQPValue::LongString(unique.into()));
    let asked = attempt(connection, name, async |channel| {
        channel.queue_unbind(short(name), short(exchange), short(name), nobodys).await
    });
    Ok(match asked.await? {
        Ok(()) | Err(DeclarationRefused { why: AMQPSoftError::NOTFOUND, .. }) => None,
        Err(refused) => Some(refused.mismatch),
    })
}
