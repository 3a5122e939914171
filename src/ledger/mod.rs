//! The pure core.
pub mod ids;
pub mod money;
pub mod account;
pub mod order;
pub mod player;
pub mod command;
pub use ids::{Currency, ExternalId, Game, Party, PlayerId, Wallet};
