//! What the unpacking process does with an archive, without the process and its walls: for those who feed it nonsense
//! (`fuzz/`). The product unpacks in a process of its own, always.

use std::path::Path;

use hearth_ports::LayerCompression;

use super::layer::{self, Amount};
use super::unpack;

/// Unpacks a zip into the empty directory `root`; gives the bytes of all files.
///
/// # Errors
/// Why not, in words.
pub fn unpack_zip(zip: &[u8], root: &Path, bytes_max: u64) -> Result<u64, String> {
    unpack::unpack(zip, root, bytes_max).map_err(|error| error.to_string())
}

/// Applies a layer of an image to the tree at `root`; gives how many bytes and nodes it held.
///
/// # Errors
/// Why not, in words.
pub fn apply_layer(
    layer: &[u8],
    compression: LayerCompression,
    root: &Path,
    bytes_max: u64,
    nodes_max: u64,
) -> Result<(u64, u64), String> {
    let max = Amount { bytes: bytes_max, nodes: nodes_max };
    let applied = layer::apply(layer, compression, root, max).map_err(|error| error.to_string())?;
    Ok((applied.amount.bytes, applied.amount.nodes))
}
