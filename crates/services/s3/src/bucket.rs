//! Buckets: in the store and in memory, one name of each for all accounts, as in S3.

use std::sync::Arc;

use hearth_authz::Policy;
use hearth_store::{Epoch, Mutation, Precondition, StoreError, scan_all};
use hearth_types::{AccountId, Arn, Scope, random};
use tokio::sync::RwLock;

use crate::S3;
use crate::error::S3Error;
use crate::policy;
use crate::record::{BucketRecord, PublicAccess, Versioning, bucket_key, buckets, objects, uploads};

/// One state of a bucket.
pub(crate) struct Bucket {
    pub(crate) scope: Scope,
    pub(crate) record: BucketRecord,
    pub(crate) policy: Option<Arc<Policy>>,
    /// Whether it is still there. Held for reading by whoever changes what is in it.
    pub(crate) gate: Arc<RwLock<bool>>,
}

impl Bucket {
    fn new(scope: &Scope, record: BucketRecord, gate: Arc<RwLock<bool>>) -> Result<Self, S3Error> {
        let policy = record.policy.as_deref().map(policy::parse).transpose()?.map(Arc::new);
        Ok(Self { scope: scope.clone(), record, policy, gate })
    }

    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    pub(crate) fn uid(&self) -> &str {
        &self.record.uid
    }

    pub(crate) const fn account(&self) -> AccountId {
        self.scope.account
    }

    pub(crate) fn region(&self) -> &str {
        self.scope.region.as_ref().map_or("", |region| region.as_str())
    }

    pub(crate) fn arn(&self) -> Arn {
        arn(&self.scope, self.name())
    }

    pub(crate) fn is_versioned(&self) -> bool {
        self.record.versioning != Versioning::Off
    }
}

/// `arn:aws:s3:::BUCKET` or `…/KEY`.
pub(crate) fn arn(scope: &Scope, resource: &str) -> Arn {
    Arn {
        partition: scope.partition.as_str().to_owned(),
        service: "s3".to_owned(),
        region: String::new(),
        account: String::new(),
        resource: resource.to_owned(),
    }
}

