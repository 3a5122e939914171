//! `purser operator`: what the configuration wants of operators.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, output, usage};
use crate::config::{OperatorTokenHash, check_token};

/// The longest token that is taken, in bytes: it goes into a header.
const MAX_TOKEN: usize = 1024;

#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Read a token from standard input and print what `[[operators]] token_hash` wants.
    Hash(HashArgs),
}

#[derive(Args)]
pub struct HashArgs {
    #[arg(long)]
    json: bool,
}

impl OperatorCommand {
    pub fn run(&self) -> Ended {
        match self {
            Self::Hash(hash) => hash.run(),
        }
    }
}

impl HashArgs {
    fn run(&self) -> Ended {
        let mut text = String::new();
        std::io::stdin().take(MAX_TOKEN as u64 + 2).read_to_string(&mut text)?;
        let token = text.trim_end_matches(['\r', '\n']);
        if token.is_empty() {
            return Err(usage(
                "standard input is empty: it must hold the token, such as `openssl rand -hex 32` prints",
            ));
        }
        if token.len() > MAX_TOKEN {
            return Err(usage(format!("the token on standard input has more than {MAX_TOKEN} bytes")));
        }
        check_token(token).map_err(|weak| {
            usage(format!("the token on standard input {weak}: let `openssl rand -hex 32` make one"))
        })?;
        let hash = OperatorTokenHash::of(token).text();
        if self.json {
            output::json(&json!({ "token_hash": hash }))?
        } else {
            output::line(&hash)?
        }
        Ok(true)
    }
}
