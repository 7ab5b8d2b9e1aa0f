//! Messages in order, densely: those of one page are bits of one number.

use std::collections::BTreeMap;

use super::MessageKey;

#[derive(Debug, Default)]
pub(super) struct KeySet {
    /// Slots by page; none without a slot.
    pages: BTreeMap<u64, u16>,
}

impl KeySet {
    pub(super) fn insert(&mut self, key: MessageKey) {
        *self.pages.entry(key.page()).or_default() |= key.bit();
    }

    pub(super) fn remove(&mut self, key: MessageKey) {
        if let Some(slots) = self.pages.get_mut(&key.page()) {
            *slots &= !key.bit();
            if *slots == 0 {
                self.pages.remove(&key.page());
            }
        }
    }

    pub(super) fn first(&self) -> Option<MessageKey> {
        self.pages.first_key_value().map(|(page, slots)| lowest(*page, *slots))
    }

    pub(super) fn after(&self, key: MessageKey) -> Option<MessageKey> {
        let above = !(key.bit() | (key.bit() - 1));
        let mut pages = self.pages.range(key.page()..);
        pages.find_map(|(page, slots)| {
            let slots = if *page == key.page() { slots & above } else { *slots };
            (slots != 0).then(|| lowest(*page, slots))
        })
    }
}

fn lowest(page: u64, slots: u16) -> MessageKey {
    MessageKey::new(page, slots.trailing_zeros() as usize)
}

#[cfg(test)]
pub(super) const ENTRY_BYTES: usize = size_of::<(u64, u16)>();

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_an_ordered_set(steps in prop::collection::vec((any::<bool>(), 0..64_u64, 0..64_u64), 1..200)) {
            let (mut set, mut model) = (KeySet::default(), BTreeSet::new());
            for (is_insert, key, from) in steps {
                let (key, from) = (MessageKey(key), MessageKey(from));
                if is_insert {
                    set.insert(key);
                    model.insert(key);
                } else {
                    set.remove(key);
                    model.remove(&key);
                }
                prop_assert_eq!(set.first(), model.first().copied());
                let behind = (std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded);
                prop_assert_eq!(set.after(from), model.range(behind).next().copied());
            }
            prop_assert_eq!(set.pages.len(), model.iter().map(|key| key.page()).collect::<BTreeSet<_>>().len());
        }
    }
}
