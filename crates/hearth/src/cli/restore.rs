//! `hearth restore`: a backup back into an empty data directory.

use std::path::PathBuf;
use std::process::ExitCode;

use hearth_backup::{Restore, Restored};
use hearth_store::DataDir;
use hearth_types::clock::iso8601_ms;
use indicatif::HumanBytes;

use super::Failure;
use super::progress::Bar;
use crate::config;

#[derive(clap::Args)]
#[command(
    after_help = "Every file is compared with the backup's manifest before anything is put into its place; a damaged or \
                  incomplete backup restores nothing. The data directory must be empty, and is never overwritten.\n\n  \
                  hearth restore nightly.tar.zst --data /var/lib/hearth-restored --keys /safe/secrets.key\n  \
                  hearth up --data /var/lib/hearth-restored\n\n\
                  Do not run the restored server beside the original: both would deliver the events that were waiting."
)]
pub(super) struct Args {
    /// The file `hearth backup` wrote
    #[arg(value_name = "SOURCE")]
    source: PathBuf,

    /// Data directory to restore into, empty or not there yet (default: the one `hearth up` uses)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA")]
    data: Option<PathBuf>,

    /// The master keys of the server that was backed up (its DIR/keys/secrets.key), when the backup does not bring them
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let data = args.data.clone().or_else(config::default_data_directory);
    let data = data.ok_or_else(|| Failure::new("cannot tell where to restore: give --data DIR"))?;
    let bar = Bar::new();
    let restore = Restore { source: &args.source, data: &data, keys: args.keys.as_deref() };
    let restored = hearth_backup::restore(&restore, &bar);
    bar.clear();
    let Restored { made_at_ms, version, files, bytes, has_keys, master_keys } =
        restored.map_err(|error| Failure::new(error.to_string()))?;
    println!(
        "Restored {files} files, {size}, into {data}\n  as of {time}, made by hearth {version}",
        size = HumanBytes(bytes),
        data = data.display(),
        time = iso8601_ms(made_at_ms),
    );
    if has_keys {
        println!("Start it with: hearth up --data {}", data.display());
    } else {
        println!(
            "The master keys are NOT in this backup, and the server does not start without them. Put the key file of the \
             server that was backed up (it holds {ids}), mode 600, at\n  {keys}",
            ids = master_keys.join(", "),
            keys = DataDir::keys_of(&data).display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
