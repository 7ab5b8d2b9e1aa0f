//! GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration, DeleteBucketLifecycle. Transitions to other storage
//! classes are refused: there is one.

use hearth_types::random;
use s3s::dto::{
    AbortIncompleteMultipartUpload, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, ExpirationStatus,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, LifecycleExpiration,
    LifecycleRule as Shown, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, Tag,
};

use crate::convert::{millis, refuse_given, tag_set, timestamp};
use crate::error::S3Error;
use crate::lifecycle::{Filter, Form, LifecycleRule};
use crate::limits::LIFECYCLE_RULES_MAX;
use crate::request::{Call, On};

const DAY_MS: i64 = 86_400_000;

pub(crate) async fn get(
    call: Call,
    input: GetBucketLifecycleConfigurationInput,
) -> Result<GetBucketLifecycleConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetLifecycleConfiguration", on, &[])?;
    if bucket.record.lifecycle.is_empty() {
        let message = "The lifecycle configuration does not exist";
        return Err(S3Error::not_configured("NoSuchLifecycleConfiguration", message, bucket.name()));
    }
    Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(bucket.record.lifecycle.iter().map(shown).collect()),
        transition_default_minimum_object_size: Some("all_storage_classes_128K".to_owned().into()),
    })
}

pub(crate) async fn put(
    call: Call,
    input: PutBucketLifecycleConfigurationInput,
) -> Result<PutBucketLifecycleConfigurationOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutLifecycleConfiguration", on, &[])?;
    // Of use to transitions only, of which there are none.
    match input.transition_default_minimum_object_size.as_ref().map(|size| size.as_str()) {
        None | Some("all_storage_classes_128K") => {}
        Some(size @ "varies_by_storage_class") => return Err(S3Error::unsupported(size)),
        Some(size) => {
            return Err(S3Error::request(format!("Invalid TransitionDefaultMinimumObjectSize found: {size}")));
        }
    }
    let rules = input.lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    if rules.is_empty() || rules.len() > LIFECYCLE_RULES_MAX {
        return Err(S3Error::malformed_xml());
    }
    let mut read: Vec<LifecycleRule> = Vec::new();
    for rule in rules {
        let rule = self::read(rule, || random::uuid(&*s3.random))?;
        if read.iter().any(|known| known.id == rule.id) {
            return Err(S3Error::argument(
                "ID",
                &rule.id,
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
        read.push(rule);
    }
    s3.edit_bucket(&input.bucket, |record| {
        record.lifecycle = read;
        Ok(())
    })
    .await?;
    Ok(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some("all_storage_classes_128K".to_owned().into()),
    })
}

pub(crate) async fn delete(
    call: Call,
    input: DeleteBucketLifecycleInput,
) -> Result<DeleteBucketLifecycleOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutLifecycleConfiguration", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.lifecycle.clear();
        Ok(())
    })
    .await?;
    Ok(DeleteBucketLifecycleOutput::default())
}

