//! Receipt handles: which message of which life of which queue, and which receive of it.
//!
//! ```text
//! base64( queue id 8 | message key 8 | nonce of the receive 4 | keyed digest of these 12 )
//! ```

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::MessageKey;
use crate::error::SqsError;

const PLAIN_BYTES: usize = 20;
const DIGEST_BYTES: usize = 12;

/// Makes and reads the handles of one queue.
pub(crate) struct Receipts {
    queue: u64,
    key: hmac::Key,
}

impl Receipts {
    pub(crate) fn new(queue: u64, key: &[u8]) -> Self {
        Self { queue, key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    pub(crate) fn handle(&self, key: MessageKey, nonce: u32) -> String {
        let mut raw = [0; PLAIN_BYTES + DIGEST_BYTES];
        raw[..8].copy_from_slice(&self.queue.to_be_bytes());
        raw[8..16].copy_from_slice(&key.0.to_be_bytes());
        raw[16..PLAIN_BYTES].copy_from_slice(&nonce.to_be_bytes());
        let digest = hmac::sign(&self.key, &raw[..PLAIN_BYTES]);
        raw[PLAIN_BYTES..].copy_from_slice(&digest.as_ref()[..DIGEST_BYTES]);
        STANDARD.encode(raw)
    }

    /// # Errors
    /// [`SqsError::ReceiptHandle`]: it was not made by this queue in this life.
    pub(crate) fn read(&self, handle: &str) -> Result<(MessageKey, u32), SqsError> {
        let refuse = || SqsError::ReceiptHandle(handle.chars().take(200).collect());
        let raw: [u8; PLAIN_BYTES + DIGEST_BYTES] =
            STANDARD.decode(handle).ok().and_then(|raw| raw.try_into().ok()).ok_or_else(refuse)?;
        let (plain, digest) = raw.split_at(PLAIN_BYTES);
        let expected = hmac::sign(&self.key, plain);
        if aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..DIGEST_BYTES], digest).is_err() {
            return Err(refuse());
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if number(&plain[..8]) != self.queue {
            return Err(refuse());
        }
        Ok((MessageKey(number(&plain[8..16])), number(&plain[16..]) as u32))
    }
}
