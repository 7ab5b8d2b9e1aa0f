//! The door for other services: what reads and writes objects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use hearth_ports::{ObjectError, ObjectRef, ObjectStore};
use hearth_types::RequestContext;
use s3s::dto::StreamingBlob;

use crate::S3;
use crate::checksum::Algorithm;
use crate::content::Expected;
use crate::error::S3Error;
use crate::limits::{PORT_READ_BYTES_MAX, PUT_BYTES_MAX};
use crate::notification::Event;
use crate::reading::locate;
use crate::record::{Headers, ObjectRecord};
use crate::request::On;
use crate::versions::{Addition, Conditions};

/// The door of the objects here.
#[derive(Clone)]
pub struct Objects(pub Arc<S3>);

#[async_trait]
impl ObjectStore for Objects {
    async fn read(&self, ctx: &RequestContext, object: &ObjectRef, bytes_max: u64) -> Result<Bytes, ObjectError> {
        let s3 = &self.0;
        let action = if object.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let bucket = s3.authorize(ctx, action, On::object(&object.bucket, &object.key, None), &[])?;
        let found = locate(s3, ctx, &bucket, &object.key, object.version.as_deref(), "GET").await?;
        let max = bytes_max.min(PORT_READ_BYTES_MAX);
        if found.size > max {
            return Err(ObjectError::TooLarge { size: found.size, max });
        }
        let mut content = s3.content(&bucket, &found, 0, found.size);
        let mut bytes = BytesMut::with_capacity(usize::try_from(found.size).unwrap_or(0));
        while let Some(piece) = content.next().await {
            bytes.extend_from_slice(&piece.map_err(S3Error::from)?);
        }
        Ok(bytes.freeze())
    }

    async fn write(
        &self,
        ctx: &RequestContext,
        bucket: &str,
        key: &str,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<(), ObjectError> {
        let s3 = self.0.clone();
        let bucket = s3.authorize(ctx, "s3:PutObject", On::object(bucket, key, None), &[])?;
        let (ctx, key, content_type) = (ctx.clone(), key.to_owned(), content_type.to_owned());
        // Not cut short when the caller stops waiting.
        let written = tokio::spawn(async move {
            let body = StreamingBlob::wrap(futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]));
            let expected = Expected { default: Some(Algorithm::Crc64Nvme), ..Expected::default() };
            let mut received = s3.receive(Some(body), expected, PUT_BYTES_MAX).await?;
            let object = ObjectRecord {
                size: received.part.size,
                etag: received.part.md5.clone(),
                parts: vec![received.part.clone()],
                headers: Headers { content_type: Some(content_type), ..Headers::default() },
                checksum: received.checksum.clone(),
                ..ObjectRecord::new(&key)
            };
            let beside = received.mutation(&bucket).into_iter().collect();
            let addition = Addition { object, conditions: Conditions::default(), event: Event::Put, beside };
            let added = s3.add(&ctx, &bucket, addition).await;
            received.settle(&added);
            added.map(drop)
        });
        let written = written.await.map_err(|error| ObjectError::Unavailable { detail: error.to_string() })?;
        Ok(written?)
    }
}

impl From<S3Error> for ObjectError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::DiskFull => Self::DiskFull,
            S3Error::Store(_) | S3Error::Record(_) | S3Error::Internal(_) => {
                Self::Unavailable { detail: error.to_string() }
            }
            error => {
                let told = error.told();
                Self::Refused { code: told.code, message: told.message.into_owned() }
            }
        }
    }
}
