//! Conditions at one place, found by the values that an event has there.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde_json::Value;

use super::ConditionId;
use crate::rule::{Range, Rule};
use crate::text::TextRule;

/// A rule of a condition stands in one of these.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    texts: HashMap<String, Vec<ConditionId>>,
    /// In lower case.
    lower: HashMap<String, Vec<ConditionId>>,
    prefixes: Affixes,
    lower_prefixes: Affixes,
    suffixes: Affixes,
    lower_suffixes: Affixes,
    /// What a wildcard begins with; it may hold.
    stems: Affixes,
    /// What a wildcard ends with, that begins with a star; it may hold.
    tails: Affixes,
    /// By their value as a double; they may hold.
    numbers: HashMap<u64, Vec<ConditionId>>,
    ranges: Vec<(Range, ConditionId)>,
    /// Null, false and true.
    words: [Vec<ConditionId>; 3],
    /// By bits of the prefix, family and block.
    blocks: HashMap<(bool, u32, u128), Vec<ConditionId>>,
    /// How many blocks there are of that family and bits.
    block_sizes: BTreeMap<(bool, u32), usize>,
    /// They may hold whatever the value is.
    others: Vec<ConditionId>,
    len: usize,
}

/// Beginnings or ends.
#[derive(Debug, Default)]
struct Affixes {
    by_text: HashMap<String, Vec<ConditionId>>,
    /// How many there are of a length in bytes.
    lengths: BTreeMap<usize, usize>,
}

impl Affixes {
    fn change(&mut self, text: &str, id: ConditionId, is_new: bool) {
        change(&mut self.by_text, text.to_owned(), id, is_new);
        count(&mut self.lengths, text.len(), is_new);
    }

    fn beginnings(&self, text: &str, found: &mut Vec<ConditionId>) {
        let lengths = self.lengths.range(..=text.len()).map(|(length, _)| *length);
        let known = lengths.filter_map(|length| self.by_text.get(text.get(..length)?));
        known.for_each(|ids| found.extend(ids));
    }

