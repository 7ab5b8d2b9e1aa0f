//! Keys and shards: where a record lives.
//!
//! A key is a list of components. Its bytes sort as the list does, and no two lists have the same bytes: every
//! component starts with a tag and ends by itself, so `("ab", "c")` and `("a", "bc")` cannot meet, and a key is a
//! byte prefix of another exactly when its components are the first components of the other.
//!
//! ```text
//! global   00
//! number   01  eight bytes, big-endian
//! text     02  bytes, 00 written as 00 FF            00 01
//! ```

use std::borrow::Cow;
use std::fmt;

use hearth_types::{Partition, Region, Scope};

const TAG_GLOBAL: u8 = 0x00;
const TAG_NUMBER: u8 = 0x01;
const TAG_TEXT: u8 = 0x02;
/// No component starts with this byte: behind everything that a prefix matches.
const BEHIND: u8 = 0xFF;
const TEXT_END: [u8; 2] = [0x00, 0x01];
const TEXT_ZERO: [u8; 2] = [0x00, 0xFF];
/// Memory set aside behind a component for those that follow it.
const PART_ROOM_BYTES: usize = 48;

/// The place of one record: partition, account, region (or global), table, and what the table's owner adds.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

/// One component of a key, decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// In the place of the region of a global resource.
    Global,
    Number(u64),
    Text(Vec<u8>),
}

impl Key {
    /// The key of a table, and the prefix of everything in it. `table` is `service.noun`, for example `iam.role`.
    #[must_use]
    pub fn new(scope: &Scope, table: &str) -> Self {
        Self::scope_prefix(scope).part(table)
    }

    /// The prefix of everything in one partition, account and region.
    #[must_use]
    pub fn scope_prefix(scope: &Scope) -> Self {
        let account = Self::root().part(scope.partition.as_str()).part(scope.account.as_str());
        match &scope.region {
            Some(region) => account.part(region.as_str()),
            None => account.with(|bytes| bytes.push(TAG_GLOBAL)),
        }
    }

    /// The prefix of everything. To find which scopes exist use [`crate::scopes`].
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Adds a text or binary component.
    #[must_use]
    pub fn part(self, component: impl AsRef<[u8]>) -> Self {
        let component = component.as_ref();
        self.with(|bytes| {
            // Room for the components that usually follow, too: keys are made for every request.
            bytes.reserve(component.len() + PART_ROOM_BYTES);
            bytes.push(TAG_TEXT);
            let mut pieces = component.split(|byte| *byte == 0);
            bytes.extend_from_slice(pieces.next().unwrap_or_default());
            for piece in pieces {
                bytes.extend(TEXT_ZERO);
                bytes.extend_from_slice(piece);
            }
            bytes.extend(TEXT_END);
        })
    }

    /// Adds a number; numbers sort by value.
    #[must_use]
    pub fn part_u64(self, component: u64) -> Self {
        self.with(|bytes| {
            bytes.push(TAG_NUMBER);
            bytes.extend(component.to_be_bytes());
        })
    }

    /// The position behind every key that starts with this one: as `after` of a scan it skips them all.
    #[must_use]
    pub fn end(&self) -> Self {
        self.clone().with(|bytes| bytes.push(BEHIND))
    }

    /// Whether the components of `prefix` are this key's first components.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The bytes as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components; `None` when the bytes are no key (a damaged one, or an [`Key::end`]).
    #[must_use]
    pub fn components(&self) -> Option<Vec<Component>> {
        let mut rest = self.0.as_slice();
        let mut components = Vec::new();
        while !rest.is_empty() {
            let (component, tail) = next_component(rest)?;
            components.push(match component {
                Found::Global => Component::Global,
                Found::Number(number) => Component::Number(number),
                Found::Text(text) => Component::Text(text.into_owned()),
            });
            rest = tail;
        }
        Some(components)
    }

    /// The scope a key lies in.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        self.scope_and_rest().map(|(scope, _)| scope)
    }

    /// Whether a record may live here: a scope, and something in it.
    pub(crate) fn is_of_record(&self) -> bool {
        self.scope_and_rest().is_some_and(|(_, rest)| {
            let mut rest = rest;
            while let Some((_, tail)) = next_component(rest) {
                if tail.is_empty() {
                    return true;
                }
                rest = tail;
            }
            false
        })
    }

    fn scope_and_rest(&self) -> Option<(Scope, &[u8])> {
        let (partition, rest) = next_component(&self.0)?;
        let (account, rest) = next_component(rest)?;
        let (region, rest) = next_component(rest)?;
        let (Found::Text(partition), Found::Text(account)) = (partition, account) else { return None };
        let partition = [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov]
            .into_iter()
            .find(|known| known.as_str().as_bytes() == &*partition)?;
        let region = match region {
            Found::Global => None,
            Found::Text(name) => Some(Region::from(std::str::from_utf8(&name).ok()?)),
            Found::Number(_) => return None,
        };
        Some((Scope { partition, account: std::str::from_utf8(&account).ok()?.parse().ok()?, region }, rest))
    }

    pub(crate) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn with(mut self, add: impl FnOnce(&mut Vec<u8>)) -> Self {
        add(&mut self.0);
        self
    }
}