fn read(rule: Shown, new_id: impl FnOnce() -> String) -> Result<LifecycleRule, S3Error> {
    refuse_given(&[
        ("A transition to another storage class", rule.transitions.as_ref().is_some_and(|list| !list.is_empty())),
        (
            "A transition to another storage class",
            rule.noncurrent_version_transitions.as_ref().is_some_and(|list| !list.is_empty()),
        ),
    ])?;
    let is_enabled = match rule.status.as_str() {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(S3Error::malformed_xml()),
    };
    let positive = |name: &str, days: Option<i32>| match days {
        Some(days) if days < 1 => {
            let message = format!("'{name}' for Expiration action must be a positive integer");
            Err(S3Error::argument(name, days.to_string(), message))
        }
        days => Ok(days),
    };
    let expiration = rule.expiration.unwrap_or_default();
    let date_ms = expiration.date.as_ref().map(millis);
    if let Some(date_ms) = date_ms
        && date_ms.rem_euclid(DAY_MS) != 0
    {
        let text = hearth_types::clock::iso8601_ms(date_ms);
        return Err(S3Error::argument("Date", text, "'Date' must be at midnight GMT"));
    }
    let noncurrent = rule.noncurrent_version_expiration.unwrap_or_default();
    let read = LifecycleRule {
        id: rule.id.filter(|id| !id.is_empty()).unwrap_or_else(new_id),
        is_enabled,
        filter: read_filter(rule.filter, rule.prefix)?,
        days: positive("Days", expiration.days)?,
        date_ms,
        expired_marker: expiration.expired_object_delete_marker.unwrap_or(false),
        noncurrent_days: positive("NoncurrentDays", noncurrent.noncurrent_days)?,
        newer_noncurrent: noncurrent.newer_noncurrent_versions,
        abort_days: positive(
            "DaysAfterInitiation",
            rule.abort_incomplete_multipart_upload.and_then(|abort| abort.days_after_initiation),
        )?,
    };
    let given = [read.days.is_some(), read.date_ms.is_some(), read.expired_marker];
    let acts = given.contains(&true) || read.noncurrent_days.is_some() || read.abort_days.is_some();
    if !acts {
        return Err(S3Error::request("At least one action needs to be specified in a rule"));
    }
    if given.iter().filter(|given| **given).count() > 1 || read.id.len() > 255 {
        return Err(S3Error::malformed_xml());
    }
    let mut keys: Vec<&String> = read.filter.tags.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(S3Error::request("Duplicate Tag Keys are not allowed."));
    }
    let has_tags = !read.filter.tags.is_empty();
    if has_tags && (read.abort_days.is_some() || read.expired_marker) {
        let what =
            if read.abort_days.is_some() { "AbortIncompleteMultipartUpload" } else { "ExpiredObjectDeleteMarker" };
        return Err(S3Error::request(format!("{what} cannot be specified with Tags.")));
    }
    Ok(read)
}

fn read_filter(filter: Option<LifecycleRuleFilter>, prefix: Option<String>) -> Result<Filter, S3Error> {
    let tag = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    match (filter, prefix) {
        (Some(_), Some(_)) | (None, None) => Err(S3Error::malformed_xml()),
        (None, Some(prefix)) => Ok(Filter { form: Form::RulePrefix, prefix: Some(prefix), ..Filter::default() }),
        (Some(filter), None) => match filter.and {
            Some(and) => Ok(Filter {
                form: Form::And,
                prefix: and.prefix,
                tags: and.tags.unwrap_or_default().into_iter().map(tag).collect(),
                larger_than: and.object_size_greater_than,
                smaller_than: and.object_size_less_than,
            }),
            None => Ok(Filter {
                form: Form::Filter,
                prefix: filter.prefix,
                tags: filter.tag.into_iter().map(tag).collect(),
                larger_than: filter.object_size_greater_than,
                smaller_than: filter.object_size_less_than,
            }),
        },
    }
}

fn shown(rule: &LifecycleRule) -> Shown {
    let Filter { form, prefix, tags, larger_than, smaller_than } = &rule.filter;
    let filter = match form {
        Form::RulePrefix => None,
        Form::And => Some(LifecycleRuleFilter {
            and: Some(LifecycleRuleAndOperator {
                prefix: prefix.clone(),
                tags: (!tags.is_empty()).then(|| tag_set(tags)),
                object_size_greater_than: *larger_than,
                object_size_less_than: *smaller_than,
            }),
            ..LifecycleRuleFilter::default()
        }),
        Form::Filter => Some(LifecycleRuleFilter {
            prefix: prefix.clone(),
            tag: tag_set(tags).into_iter().next(),
            object_size_greater_than: *larger_than,
            object_size_less_than: *smaller_than,
            ..LifecycleRuleFilter::default()
        }),
    };
    let expires = rule.days.is_some() || rule.date_ms.is_some() || rule.expired_marker;
    Shown {
        abort_incomplete_multipart_upload: rule
            .abort_days
            .map(|days| AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }),
        expiration: expires.then(|| LifecycleExpiration {
            date: rule.date_ms.map(timestamp),
            days: rule.days,
            expired_object_delete_marker: rule.expired_marker.then_some(true),
        }),
        filter,
        id: Some(rule.id.clone()),
        noncurrent_version_expiration: rule.noncurrent_days.map(|days| NoncurrentVersionExpiration {
            newer_noncurrent_versions: rule.newer_noncurrent,
            noncurrent_days: Some(days),
        }),
        noncurrent_version_transitions: None,
        prefix: prefix.clone().filter(|_| *form == Form::RulePrefix),
        status: ExpirationStatus::from_static(if rule.is_enabled { "Enabled" } else { "Disabled" }),
        transitions: None,
    }
}
