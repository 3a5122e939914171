//! Arguments, configuration, command, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    purser::cli::main()
}
