//! Bytes of objects: taken in while their digests are made, given out while they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use hearth_store::{FileWriter, Mutation, StoreError};
use hearth_types::random;
use hearth_wire::front::Trailers;
use md5::{Digest as _, Md5};
use s3s::dto::StreamingBlob;

use crate::S3;
use crate::bucket::Bucket;
use crate::checksum::{Algorithm, Checksum, Claimed, Kind, Running};
use crate::error::S3Error;
use crate::limits::{INLINE_BYTES_MAX, READ_AHEAD_PIECES};
use crate::record::{ObjectRecord, PartRecord, Place, inline_key};

/// What a client says of the bytes it sends.
#[derive(Default)]
pub(crate) struct Expected {
    /// `Content-MD5`.
    pub(crate) md5: Option<String>,
    pub(crate) length: Option<i64>,
    pub(crate) claimed: Claimed,
    /// Of the algorithm where the client names none.
    pub(crate) default: Option<Algorithm>,
    pub(crate) trailers: Trailers,
}

/// Bytes that are on disk, or are to be put beside the record that names them. A file goes again unless it is
/// [kept](Received::settle).
pub(crate) struct Received {
    pub(crate) part: PartRecord,
    pub(crate) checksum: Option<Checksum>,
    /// Of those that lie beside the record.
    pub(crate) inline: Option<Bytes>,
    unkept: Unkept,
}

impl Received {
    /// A record names it now, or may: what became of a commit that failed is not known.
    pub(crate) fn settle<T>(&mut self, committed: &Result<T, S3Error>) {
        if matches!(committed, Ok(_) | Err(S3Error::Store(_) | S3Error::Internal(_))) {
            self.unkept.0 = None;
        }
    }

    /// What puts the bytes beside the record that names them.
    pub(crate) fn mutation(&self, bucket: &Bucket) -> Option<Mutation> {
        match (&self.part.place, &self.inline) {
            (Place::Inline(id), Some(bytes)) => {
                Some(Mutation::Put(inline_key(&bucket.scope, bucket.uid(), id), bytes.clone()))
            }
            _ => None,
        }
    }
}

/// Deletes a file that nobody has named.
struct Unkept(Option<(hearth_store::BlobFiles, hearth_store::FileId)>);

impl Drop for Unkept {
    fn drop(&mut self) {
        let Some((files, id)) = self.0.take() else { return };
        // Outside a runtime it stays until the next start.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = files.delete(vec![id]).await {
                    tracing::warn!(%error, "a file that nothing names stays until the next start");
                }
            });
        }
    }
}

impl S3 {
    /// Takes in a body.
    ///
    /// # Errors
    /// [`S3Error`]: it is not what the client says of it, or too large, or does not come.
    pub(crate) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        expected: Expected,
        bytes_max: u64,
    ) -> Result<Received, S3Error> {
        let Expected { md5, length, claimed, default, trailers } = expected;
        let wanted_md5 = md5.map(|text| read_md5(&text)).transpose()?;
        if let Some(length) = length.and_then(|length| u64::try_from(length).ok())
            && length > bytes_max
        {
            return Err(S3Error::too_large(length, bytes_max));
        }
        let algorithm = claimed.algorithm.or(default);
        let mut taken = Taken::new(algorithm);
        if let Some(mut body) = body {
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(S3Error::of_body)?;
                if taken.size + piece.len() as u64 > bytes_max {
                    return Err(S3Error::too_large(taken.size + piece.len() as u64, bytes_max));
                }
                taken.add(self, &piece).await?;
            }
        }
        if let Some(length) = length
            && u64::try_from(length).ok() != Some(taken.size)
        {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            return Err(S3Error::new("IncompleteBody", http::StatusCode::BAD_REQUEST, message));
        }
        let received = taken.finish(self).await?;
        compare_md5(wanted_md5, &received.part.md5)?;
        claimed.compare(&trailers, received.part.checksum.as_deref())?;
        Ok(received)
    }

    /// The same bytes once more, for another record: of a whole part.
    ///
    /// # Errors
    /// [`S3Error`].
    pub(crate) async fn duplicate(&self, bucket: &Bucket, part: &PartRecord) -> Result<Received, S3Error> {
        let (place, inline, unkept) = match &part.place {
            Place::File(id) => {
                let id = self.files.link(*id).await?;
                (Place::File(id), None, Unkept(Some((self.files.clone(), id))))
            }
            Place::Inline(id) => {
                let bytes = self.inline_bytes(bucket, id).await?;
                (Place::Inline(random::hex(&*self.random, 16)), Some(bytes), Unkept(None))
            }
        };
        let part = PartRecord { place, ..part.clone() };
        Ok(Received { part, checksum: None, inline, unkept })
    }

    async fn inline_bytes(&self, bucket: &Bucket, id: &str) -> Result<Bytes, S3Error> {
        let key = inline_key(&bucket.scope, bucket.uid(), id);
        let entry = self.store.get(&key).await?;
        let missing = || S3Error::Internal(format!("the bytes {key:?} of an object are missing"));
        Ok(entry.ok_or_else(missing)?.value)
    }

    /// The bytes of an object from `offset`, so many of them.
    pub(crate) fn content(
        self: &Arc<Self>,
        bucket: &Arc<Bucket>,
        object: &ObjectRecord,
        offset: u64,
        length: u64,
    ) -> Content {
        let mut pieces = Vec::new();
        let (mut skip, mut left) = (offset, length);
        for part in &object.parts {
            if left == 0 {
                break;
            }
            if skip >= part.size {
                skip -= part.size;
                continue;
            }
            let taken = left.min(part.size - skip);
            pieces.push((part.place.clone(), skip, taken));
            skip = 0;
            left -= taken;
        }
        let ids = pieces.iter().filter_map(|(place, _, _)| match place {
            Place::File(id) => Some(*id),
            Place::Inline(_) => None,
        });
        let pin = self.files.pin(ids.collect());
        let (sender, receiver) = tokio::sync::mpsc::channel(READ_AHEAD_PIECES);
        let (s3, bucket) = (self.clone(), bucket.clone());
        // Ends with the receiver.
        tokio::spawn(async move {
            let _pin = pin;
            for (place, skip, length) in pieces {
                if s3.send_piece(&bucket, &place, skip, length, &sender).await.is_err() {
                    return;
                }
            }
        });
        Content(receiver)
    }

    async fn send_piece(
        &self,
        bucket: &Bucket,
        place: &Place,
        skip: u64,
        length: u64,
        sender: &tokio::sync::mpsc::Sender<Result<Bytes, StoreError>>,
    ) -> Result<(), ()> {
        let failed = |error: StoreError| async move {
            tracing::error!(%error, "the bytes of an object cannot be read");
            let _ = sender.send(Err(error)).await;
        };
        match place {
            Place::Inline(id) => match self.inline_bytes(bucket, id).await {
                Ok(bytes) => {
                    let from = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
                    let to = from.saturating_add(usize::try_from(length).unwrap_or(0)).min(bytes.len());
                    sender.send(Ok(bytes.slice(from..to))).await.map_err(drop)
                }
                Err(error) => {
                    failed(StoreError::Internal(error.to_string())).await;
                    Err(())
                }
            },
            Place::File(id) => {
                let mut reader = self.files.read(*id, skip, length);
                loop {
                    match reader.next().await {
                        Ok(None) => return Ok(()),
                        Ok(Some(piece)) => sender.send(Ok(piece)).await.map_err(drop)?,
                        Err(error) => {
                            failed(error).await;
                            return Err(());
                        }
                    }
                }
            }
        }
    }
}

