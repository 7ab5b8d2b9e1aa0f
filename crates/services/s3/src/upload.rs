//! Uploads in parts: begun, their parts, completed in one commit, or removed.

use std::sync::Arc;

use hearth_store::{Entry, FileId, Mutation, Precondition, StoreError, scan_all};
use hearth_types::{RequestContext, random};
use md5::{Digest as _, Md5};

use crate::S3;
use crate::bucket::Bucket;
use crate::checksum::{Algorithm, Checksum, Kind};
use crate::content::Received;
use crate::error::S3Error;
use crate::limits::{COMMIT_ATTEMPTS_MAX, PART_BYTES_MIN, PART_NUMBER_MAX};
use crate::notification::Event;
use crate::record::{
    Headers, ObjectRecord, PartRecord, Place, UploadRecord, inline_key, part_key, parts, upload_key, uploads,
};
use crate::versions::{Addition, Conditions, overtaken};

/// A part as the client names it when it completes an upload.
pub(crate) struct Named {
    pub(crate) number: i32,
    pub(crate) etag: String,
    /// In the order of [`Algorithm::ALL`].
    pub(crate) checksums: [Option<String>; 5],
}

/// What the client says of the whole.
pub(crate) struct Whole {
    pub(crate) parts: Vec<Named>,
    pub(crate) size: Option<i64>,
    pub(crate) kind: Option<Kind>,
    pub(crate) checksums: [Option<String>; 5],
    pub(crate) conditions: Conditions,
}

/// # Errors
/// [`S3Error`], as recorded.
pub(crate) fn check_number(number: i32) -> Result<u32, S3Error> {
    u32::try_from(number).ok().filter(|_| (1..=PART_NUMBER_MAX).contains(&number)).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        S3Error::argument("partNumber", number.to_string(), message)
    })
}

