//! The HTTP dialects from outside: a real `purser serve`, a plain HTTP client, both databases.

pub mod client;
mod goplay;
mod rest;
