//! An AMQP message as bytes that a fuzzer can change: which operation, how long the properties are, the properties as
//! they are on the wire, the body.

use amq_protocol::protocol::basic::{gen_properties, parse_properties};
use lapin::BasicProperties;
use lapin::message::Delivery;
use purser::dialects::egpp::Operation;

/// A message of a queue; `None` where these bytes are none.
pub fn read(bytes: &[u8]) -> Option<(Operation, Delivery)> {
    let (&[which, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let operation = Operation::ALL[usize::from(which) % Operation::ALL.len()];
    let (properties, body) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    let (_, properties) = parse_properties(properties).ok()?;
    let mut delivery = Delivery::mock(1, "v1.0".into(), operation.name().into(), false, body.to_vec());
    delivery.properties = properties;
    Some((operation, delivery))
}

/// The same the other way round, for seeds.
pub fn write(operation: Operation, properties: &BasicProperties, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (properties, _) = cookie_factory::r#gen(gen_properties(properties), Vec::new())?;
    let which = Operation::ALL.iter().position(|known| *known == operation).unwrap_or(0);
    let mut bytes = vec![u8::try_from(which)?];
    bytes.extend(u16::try_from(properties.len())?.to_be_bytes());
    bytes.extend(properties);
    bytes.extend(body);
    Ok(bytes)
}
