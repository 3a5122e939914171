//! GoPlay's partner API from outside: the whole dance, every error of the RFCs, and what must happen once at most.

pub mod partner;
mod authorize;
mod token;
mod shop;
mod operators;
mod examples;