    fn ends(&self, text: &str, found: &mut Vec<ConditionId>) {
        let lengths = self.lengths.range(..=text.len()).map(|(length, _)| *length);
        let known = lengths.filter_map(|length| self.by_text.get(text.get(text.len() - length..)?));
        known.for_each(|ids| found.extend(ids));
    }

    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

fn change<K: Eq + std::hash::Hash>(map: &mut HashMap<K, Vec<ConditionId>>, key: K, id: ConditionId, is_new: bool) {
    if is_new {
        map.entry(key).or_default().push(id);
    } else if let Some(ids) = map.get_mut(&key) {
        take(ids, id);
        if ids.is_empty() {
            map.remove(&key);
        }
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, is_new: bool) {
    if is_new {
        *counts.entry(key).or_default() += 1;
    } else if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

fn take(ids: &mut Vec<ConditionId>, id: ConditionId) {
    if let Some(place) = ids.iter().position(|known| *known == id) {
        ids.swap_remove(place);
    }
}

impl Buckets {
    pub(super) fn insert(&mut self, rules: &[Rule], id: ConditionId) {
        rules.iter().for_each(|rule| self.change(rule, id, true));
        self.len += rules.len();
    }

    pub(super) fn remove(&mut self, rules: &[Rule], id: ConditionId) {
        rules.iter().for_each(|rule| self.change(rule, id, false));
        self.len -= rules.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn change(&mut self, rule: &Rule, id: ConditionId, is_new: bool) {
        let list = match rule {
            Rule::Exact(Value::String(text)) => return change(&mut self.texts, text.clone(), id, is_new),
            Rule::Exact(Value::Number(number)) => {
                return change(&mut self.numbers, bits(number.as_f64().unwrap_or(f64::NAN)), id, is_new);
            }
            Rule::Exact(Value::Null) => &mut self.words[0],
            Rule::Exact(Value::Bool(word)) => &mut self.words[1 + usize::from(*word)],
            Rule::Text(TextRule::Equals { lower }) => return change(&mut self.lower, lower.clone(), id, is_new),
            Rule::Text(TextRule::Prefix { text }) => return self.prefixes.change(text, id, is_new),
            Rule::Text(TextRule::PrefixIgnoringCase { lower }) => return self.lower_prefixes.change(lower, id, is_new),
            Rule::Text(TextRule::Suffix { text }) => return self.suffixes.change(text, id, is_new),
            Rule::Text(TextRule::SuffixIgnoringCase { lower }) => return self.lower_suffixes.change(lower, id, is_new),
            Rule::Text(TextRule::Wildcard(wildcard)) => match (wildcard.first(), wildcard.last()) {
                ("", "") => &mut self.others,
                ("", last) => return self.tails.change(last, id, is_new),
                (first, _) => return self.stems.change(first, id, is_new),
            },
            Rule::Numeric(Range { low: Some(low), high: Some(high) }) if low == high => {
                return change(&mut self.numbers, bits(low.value), id, is_new);
            }
            Rule::Numeric(range) => {
                if is_new {
                    self.ranges.push((*range, id));
                } else if let Some(place) = self.ranges.iter().position(|known| *known == (*range, id)) {
                    self.ranges.swap_remove(place);
                }
                return;
            }
            Rule::Cidr(cidr) => {
                let (is_v6, bits, block) = cidr.key();
                count(&mut self.block_sizes, (is_v6, bits), is_new);
                return change(&mut self.blocks, (is_v6, bits, block), id, is_new);
            }
            Rule::Exact(_) | Rule::AnythingBut(_) | Rule::AnythingButText(_) | Rule::Exists(_) => &mut self.others,
        };
        if is_new { list.push(id) } else { take(list, id) }
    }

    /// Conditions that hold for one of the values, and those that may.
    pub(super) fn find(&self, values: &[&Value], held: &mut Vec<ConditionId>, maybe: &mut Vec<ConditionId>) {
        maybe.extend(&self.others);
        for value in values {
            match value {
                Value::String(text) => self.find_text(text, held, maybe),
                Value::Number(number) => {
                    let number = number.as_f64().unwrap_or(f64::NAN);
                    maybe.extend(self.numbers.get(&bits(number)).into_iter().flatten());
                    held.extend(self.ranges.iter().filter(|(range, _)| range.contains(number)).map(|(_, id)| id));
                }
                Value::Null => held.extend(&self.words[0]),
                Value::Bool(word) => held.extend(&self.words[1 + usize::from(*word)]),
                Value::Array(_) | Value::Object(_) => {}
            }
        }
    }

    fn find_text(&self, text: &str, held: &mut Vec<ConditionId>, maybe: &mut Vec<ConditionId>) {
        held.extend(self.texts.get(text).into_iter().flatten());
        self.prefixes.beginnings(text, held);
        self.suffixes.ends(text, held);
        self.stems.beginnings(text, maybe);
        self.tails.ends(text, maybe);
        if !(self.lower.is_empty() && self.lower_prefixes.is_empty() && self.lower_suffixes.is_empty()) {
            let lower = text.to_lowercase();
            held.extend(self.lower.get(&lower).into_iter().flatten());
            self.lower_prefixes.beginnings(&lower, held);
            self.lower_suffixes.ends(&lower, held);
        }
        if !self.block_sizes.is_empty()
            && let Ok(ip) = text.parse::<IpAddr>()
        {
            for (is_v6, bits) in self.block_sizes.keys().filter(|(is_v6, _)| *is_v6 == ip.is_ipv6()) {
                let key = (*is_v6, *bits, crate::rule::block(ip, *bits));
                held.extend(self.blocks.get(&key).into_iter().flatten());
            }
        }
    }
}

/// The same for 0 and -0.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}