impl S3 {
    pub(crate) async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        headers: Headers,
        tags: Vec<(String, String)>,
        checksum: (Option<Algorithm>, Option<Kind>),
    ) -> Result<UploadRecord, S3Error> {
        let is_there = bucket.gate.read().await;
        if !*is_there {
            return Err(S3Error::no_such_bucket(bucket.name()));
        }
        let (algorithm, kind) = checksum;
        let upload = UploadRecord {
            key: key.to_owned(),
            id: random::hex(&*self.random, 32),
            initiated_ms: self.wall.now_ms(),
            born_ms: self.outbox.now_ms(),
            headers,
            tags,
            algorithm,
            kind,
        };
        let place = upload_key(&bucket.scope, bucket.uid(), key, &upload.id);
        let value = self.codec.encode_at(&place, &upload)?;
        self.commit_plain(&bucket.scope, vec![Mutation::Put(place, value)]).await?;
        Ok(upload)
    }

    /// # Errors
    /// [`S3Error`]: there is no such upload.
    pub(crate) async fn upload(&self, bucket: &Bucket, key: &str, id: &str) -> Result<UploadRecord, S3Error> {
        let place = upload_key(&bucket.scope, bucket.uid(), key, id);
        let entry = self.store.get(&place).await?.ok_or_else(|| S3Error::no_such_upload(id))?;
        Ok(self.codec.decode_at(&entry.key, &entry.value)?)
    }

    pub(crate) async fn uploads_of(&self, bucket: &Bucket) -> Result<Vec<UploadRecord>, S3Error> {
        let mut found = Vec::new();
        scan_all(&*self.store, &uploads(&bucket.scope, bucket.uid()), |entry| {
            found.push(self.codec.decode_at(&entry.key, &entry.value)?);
            Ok::<_, S3Error>(())
        })
        .await?;
        Ok(found)
    }

    pub(crate) async fn parts_of(&self, bucket: &Bucket, upload: &UploadRecord) -> Result<Vec<PartRecord>, S3Error> {
        let mut found = Vec::new();
        scan_all(&*self.store, &parts(&bucket.scope, bucket.uid(), &upload.id), |entry: Entry| {
            found.push(self.codec.decode_at(&entry.key, &entry.value)?);
            Ok::<_, S3Error>(())
        })
        .await?;
        Ok(found)
    }

    /// Keeps a part, in the place of an earlier one of its number.
    ///
    /// # Errors
    /// [`S3Error`]: the upload has ended meanwhile.
    pub(crate) async fn put_part(
        &self,
        bucket: &Bucket,
        upload: &UploadRecord,
        number: u32,
        mut received: Received,
    ) -> Result<PartRecord, S3Error> {
        let lock = self.upload_locks.of(&upload.id);
        let open = lock.read().await;
        received.part.number = number;
        let committed = self.commit_part(bucket, upload, &received).await;
        received.settle(&committed);
        let doomed = committed?;
        drop(open);
        self.files.delete(doomed).await?;
        Ok(received.part)
    }

    /// Answers the file of the part that was there before.
    ///
    /// # Errors
    /// [`S3Error`]: the upload has ended.
    async fn commit_part(
        &self,
        bucket: &Bucket,
        upload: &UploadRecord,
        received: &Received,
    ) -> Result<Vec<FileId>, S3Error> {
        let place = part_key(&bucket.scope, bucket.uid(), &upload.id, received.part.number);
        let value = self.codec.encode_at(&place, &received.part)?;
        let upload_place = upload_key(&bucket.scope, bucket.uid(), &upload.key, &upload.id);
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let open = self.store.get(&upload_place).await?.ok_or_else(|| S3Error::no_such_upload(&upload.id))?;
            let before = self.store.get(&place).await?;
            let mut mutations: Vec<Mutation> = received.mutation(bucket).into_iter().collect();
            mutations.push(Mutation::Put(place.clone(), value.clone()));
            let (mut doomed, mut precondition) = (Vec::new(), Precondition::Absent(place.clone()));
            if let Some(before) = before {
                precondition = Precondition::Exact(place.clone(), before.version);
                let before: PartRecord = self.codec.decode_at(&before.key, &before.value)?;
                forget(bucket, &before, &mut mutations, &mut doomed);
            }
            let preconditions = vec![precondition, Precondition::Exact(upload_place.clone(), open.version)];
            match self.commit_if(&bucket.scope, preconditions, mutations).await {
                // The same part came twice at the same time, or the bucket was deleted.
                Err(StoreError::PreconditionFailed) => {}
                committed => return Ok(committed.map(|()| doomed)?),
            }
        }
        Err(overtaken(&Conditions::default(), &upload.key))
    }

    /// Ends an upload without an object.
    pub(crate) async fn remove_upload(&self, bucket: &Bucket, upload: &UploadRecord) -> Result<(), S3Error> {
        let lock = self.upload_locks.of(&upload.id);
        let _end = lock.write().await;
        self.forget_upload(bucket, upload).await
    }

    /// As [`S3::remove_upload`], for whoever holds the bucket's gate: who completes an upload has its lock and waits there.
    pub(crate) async fn forget_upload(&self, bucket: &Bucket, upload: &UploadRecord) -> Result<(), S3Error> {
        let mut mutations = vec![Mutation::Delete(upload_key(&bucket.scope, bucket.uid(), &upload.key, &upload.id))];
        loop {
            let mut doomed = Vec::new();
            for part in self.parts_of(bucket, upload).await? {
                mutations.push(Mutation::Delete(part_key(&bucket.scope, bucket.uid(), &upload.id, part.number)));
                forget(bucket, &part, &mut mutations, &mut doomed);
            }
            if mutations.is_empty() {
                return Ok(());
            }
            self.commit_plain(&bucket.scope, mutations).await?;
            self.files.delete(doomed).await?;
            // A part that came at the last moment; now none can come any more.
            mutations = Vec::new();
        }
    }

    /// Makes an object of an upload's parts, in one commit.
    ///
    /// # Errors
    /// [`S3Error`], as recorded.
    pub(crate) async fn complete(
        self: &Arc<Self>,
        ctx: &RequestContext,
        bucket: &Arc<Bucket>,
        upload: &UploadRecord,
        whole: Whole,
    ) -> Result<ObjectRecord, S3Error> {
        let lock = self.upload_locks.of(&upload.id);
        let _end = lock.write().await;
        let kept = self.parts_of(bucket, upload).await?;
        // After its parts: who deletes the bucket takes both away in one commit, and does not wait for this lock.
        let upload = &self.upload(bucket, &upload.key, &upload.id).await?;
        check_kind(upload, &whole)?;
        let chosen = choose(upload, &kept, &whole)?;
        let checksum = checksum_of(upload, &chosen, &whole)?;
        let size: u64 = chosen.iter().map(|part| part.size).sum();
        if let Some(claimed) = whole.size
            && u64::try_from(claimed).ok() != Some(size)
        {
            return Err(S3Error::request(format!(
                "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {size}"
            )));
        }
        let mut beside = vec![Mutation::Delete(upload_key(&bucket.scope, bucket.uid(), &upload.key, &upload.id))];
        let mut doomed = Vec::new();
        for part in &kept {
            beside.push(Mutation::Delete(part_key(&bucket.scope, bucket.uid(), &upload.id, part.number)));
            if !chosen.iter().any(|chosen| chosen.number == part.number) {
                forget(bucket, part, &mut beside, &mut doomed);
            }
        }
        let object = ObjectRecord {
            size,
            etag: etag_of(&chosen),
            parts: chosen,
            is_multipart: true,
            headers: upload.headers.clone(),
            tags: upload.tags.clone(),
            checksum,
            ..ObjectRecord::new(&upload.key)
        };
        let addition = Addition { object, conditions: whole.conditions, event: Event::Completed, beside };
        let object = self.add(ctx, bucket, addition).await?;
        self.files.delete(doomed).await?;
        Ok(object)
    }
}

