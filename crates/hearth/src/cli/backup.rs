//! `hearth backup`: everything a data directory holds in one file, whether or not a server runs on it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hearth_backup::{Journal, Take, Taken};
use hearth_types::clock::iso8601_ms;
use hearth_types::{Clock as _, SystemClock};
use indicatif::HumanBytes;

use super::Failure;
use super::progress::Bar;
use crate::config;

/// Appended to while a backup is made, each up to its last whole entry.
const JOURNALS: [Journal; 2] = [
    Journal { directory: "logs", extension: "seg", whole: hearth_logs::whole_bytes },
    Journal { directory: "audit", extension: "jsonl", whole: hearth_audit::whole_bytes },
];

#[derive(clap::Args)]
#[command(
    after_help = "The server may run meanwhile: it is not stopped, and what it acknowledged before the backup began is in \
                  it. The file is compressed, complete and on disk when it appears under its name.\n\n  \
                  hearth backup /mnt/backups/                        # hearth-DATE.tar.zst in that directory\n  \
                  hearth backup nightly.tar.zst --data /var/lib/hearth\n  \
                  hearth restore nightly.tar.zst --data /var/lib/hearth-restored\n\n\
                  Secrets in a backup (environment variables, access keys) are encrypted with the master keys in \
                  DIR/keys/secrets.key, which are NOT in it unless you say --with-keys. Without them a restored server does \
                  not start: keep a copy of that file in another place, once."
)]
pub(super) struct Args {
    /// The file to write, or a directory to write hearth-DATE.tar.zst into
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA")]
    data: Option<PathBuf>,

    /// Put the master keys and the key for HTTPS into the backup: whoever has the file can then read all secrets
    #[arg(long)]
    with_keys: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let data = args.data.clone().or_else(config::default_data_directory);
    let data = data.ok_or_else(|| Failure::new("cannot tell where the data is: give --data DIR"))?;
    let now_ms = SystemClock.now_ms();
    let target = if args.target.is_dir() { args.target.join(file_name(now_ms)) } else { args.target.clone() };
    let bar = Bar::new();
    let take = Take {
        data: &data,
        target: &target,
        with_keys: args.with_keys,
        journals: &JOURNALS,
        version: env!("CARGO_PKG_VERSION"),
        now_ms,
    };
    let taken = hearth_backup::take(&take, &bar);
    bar.clear();
    let taken = taken.map_err(|error| Failure::new(error.to_string()))?;
    print!("{}", told(&taken, &data, &target, args.with_keys));
    Ok(ExitCode::SUCCESS)
}

fn told(taken: &Taken, data: &Path, target: &Path, with_keys: bool) -> String {
    let Taken { store_bytes, blobs, blob_bytes, object_files, object_bytes, journal_bytes, file_bytes, .. } = *taken;
    let keys = if with_keys {
        "The master keys are in it: whoever can read the file can read every secret.".to_owned()
    } else {
        format!(
            "The master keys are NOT in it, and nothing can be restored without them: keep a copy of\n  {}\nin another place.",
            hearth_store::DataDir::keys_of(data).display()
        )
    };
    format!(
        "Backed up {data} to {target} ({file})\n  records {records}, {blobs} packages {packages}, {object_files} object files {objects}, logs {logs}\n{keys}\n",
        data = data.display(),
        target = target.display(),
        file = HumanBytes(file_bytes),
        records = HumanBytes(store_bytes),
        packages = HumanBytes(blob_bytes),
        objects = HumanBytes(object_bytes),
        logs = HumanBytes(journal_bytes),
    )
}

/// Names sort by time.
fn file_name(now_ms: i64) -> String {
    let time = iso8601_ms(now_ms);
    let time: String = time.split('.').next().unwrap_or(&time).chars().filter(|c| *c != ':' && *c != '-').collect();
    format!("hearth-{time}Z.tar.zst")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_backups_sort_by_time() {
        assert_eq!(super::file_name(0), "hearth-19700101T000000Z.tar.zst");
        assert!(super::file_name(1_000) > super::file_name(0));
    }
}
