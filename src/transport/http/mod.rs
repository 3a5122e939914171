//! The HTTP server: moves requests to the dialects' handlers and takes the steps that they ask for.
//!
//! Reading order: [`server`] (connections; [`places`]: whose, [`stream`] and [`body`]: what a client must do in time),
//! [`operating`] (health and metrics), [`origin`] (where requests come from), [`mounts`] (from routes to replies),
//! [`steps`] (from a handler's first step to its reply), [`documents`] (what all of that looks like), [`runbook`] (what to do
//! when something is wrong), [`health`] (what is), [`live`] (how it goes, once a second), [`admin`] (`/admin/v1`: what
//! operators ask and do), [`console`] (`/console`: the same as pages).

pub mod server;
mod files;
mod places;
mod stream;
mod body;
pub mod operating;
pub mod origin;
pub mod mounts;
pub mod steps;
pub mod documents;
mod runbook;
mod health;
pub mod live;
pub mod admin;
pub mod console;
