//! GetBucketCors, PutBucketCors, DeleteBucketCors.

use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};

use crate::cors::{CorsRule, METHODS};
use crate::error::S3Error;
use crate::limits::CORS_RULES_MAX;
use crate::request::{Call, On};

pub(crate) async fn get(call: Call, input: GetBucketCorsInput) -> Result<GetBucketCorsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = s3.authorize(&ctx, "s3:GetBucketCORS", on, &[])?;
    let rules = &bucket.record.cors;
    if rules.is_empty() {
        let message = "The CORS configuration does not exist";
        return Err(S3Error::not_configured("NoSuchCORSConfiguration", message, bucket.name()));
    }
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let rules = rules.iter().map(|rule| CORSRule {
        id: rule.id.clone(),
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.exposed),
        max_age_seconds: rule.max_age_s,
    });
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.collect()) })
}

pub(crate) async fn put(call: Call, input: PutBucketCorsInput) -> Result<PutBucketCorsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketCORS", on, &[])?;
    let rules = input.cors_configuration.cors_rules;
    if rules.is_empty() || rules.len() > CORS_RULES_MAX {
        return Err(S3Error::malformed_xml());
    }
    let rules: Vec<CorsRule> = rules.into_iter().map(read).collect::<Result<_, _>>()?;
    s3.edit_bucket(&input.bucket, |record| {
        record.cors = rules;
        Ok(())
    })
    .await?;
    Ok(PutBucketCorsOutput::default())
}

fn read(rule: CORSRule) -> Result<CorsRule, S3Error> {
    if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
        return Err(S3Error::malformed_xml());
    }
    if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}");
        return Err(S3Error::request(message));
    }
    let headers = rule.allowed_headers.unwrap_or_default();
    let patterns = rule.allowed_origins.iter().chain(&headers);
    if let Some(pattern) = patterns.into_iter().find(|pattern| pattern.matches('*').count() > 1) {
        return Err(S3Error::request(format!("AllowedOrigin \"{pattern}\" can not have more than one wildcard.")));
    }
    Ok(CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers,
        exposed: rule.expose_headers.unwrap_or_default(),
        max_age_s: rule.max_age_seconds,
    })
}

pub(crate) async fn delete(call: Call, input: DeleteBucketCorsInput) -> Result<DeleteBucketCorsOutput, S3Error> {
    let Call { s3, ctx, .. } = call;
    let on = On::bucket(&input.bucket, input.expected_bucket_owner.as_ref());
    s3.authorize(&ctx, "s3:PutBucketCORS", on, &[])?;
    s3.edit_bucket(&input.bucket, |record| {
        record.cors.clear();
        Ok(())
    })
    .await?;
    Ok(DeleteBucketCorsOutput::default())
}
