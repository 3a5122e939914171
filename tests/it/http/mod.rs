//! The HTTP dialects from outside: a real `purser serve`, a plain HTTP client, both databases.

pub mod client;
mod example;
mod server;
mod goplay;
mod tab;
mod sixth;
mod balance_service;
mod quickplay;
mod codegames;