fn forget(bucket: &Bucket, part: &PartRecord, mutations: &mut Vec<Mutation>, doomed: &mut Vec<FileId>) {
    match &part.place {
        Place::File(id) => doomed.push(*id),
        Place::Inline(id) => mutations.push(Mutation::Delete(inline_key(&bucket.scope, bucket.uid(), id))),
    }
}

/// The parts that the client names, in its order, which must be theirs.
fn choose(upload: &UploadRecord, kept: &[PartRecord], whole: &Whole) -> Result<Vec<PartRecord>, S3Error> {
    if whole.parts.is_empty() {
        return Err(S3Error::request("You must specify at least one part"));
    }
    let mut chosen: Vec<PartRecord> = Vec::with_capacity(whole.parts.len());
    for named in &whole.parts {
        if chosen.last().is_some_and(|last| i64::from(named.number) <= i64::from(last.number)) {
            let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
            let error = S3Error::new("InvalidPartOrder", http::StatusCode::BAD_REQUEST, message);
            return Err(error.with("UploadId", &upload.id));
        }
        let found =
            kept.iter().find(|part| i64::from(part.number) == i64::from(named.number) && part.md5 == named.etag);
        let Some(part) = found else {
            let message = "One or more of the specified parts could not be found.  The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            let error = S3Error::new("InvalidPart", http::StatusCode::BAD_REQUEST, message);
            let error = error.with("ETag", &named.etag).with("PartNumber", named.number.to_string());
            return Err(error.with("UploadId", &upload.id));
        };
        check_part(upload, part, named)?;
        chosen.push(part.clone());
    }
    let small = chosen.iter().rev().skip(1).rev().find(|part| part.size < PART_BYTES_MIN);
    if let Some(part) = small {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        let error = S3Error::new("EntityTooSmall", http::StatusCode::BAD_REQUEST, message);
        let error = error.with("ETag", &part.md5).with("MinSizeAllowed", PART_BYTES_MIN.to_string());
        return Err(error.with("PartNumber", part.number.to_string()).with("ProposedSize", part.size.to_string()));
    }
    Ok(chosen)
}

/// The checksum that the client names for a part, which it must where it asked for composite ones.
fn check_part(upload: &UploadRecord, part: &PartRecord, named: &Named) -> Result<(), S3Error> {
    let Some(algorithm) = upload.algorithm else { return Ok(()) };
    let name = algorithm.name().to_ascii_lowercase();
    let given = Algorithm::ALL.iter().zip(&named.checksums).find(|(known, _)| **known == algorithm);
    match given.and_then(|(_, value)| value.as_deref()) {
        Some(value) if part.checksum.as_deref() == Some(value) => Ok(()),
        Some(_) => {
            let message = format!("The {name} you specified for part {} did not match what we received.", part.number);
            Err(S3Error::new("BadDigest", http::StatusCode::BAD_REQUEST, message))
        }
        None if kind_of(upload) == Kind::Composite => Err(S3Error::request(format!(
            "The upload was created using a {name} checksum. The complete request must include the checksum for each \
             part. It was missing for part {} in the request.",
            part.number
        ))),
        None => Ok(()),
    }
}

/// How the checksum of the whole is made.
pub(crate) fn kind_of(upload: &UploadRecord) -> Kind {
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    upload.kind.unwrap_or_else(|| algorithm.default_kind())
}

/// # Errors
/// [`S3Error`], as recorded: the upload has another kind of checksum.
fn check_kind(upload: &UploadRecord, whole: &Whole) -> Result<(), S3Error> {
    if let Some(kind) = whole.kind
        && (upload.kind.is_some() || upload.algorithm.is_some())
        && kind != kind_of(upload)
    {
        let mode = kind_of(upload).as_str();
        return Err(S3Error::request(format!(
            "The upload was created using the {mode} checksum mode. The complete request must use the same checksum mode."
        )));
    }
    Ok(())
}

fn checksum_of(upload: &UploadRecord, chosen: &[PartRecord], whole: &Whole) -> Result<Option<Checksum>, S3Error> {
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let parts: Vec<(&str, u64)> =
        chosen.iter().filter_map(|part| Some((part.checksum.as_deref()?, part.size))).collect();
    if parts.len() < chosen.len() {
        return Ok(None);
    }
    let checksum = algorithm.of_parts(kind_of(upload), &parts);
    let given =
        Algorithm::ALL.into_iter().zip(&whole.checksums).find_map(|(known, value)| Some((known, value.as_ref()?)));
    if let (Some((known, value)), Some(checksum)) = (given, &checksum) {
        if known != algorithm {
            return Err(S3Error::request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.name().to_ascii_lowercase(),
                known.name().to_ascii_lowercase()
            )));
        }
        let without_count = checksum.value.split('-').next().unwrap_or_default();
        if *value != checksum.value && value != without_count {
            return Err(S3Error::bad_digest(&algorithm.name().to_ascii_lowercase()));
        }
    }
    Ok(checksum)
}

/// MD5 of the parts' MD5s, and how many there are.
fn etag_of(parts: &[PartRecord]) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(hex::decode(&part.md5).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(digest.finalize()), parts.len())
}
