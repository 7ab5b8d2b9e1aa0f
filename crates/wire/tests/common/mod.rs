//! botocore's source distribution: the folder with the protocol cases and the signature vectors.

#![allow(dead_code, reason = "every test file uses a part of this module")]

use std::path::PathBuf;

/// The folder in `HEARTH_BOTOCORE_SDIST`, else where `tools/fetch-botocore.sh` puts it. `None`, with a loud line, when
/// there is none; a folder that is named but missing fails the test.
pub(crate) fn botocore() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("HEARTH_BOTOCORE_SDIST") {
        let dir = PathBuf::from(dir);
        assert!(
            dir.join("tests/unit/protocols").is_dir(),
            "HEARTH_BOTOCORE_SDIST: {} has no protocol cases",
            dir.display()
        );
        return Some(dir);
    }
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.tools/botocore-1.44.5");
    if dir.join("tests/unit/protocols").is_dir() {
        return Some(dir);
    }
    println!("SKIPPED: no botocore source distribution; run tools/fetch-botocore.sh or set HEARTH_BOTOCORE_SDIST");
    None
}
