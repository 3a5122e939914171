//! The HTTP server: moves requests to the dialects' handlers, and replies back.
//!
//! Reading order: [`server`] (connections; [`places`]: whose, [`stream`] and [`body`]: what a client must do in time),
//! [`operating`] (health and metrics), [`origin`] (where requests come from), [`mounts`] (from routes to replies), [`traces`] (their spans),
//! [`documents`] (what all of that looks like), [`runbook`] (what to do when something is wrong), [`health`] (what is), [`live`] (how it goes, once a second), [`admin`] (`/admin/v1`: what
//! operators ask and do), [`console`] (`/console`: the same as pages).

pub(crate) mod server;
mod files;
pub(crate) mod places;
mod stream;
mod body;
pub(crate) mod operating;
pub(crate) mod origin;
pub(crate) mod mounts;
pub(crate) mod traces;
pub(crate) mod documents;
mod runbook;
mod health;
pub(crate) mod live;
pub mod admin;
pub(crate) mod console;
