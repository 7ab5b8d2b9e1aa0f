//! The operations of S3 that are here, each to its file. What `s3s` has beside them answers "not implemented".

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use crate::S3;
use crate::error::S3Error;
use crate::front::Envelope;
use crate::op;
use crate::refused;
use crate::request::Call;

/// What `s3s` calls.
pub(crate) struct Operations(pub(crate) Arc<S3>);

impl Operations {
    /// Runs an operation to its end, also when the client hangs up: what it has put on disk it also names or deletes.
    async fn run<I, O, F, Fut>(&self, request: S3Request<I>, operation: F) -> S3Result<S3Response<O>>
    where
        I: Send + 'static,
        O: Send + 'static,
        F: FnOnce(Call, I) -> Fut + Send + 'static,
        Fut: Future<Output = Result<O, S3Error>> + Send + 'static,
    {
        let S3Request { input, headers, extensions, .. } = request;
        let Some(envelope) = extensions.get::<Envelope>().cloned() else {
            return Err(s3s::s3_error!(InternalError));
        };
        let refusal = envelope.refusal.clone();
        if let Err(error) = refused::check(&headers) {
            *refusal.lock() = Some(error.told());
            return Err(s3s::s3_error!(NotImplemented));
        }
        let call = Call { s3: self.0.clone(), ctx: envelope.ctx.clone(), envelope, headers };
        let task = tokio::spawn(tracing::Instrument::in_current_span(operation(call, input)));
        let done = task.await.unwrap_or_else(|error| Err(S3Error::Internal(error.to_string())));
        done.map(S3Response::new).map_err(|error| {
            *refusal.lock() = Some(error.told());
            s3s::s3_error!(InternalError)
        })
    }
}

macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident: $place:path;)*) => {
        #[async_trait]
        impl s3s::S3 for Operations {
            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.run(request, $place).await
                }
            )*
        }
    };
}

operations! {
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput: op::abort_multipart_upload::run;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput: op::complete_multipart_upload::run;
    copy_object(CopyObjectInput) -> CopyObjectOutput: op::copy_object::run;
    create_bucket(CreateBucketInput) -> CreateBucketOutput: op::create_bucket::run;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput: op::create_multipart_upload::run;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput: op::delete_bucket::run;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput: op::bucket_cors::delete;
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput: op::bucket_encryption::delete;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput: op::bucket_lifecycle::delete;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput: op::bucket_ownership_controls::delete;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput: op::bucket_policy::delete;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput: op::bucket_unset::delete_replication;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput: op::bucket_tagging::delete;
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput: op::bucket_unset::delete_website;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput: op::delete_object::run;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput: op::object_tagging::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput: op::delete_objects::run;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput: op::public_access_block::delete;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput: op::bucket_unset::get_accelerate;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput: op::acl::get_bucket;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput: op::bucket_cors::get;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput: op::bucket_encryption::get;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput: op::bucket_lifecycle::get;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput: op::get_bucket_location::run;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput: op::bucket_unset::get_logging;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput: op::bucket_notification::get;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput: op::bucket_ownership_controls::get;
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput: op::bucket_policy::get;
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput: op::bucket_policy::status;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput: op::bucket_unset::get_replication;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput: op::bucket_unset::get_request_payment;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput: op::bucket_tagging::get;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput: op::bucket_versioning::get;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput: op::bucket_unset::get_website;
    get_object(GetObjectInput) -> GetObjectOutput: op::get_object::run;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput: op::acl::get_object;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput: op::get_object_attributes::run;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput: op::bucket_unset::get_object_lock;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput: op::object_tagging::get;
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput: op::public_access_block::get;
    head_bucket(HeadBucketInput) -> HeadBucketOutput: op::head_bucket::run;
    head_object(HeadObjectInput) -> HeadObjectOutput: op::head_object::run;
    list_buckets(ListBucketsInput) -> ListBucketsOutput: op::list_buckets::run;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput: op::list_multipart_uploads::run;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput: op::list_object_versions::run;
    list_objects(ListObjectsInput) -> ListObjectsOutput: op::list_objects::run;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output: op::list_objects_v2::run;
    list_parts(ListPartsInput) -> ListPartsOutput: op::list_parts::run;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput: op::acl::put_bucket;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput: op::bucket_cors::put;
    put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput: op::bucket_encryption::put;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput: op::bucket_lifecycle::put;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput: op::bucket_notification::put;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput: op::bucket_ownership_controls::put;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput: op::bucket_policy::put;
    put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput: op::bucket_unset::put_request_payment;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput: op::bucket_tagging::put;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput: op::bucket_versioning::put;
    put_object(PutObjectInput) -> PutObjectOutput: op::put_object::run;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput: op::acl::put_object;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput: op::object_tagging::put;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput: op::public_access_block::put;
    upload_part(UploadPartInput) -> UploadPartOutput: op::upload_part::run;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput: op::upload_part_copy::run;
}