/// A component as it stands in a key.
enum Found<'a> {
    Global,
    Number(u64),
    Text(Cow<'a, [u8]>),
}

/// The first component and what is behind it.
fn next_component(bytes: &[u8]) -> Option<(Found<'_>, &[u8])> {
    let (tag, tail) = bytes.split_first()?;
    match *tag {
        TAG_GLOBAL => Some((Found::Global, tail)),
        TAG_NUMBER => tail.split_first_chunk().map(|(number, tail)| (Found::Number(u64::from_be_bytes(*number)), tail)),
        TAG_TEXT => decode_text(tail).map(|(text, tail)| (Found::Text(text), tail)),
        _ => None,
    }
}

fn decode_text(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut text = Cow::Borrowed(&[][..]);
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|byte| *byte == 0)?;
        let (piece, tail) = rest.split_at(zero);
        if text.is_empty() {
            text = Cow::Borrowed(piece);
        } else {
            text.to_mut().extend_from_slice(piece);
        }
        match tail {
            [0x00, 0x01, tail @ ..] => return Some((text, tail)),
            [0x00, 0xFF, tail @ ..] => {
                text.to_mut().push(0);
                rest = tail;
            }
            _ => return None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(components) = self.components() else {
            return write!(f, "{:02x?}", self.0);
        };
        for (at, component) in components.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            match component {
                Component::Global => f.write_str("global")?,
                Component::Number(number) => write!(f, "#{number}")?,
                Component::Text(text) => write!(f, "{}", text.escape_ascii())?,
            }
        }
        Ok(())
    }
}

/// The unit of order, fencing and ownership: a commit touches one shard, and a key belongs to one shard, the one that
/// wrote it first, for as long as it exists.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(Key);

impl Shard {
    /// The shard of a service in one scope, for example `lambda`.
    #[must_use]
    pub fn new(scope: &Scope, name: &str) -> Self {
        Self(Key::new(scope, name))
    }

    /// A finer shard, for example one per queue.
    #[must_use]
    pub fn part(self, component: impl AsRef<[u8]>) -> Self {
        Self(self.0.part(component))
    }

    /// The bytes as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Key::from_bytes(bytes))
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::AccountId;
    use proptest::prelude::*;

    use super::*;

    fn scope(region: Option<&str>) -> Scope {
        Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: region.map(Region::from) }
    }

    fn component() -> impl Strategy<Value = Component> {
        // Few distinct bytes, so that escapes, prefixes and equal lists are frequent.
        let byte = prop_oneof![Just(0_u8), Just(1), Just(2), Just(b'a'), Just(0xFE), Just(0xFF)];
        prop_oneof![
            prop::collection::vec(byte, 0..4).prop_map(Component::Text),
            prop_oneof![0..3_u64, Just(255), Just(256), any::<u64>()].prop_map(Component::Number),
        ]
    }

    fn components() -> impl Strategy<Value = Vec<Component>> {
        prop::collection::vec(component(), 0..4)
    }

    fn encode(components: &[Component]) -> Key {
        components.iter().fold(Key::root(), |key, component| match component {
            Component::Global => key.with(|bytes| bytes.push(TAG_GLOBAL)),
            Component::Number(number) => key.part_u64(*number),
            Component::Text(text) => key.part(text),
        })
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_components_do(a in components(), b in components()) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn a_prefix_matches_whole_components_only(a in components(), b in components()) {
            let (long, short) = (encode(&a), encode(&b));
            prop_assert_eq!(long.starts_with(&short), a.starts_with(&b));
            let in_range = long >= short && long < short.end();
            prop_assert_eq!(in_range, a.starts_with(&b));
        }

        #[test]
        fn components_survive_encoding(a in components()) {
            prop_assert_eq!(encode(&a).components(), Some(a));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let key = Key::from_bytes(bytes.clone());
            if let Some(components) = key.components() {
                prop_assert_eq!(encode(&components).0, bytes);
            }
        }
    }

    #[test]
    fn a_key_knows_its_scope() {
        for scope in [scope(None), scope(Some("us-east-1")), scope(Some(""))] {
            assert_eq!(Key::new(&scope, "lambda.function").part("f").scope(), Some(scope));
        }
        assert_eq!(Key::root().part("aws").scope(), None);
    }

    #[test]
    fn global_and_regional_records_never_meet() {
        let global = Key::scope_prefix(&scope(None));
        for region in ["", "global", "us-east-1"] {
            let regional = Key::new(&scope(Some(region)), "t");
            assert!(!regional.starts_with(&global), "{region}");
            assert!(regional > global.end(), "{region}");
        }
    }

    #[test]
    fn debug_output_is_readable() {
        let key = Key::new(&scope(None), "iam.role").part("a\0b").part_u64(7);
        assert_eq!(format!("{key:?}"), "aws/000000000000/global/iam.role/a\\x00b/#7");
    }
}
