#![no_main]
//! Requests of this dialect, from their text to the reply.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use purser::dialects::balance_service;
use purser::dialects::http::Mount;
use purser_fuzz::party::SETTING;
use purser_fuzz::visitor;

static MOUNTS: LazyLock<Vec<Mount>> = LazyLock::new(|| SETTING.mounts(&balance_service::DIALECT));

fuzz_target!(|text: &[u8]| visitor::visit(&balance_service::DIALECT, &MOUNTS, text));
