//! The integration tests: one binary, against real databases and a real broker (`scripts/services`).

mod e2e;