/// Source: S3 user guide, "General purpose bucket naming rules".
pub(crate) fn is_name(name: &str) -> bool {
    const RESERVED: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", ".."];
    const ENDS: [&str; 4] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3"];
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&name.len())
        && bytes.iter().all(|byte| is_letter(*byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(|byte| is_letter(*byte))
        && bytes.last().is_some_and(|byte| is_letter(*byte))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !RESERVED[..2].iter().any(|start| name.starts_with(start))
        && !ENDS.iter().any(|end| name.ends_with(end))
}

impl S3 {
    pub(crate) fn find_bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.buckets.read().get(name).cloned()
    }

    /// Of an account, from behind a name.
    pub(crate) fn buckets_of(&self, account: AccountId) -> Vec<Arc<Bucket>> {
        self.buckets.read().values().filter(|bucket| bucket.account() == account).cloned().collect()
    }

    /// # Errors
    /// [`S3Error`]: the name is taken.
    pub(crate) async fn create_bucket(&self, scope: &Scope, name: &str, ownership: &str) -> Result<(), S3Error> {
        let _writer = self.writer.lock().await;
        if let Some(found) = self.find_bucket(name) {
            let status = http::StatusCode::CONFLICT;
            let error = if found.account() == scope.account {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                S3Error::new("BucketAlreadyOwnedByYou", status, message)
            } else {
                let message = "The requested bucket name is not available. The bucket namespace is shared by all users \
                               of the system. Please select a different name and try again.";
                S3Error::new("BucketAlreadyExists", status, message)
            };
            return Err(error.with("BucketName", name));
        }
        if self.buckets_of(scope.account).len() >= crate::limits::BUCKETS_MAX {
            let message = "You have attempted to create more buckets than allowed";
            return Err(S3Error::new("TooManyBuckets", http::StatusCode::BAD_REQUEST, message));
        }
        let record = BucketRecord {
            name: name.to_owned(),
            uid: random::hex(&*self.random, 8),
            created_ms: self.wall.now_ms(),
            versioning: Versioning::Off,
            tags: Vec::new(),
            policy: None,
            cors: Vec::new(),
            lifecycle: Vec::new(),
            notifications: crate::notification::Notifications::default(),
            public_access: Some(PublicAccess::NEW),
            ownership: Some(ownership.to_owned()),
            bucket_key_enabled: false,
        };
        self.put_bucket(Bucket::new(scope, record, Arc::new(RwLock::new(true)))?).await
    }

    /// Changes a bucket's record.
    ///
    /// # Errors
    /// [`S3Error`]: the bucket is gone, or `edit` refuses.
    pub(crate) async fn edit_bucket(
        &self,
        name: &str,
        edit: impl FnOnce(&mut BucketRecord) -> Result<(), S3Error> + Send,
    ) -> Result<(), S3Error> {
        let _writer = self.writer.lock().await;
        let bucket = self.find_bucket(name).ok_or_else(|| S3Error::no_such_bucket(name))?;
        let mut record = bucket.record.clone();
        edit(&mut record)?;
        self.put_bucket(Bucket::new(&bucket.scope, record, bucket.gate.clone())?).await
    }

    /// To be called by who holds the writer's lock.
    async fn put_bucket(&self, bucket: Bucket) -> Result<(), S3Error> {
        let key = bucket_key(&bucket.scope, bucket.name());
        let value = self.codec.encode_at(&key, &bucket.record)?;
        self.commit_plain(&bucket.scope, vec![Mutation::Put(key, value)]).await?;
        self.buckets.write().insert(bucket.name().to_owned(), Arc::new(bucket));
        Ok(())
    }

    /// # Errors
    /// [`S3Error`]: something is in it.
    pub(crate) async fn delete_bucket(&self, name: &str) -> Result<(), S3Error> {
        let _writer = self.writer.lock().await;
        let bucket = self.find_bucket(name).ok_or_else(|| S3Error::no_such_bucket(name))?;
        let mut is_there = bucket.gate.write().await;
        let (scope, uid) = (&bucket.scope, bucket.uid());
        if !self.store.scan(&objects(scope, uid), None, 1).await?.is_empty() {
            let message = if bucket.is_versioned() {
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
            } else {
                "The bucket you tried to delete is not empty"
            };
            let error = S3Error::new("BucketNotEmpty", http::StatusCode::CONFLICT, message);
            return Err(error.with("BucketName", name));
        }
        // Uploads that were never completed go with it.
        while let Some(entry) = self.store.scan(&uploads(scope, uid), None, 1).await?.pop() {
            let upload = self.codec.decode_at(&entry.key, &entry.value)?;
            self.forget_upload(&bucket, &upload).await?;
        }
        self.commit_plain(scope, vec![Mutation::Delete(bucket_key(scope, name))]).await?;
        *is_there = false;
        self.buckets.write().remove(name);
        Ok(())
    }

    pub(crate) async fn commit_plain(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), StoreError> {
        self.commit_if(scope, Vec::new(), mutations).await
    }

    pub(crate) async fn commit_if(
        &self,
        scope: &Scope,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<(), StoreError> {
        self.store.commit(&hearth_delivery::shard(scope), Epoch::default(), preconditions, mutations).await.map(drop)
    }

    /// Reads all buckets into memory.
    pub(crate) async fn load_buckets(&self) -> Result<(), S3Error> {
        for scope in hearth_store::scopes(&*self.store).await? {
            scan_all(&*self.store, &buckets(&scope), |entry| {
                let record = self.codec.decode_at::<BucketRecord>(&entry.key, &entry.value)?;
                let bucket = Bucket::new(&scope, record, Arc::new(RwLock::new(true)))?;
                self.buckets.write().insert(bucket.name().to_owned(), Arc::new(bucket));
                Ok::<_, S3Error>(())
            })
            .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_of_buckets_follow_the_documented_rules() {
        for name in ["abc", "docs-2026", "my.bucket.name", "1a2", &"a".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["ab", "Abc", "a_b", "-abc", "abc-", "a..b", "192.168.5.4", "xn--abc", "x-s3alias", &long, ".abc"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
