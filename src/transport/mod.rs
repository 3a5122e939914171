//! Moving bytes: AMQP and HTTP. Nothing here interprets them.

pub mod amqp;
pub mod http;
