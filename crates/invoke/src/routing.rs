//! Which of an alias's versions an invocation runs. Pure but for the draw.
//!
//! Source: Lambda developer guide, "Implement Lambda canary deployments using a weighted alias": each invocation is
//! routed by itself, by chance.

use std::sync::Arc;

use hearth_ports::{FunctionVersion, Weighted};
use hearth_types::{Random, random};

/// `first`, or `second` as often as its weight says.
pub(crate) fn choose(
    first: Arc<FunctionVersion>,
    second: Option<Weighted>,
    source: &dyn Random,
) -> Arc<FunctionVersion> {
    match second {
        Some(Weighted { version, weight }) if random::unit(source) < weight => version,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{SeededRandom, Version};

    use super::*;
    use crate::testing::function;

    #[test]
    fn each_invocation_is_routed_by_the_weight() {
        const DRAWS: u32 = 10_000;
        let version = |number| Arc::new(FunctionVersion { version: Version::Published(number), ..function("f") });
        let source = SeededRandom::new(1);
        // 10,000 draws of a tenth: three standard deviations are 90.
        for (weight, least, most) in [(0.0, 0, 0), (0.1, 910, 1_090), (0.5, 4_850, 5_150), (1.0, DRAWS, DRAWS)] {
            let to_second = || {
                let second = Weighted { version: version(2), weight };
                choose(version(1), Some(second), &source).version == Version::Published(2)
            };
            let count = (0..DRAWS).filter(|_| to_second()).count() as u32;
            assert!((least..=most).contains(&count), "{weight}: {count}");
        }
        assert_eq!(choose(version(1), None, &source).version, Version::Published(1));
    }
}
