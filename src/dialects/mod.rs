//! The wire: bytes into the ledger's words and outcomes into bytes. A dialect only translates; rules live in the
//! ledger.

pub mod http;
pub(crate) mod openapi;
pub(crate) mod asyncapi;
pub(crate) mod reference;
pub mod egpp;
pub mod balance_service;
pub mod quickplay;
pub mod codegames;
pub mod goplay;

use http::Dialect;

/// Every dialect that is spoken over HTTP. A new one is a folder and a line here (`docs/adding-a-dialect.md`).
pub(crate) static HTTP: &[&Dialect] =
    &[&egpp::rest::DIALECT, &balance_service::DIALECT, &quickplay::DIALECT, &codegames::DIALECT, &goplay::DIALECT];
