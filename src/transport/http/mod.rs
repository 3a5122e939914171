//! The HTTP server.

pub mod server;
