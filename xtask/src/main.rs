//! Chores of this repository: `cargo xtask models [--check] [DIR]`.
//!
//! What never lives here: anything the product needs at run time.

mod json;
mod models;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("models") => models::run(&arguments[1..]),
        _ => Err("usage: cargo xtask models [--check] [BOTOCORE_DIR]".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
