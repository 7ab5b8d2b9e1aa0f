//! Queue URLs: `http://HOST/ACCOUNT/NAME`, made from the host the client used, and read whatever the host.

use hearth_types::{AccountId, Partition, Region, RequestContext};

use crate::error::SqsError;

/// The URL of a queue of the context's account, for the client at hand.
pub(crate) fn make(ctx: &RequestContext, name: &str) -> String {
    let scheme = if ctx.secure { "https" } else { "http" };
    format!("{scheme}://{}/{}/{name}", ctx.host, ctx.account)
}

/// The context in whose account and region the queue lies, and its name. Of the host only a region counts, as in
/// `sqs.eu-west-1.localhost`.
///
/// # Errors
/// [`SqsError::InvalidAddress`].
pub(crate) fn read<'u>(ctx: &RequestContext, url: &'u str) -> Result<(RequestContext, &'u str), SqsError> {
    let invalid = || SqsError::InvalidAddress(url.to_owned());
    let (host, path) = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.split_once('/').ok_or_else(invalid)?,
        Some(_) => return Err(invalid()),
        None => ("", url.strip_prefix('/').ok_or_else(invalid)?),
    };
    let (account, name) = path.trim_end_matches('/').split_once('/').ok_or_else(invalid)?;
    let account: AccountId = account.parse().map_err(|_| invalid())?;
    if name.is_empty() || name.contains('/') {
        return Err(invalid());
    }
    let mut ctx = ctx.in_account(account);
    if let Some(region) = region(host) {
        ctx.partition = Partition::of_region(region);
        ctx.region = Region::from(region);
    }
    Ok((ctx, name))
}

fn region(host: &str) -> Option<&str> {
    let mut labels = host.split('.');
    let region = labels.next().filter(|first| *first == "sqs").and_then(|_| labels.next())?;
    let is_region = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
    is_region.then_some(region)
}
