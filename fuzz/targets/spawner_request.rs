//! Any bytes as a message of the sandbox's protocol, to the spawner before all: it is the one with privileges.
//!
//! No decoder may panic, and what passes the spawner's check is within Lambda's limits and survives the way there.
#![no_main]

use hearth_sandbox::protocol::{Boot, Order, Reply, Report, Request, SPAWNER_MESSAGE_BYTES_MAX};
use hearth_types::Mebibytes;
use libfuzzer_sys::fuzz_target;

/// Lambda developer guide, "Lambda quotas".
fn assert_sizes(memory: Mebibytes, ephemeral_storage: Mebibytes) {
    assert!((128..=10_240).contains(&memory.0), "memory");
    assert!((512..=10_240).contains(&ephemeral_storage.0), "ephemeral storage");
}

fuzz_target!(|bytes: &[u8]| {
    let _ = postcard::from_bytes::<Boot>(bytes);
    let _ = postcard::from_bytes::<Order>(bytes);
    let _ = postcard::from_bytes::<Reply>(bytes);
    let _ = postcard::from_bytes::<Report>(bytes);
    let Ok(request) = postcard::from_bytes::<Request>(bytes) else { return };
    match &request {
        Request::Prepare(prepare) if prepare.check().is_ok() => {
            assert_sizes(prepare.memory.unwrap_or(Mebibytes(128)), prepare.ephemeral_storage);
        }
        Request::Furnish(furnish) if furnish.check().is_ok() => {
            assert_sizes(furnish.memory, furnish.ephemeral_storage);
            assert!(furnish.layers.len() <= 5, "layers");
            for digest in furnish.layers.iter().chain([&furnish.code]) {
                let name = digest.hex();
                assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "no path: {name}");
            }
        }
        Request::Prepare(_) | Request::Furnish(_) => return,
        Request::Copy { .. } | Request::Destroy { .. } => {}
    }
    let sent = postcard::to_allocvec(&request).expect("encodes");
    assert!(sent.len() <= SPAWNER_MESSAGE_BYTES_MAX);
    assert_eq!(postcard::from_bytes::<Request>(&sent), Ok(request));
});