/// The bytes of an object as they are read.
pub(crate) struct Content(tokio::sync::mpsc::Receiver<Result<Bytes, StoreError>>);

impl Stream for Content {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// Bytes on their way in: in memory until they are too many for that.
struct Taken {
    md5: Md5,
    checksum: Option<(Algorithm, Running)>,
    small: Vec<u8>,
    file: Option<FileWriter>,
    size: u64,
}

impl Taken {
    fn new(algorithm: Option<Algorithm>) -> Self {
        let checksum = algorithm.map(|algorithm| (algorithm, Running::new(algorithm)));
        Self { md5: Md5::new(), checksum, small: Vec::new(), file: None, size: 0 }
    }

    async fn add(&mut self, s3: &S3, piece: &[u8]) -> Result<(), S3Error> {
        self.size += piece.len() as u64;
        self.md5.update(piece);
        if let Some((_, running)) = &mut self.checksum {
            running.update(piece);
        }
        if self.file.is_none() && self.small.len() + piece.len() <= INLINE_BYTES_MAX {
            self.small.extend_from_slice(piece);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = s3.files.create().await?;
                file.write(&std::mem::take(&mut self.small)).await?;
                self.file.insert(file)
            }
        };
        Ok(file.write(piece).await?)
    }

    async fn finish(self, s3: &S3) -> Result<Received, S3Error> {
        let (place, inline, unkept) = match self.file {
            Some(file) => {
                let id = file.finish().await?;
                (Place::File(id), None, Unkept(Some((s3.files.clone(), id))))
            }
            None => (Place::Inline(random::hex(&*s3.random, 16)), Some(Bytes::from(self.small)), Unkept(None)),
        };
        let checksum = self.checksum.map(|(algorithm, running)| Checksum {
            algorithm,
            kind: Kind::FullObject,
            value: running.finish(),
        });
        let part = PartRecord {
            number: 1,
            place,
            size: self.size,
            md5: hex::encode(self.md5.finalize()),
            checksum: checksum.as_ref().map(|checksum| checksum.value.clone()),
            modified_ms: s3.wall.now_ms(),
        };
        Ok(Received { part, checksum, inline, unkept })
    }
}

/// # Errors
/// [`S3Error`], as recorded: what came, hexadecimal, is not what was said.
pub(crate) fn compare_md5(wanted: Option<(String, [u8; 16])>, found: &str) -> Result<(), S3Error> {
    match wanted {
        Some((given, digest)) if hex::encode(digest) != found => {
            let found = hex::decode(found).unwrap_or_default();
            let message = "The Content-MD5 you specified did not match what we received.";
            let error = S3Error::new("BadDigest", http::StatusCode::BAD_REQUEST, message);
            Err(error.with("ExpectedDigest", given).with("CalculatedDigest", STANDARD.encode(found)))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn read_md5(text: &str) -> Result<(String, [u8; 16]), S3Error> {
    let digest = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(|digest| (text.to_owned(), digest)).ok_or_else(|| {
        let message = "The Content-MD5 you specified was invalid.";
        S3Error::new("InvalidDigest", http::StatusCode::BAD_REQUEST, message).with("Content-MD5", text)
    })
}

impl S3Error {
    /// A body that breaks off, or is not the one that was signed.
    pub(crate) fn of_body(error: s3s::StdError) -> Self {
        if let Some(error) = error.downcast_ref::<hearth_wire::sigv4::AuthError>() {
            return crate::front::told_of(error);
        }
        tracing::debug!(%error, "a request's body broke off");
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::new("IncompleteBody", http::StatusCode::BAD_REQUEST, message)
    }
}
