//! The `hearth` binary: command line, configuration, wiring. A short file a newcomer reads first.
//!
//! What never lives here: behaviour of a service, a protocol, or a sandbox.

mod cli;
mod config;
mod server;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Helpers are this same program started again: they must take over before any thread exists.
    hearth_sandbox::helper_main_if_requested();
    hearth_network::network_main_if_requested();
    cli::run()
}
