//! The HTTP dialects from outside: a real `purser serve`, a plain HTTP client, both databases.

pub mod client;
mod example;
mod rest;
mod quickplay;
mod codegames;
pub mod server;
mod connections;
mod silence;
mod spans;
mod metrics;
mod traces;
mod goplay;
mod tab;
mod sixth;
mod partners;
mod documented;
mod balance_service;
mod admin;
mod console;
