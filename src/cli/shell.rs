//! `purser completions` and `purser man`: what shells and readers of manuals want to know of the command line.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Ended, output};

#[derive(Args)]
pub struct Completions {
    shell: Shell,
}

#[derive(Args)]
pub struct Man {
    /// Directory for the pages, one a command; made where it is not there.
    dir: PathBuf,
}

impl Completions {
    pub fn run(&self) -> Ended {
        // Made in memory first: the generator panics where its output is a pipe that was closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "purser", &mut script);
        io::Write::write_all(&mut io::stdout(), &script)?;
        Ok(true)
    }
}

impl Man {
    pub fn run(&self) -> Ended {
        fs::create_dir_all(&self.dir)?;
        clap_mangen::generate_to(Arguments::command(), &self.dir)?;
        output::line(&format!("manual pages are in {}", self.dir.display()))?;
        Ok(true)
    }
}
