//! The first key of an account: made by whoever has the data directory, shown once.

use std::path::Path;
use std::sync::Arc;

use hearth_iam::{Directory, RootKey};
use hearth_store::{Codec, DataDir};
use hearth_types::{AccountId, OsRandom, SystemClock};

use super::{ServerError, store};
use crate::config::StoreLocation;

/// In the form every AWS client reads.
pub(crate) fn text(key: &RootKey) -> String {
    let RootKey { account, access_key_id, secret_access_key } = key;
    format!(
        "Root access key of account {account}; it is shown this once:\n  AWS_ACCESS_KEY_ID={access_key_id}\n  \
         AWS_SECRET_ACCESS_KEY={secret_access_key}\n"
    )
}

/// Opens the data as a server would, so not while one runs.
pub(crate) async fn make_offline(
    data: &Path,
    location: &StoreLocation,
    account: AccountId,
) -> Result<RootKey, ServerError> {
    let data_error = |error: &dyn std::fmt::Display| ServerError::Data(error.to_string());
    let data = DataDir::open(data).map_err(|error| data_error(&error))?;
    let store = store::open(location, &data).await?;
    let codec = Arc::new(Codec::open(&data.keys()).map_err(|error| data_error(&error))?);
    let directory = Arc::new(Directory::load(store, codec, &OsRandom).await.map_err(|error| data_error(&error))?);
    directory.make_root_key(account, &SystemClock, &OsRandom).await.map_err(|error| data_error(&error))
}
