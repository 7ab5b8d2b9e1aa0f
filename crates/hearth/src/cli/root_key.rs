//! `hearth root-key`: make a root access key for an account. For accounts other than the first, and for a key that was
//! lost. Needs the data directory to itself: whoever may open that may do anything.

use std::path::PathBuf;
use std::process::ExitCode;

use hearth_types::AccountId;

use super::Failure;
use crate::config::{self, StoreLocation};
use crate::server::root_key;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The account, twelve digits
    #[arg(long, default_value_t = AccountId::DEFAULT)]
    account: AccountId,

    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA")]
    data: Option<PathBuf>,

    /// The database of the server, if its records are in one, as `hearth up` takes it
    #[arg(long, value_name = "URL", env = "HEARTH_STORE", hide_env_values = true)]
    store: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let data = args.data.clone().or_else(config::default_data_directory);
    let data = data.ok_or_else(|| Failure::new("cannot tell where the data is: give --data DIR"))?;
    let store = StoreLocation::parse(args.store.clone()).map_err(|error| Failure::new(error.to_string()))?;
    let key = super::block_on(async {
        root_key::make_offline(&data, &store, args.account).await.map_err(|error| Failure::new(error.to_string()))
    })?;
    print!("{}", root_key::text(&key));
    Ok(ExitCode::SUCCESS)
}
