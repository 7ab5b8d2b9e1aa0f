//! Tags of users, roles, policies and instance profiles.

use std::collections::HashSet;

use hearth_types::RequestContext;

use crate::Iam;
use crate::entity::{Named, Tag};
use crate::error::IamError;
use crate::page::Page;
use crate::view::Tags;

/// Tags of one entity. Source: "IAM and AWS STS quotas".
const TAGS_MAX: usize = 50;

/// What the API model does not say of tags: keys differ regardless of case, and `aws:` is AWS's own.
pub(crate) fn check(tags: &[Tag]) -> Result<(), IamError> {
    let mut keys = HashSet::new();
    for tag in tags {
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(IamError::InvalidInput(
                "Tag keys that start with aws: are reserved for AWS use and cannot be set.".to_owned(),
            ));
        }
        if !keys.insert(tag.key.to_lowercase()) {
            return Err(IamError::InvalidInput(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
    }
    Ok(())
}

/// An entity that can have tags.
pub(crate) trait Tagged: Named {
    /// What texts call the limit of [`TAGS_MAX`].
    const TAGS_QUOTA: &'static str;

    fn tags_mut(record: &mut Self::Record) -> &mut Vec<Tag>;
}

impl Tagged for crate::entity::Role {
    const TAGS_QUOTA: &'static str = "TagsPerRole";

    fn tags_mut(record: &mut Self::Record) -> &mut Vec<Tag> {
        &mut record.tags
    }
}

impl Tagged for crate::entity::User {
    const TAGS_QUOTA: &'static str = "TagsPerUser";

    fn tags_mut(record: &mut Self::Record) -> &mut Vec<Tag> {
        &mut record.tags
    }
}

impl Tagged for crate::entity::CustomerPolicy {
    const TAGS_QUOTA: &'static str = "TagsPerPolicy";

    fn tags_mut(record: &mut Self::Record) -> &mut Vec<Tag> {
        &mut record.tags
    }
}

impl Tagged for crate::entity::InstanceProfile {
    const TAGS_QUOTA: &'static str = "TagsPerInstanceProfile";

    fn tags_mut(record: &mut Self::Record) -> &mut Vec<Tag> {
        &mut record.tags
    }
}

impl Iam {
    /// Adds tags; a tag of the same key, in any case, gets the new value.
    pub(crate) async fn tag<E: Tagged>(
        &self,
        ctx: &RequestContext,
        name: String,
        tags: Vec<Tag>,
    ) -> Result<(), IamError> {
        check(&tags)?;
        let edit = move |record: &mut E::Record| {
            let kept = E::tags_mut(record);
            for tag in &tags {
                match kept.iter_mut().find(|old| old.key.to_lowercase() == tag.key.to_lowercase()) {
                    Some(old) => *old = tag.clone(),
                    None => kept.push(tag.clone()),
                }
            }
            if kept.len() > TAGS_MAX {
                return Err(IamError::quota(E::TAGS_QUOTA, TAGS_MAX));
            }
            Ok(())
        };
        self.directory.edit::<E>(ctx.global_scope(), name, edit).await?;
        Ok(())
    }

    /// Removes tags by key; a key the entity does not have is no error.
    pub(crate) async fn untag<E: Tagged>(
        &self,
        ctx: &RequestContext,
        name: String,
        keys: Vec<String>,
    ) -> Result<(), IamError> {
        let keys: HashSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        let edit = move |record: &mut E::Record| {
            E::tags_mut(record).retain(|tag| !keys.contains(&tag.key.to_lowercase()));
            Ok(())
        };
        self.directory.edit::<E>(ctx.global_scope(), name, edit).await?;
        Ok(())
    }
}

/// A page of tags, in the order of their keys.
pub(crate) fn page(tags: &[Tag], marker: Option<&str>, max_items: Option<u32>) -> Tags {
    let mut tags = tags.to_vec();
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    let page = Page::of(tags, marker, max_items, |tag| tag.key.clone());
    Tags { tags: page.items, is_truncated: page.is_truncated, marker: page.marker }
}
