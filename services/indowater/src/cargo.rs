//! Cargo, started by a program that cargo has started.

use std::ffi::OsStr;
use std::process::Command;

/// What `cargo run` and `cargo test` tell a program of its own package. Handed on to another cargo, it makes build scripts that
/// look at it (ring's) run again, and all that depends on them is compiled again, for minutes.
const OF_OUR_PACKAGE: [&str; 10] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "OUT_DIR",
];

/// A command that runs `cargo` as a person at a terminal would.
pub fn command(cargo: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(cargo);
    for name in OF_OUR_PACKAGE {
        command.env_remove(name);
    }
    command
}
