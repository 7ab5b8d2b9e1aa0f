//! Many patterns at once: which of them an event matches, without asking each.
//!
//! ```text
//! pattern ─▶ conjunctions (`$or` taken apart) ─▶ conditions: a path and its rules, shared by all patterns that have them
//! event ─▶ leaves by path ─▶ buckets ─▶ conditions that hold ─▶ conjunctions anchored there ─▶ their other conditions
//! ```
//! Each conjunction is **anchored** at the condition that seems to hold most seldom; only anchors are looked up, by the
//! values that the event has. A condition is weighed once for an event, however many patterns share it. Where an array of
//! objects makes it matter which fields belong together, what was found is asked once more as a whole.
//!
//! The result is exactly that of [`EventPattern::matches`] for each pattern.

mod buckets;
mod paths;

use std::collections::HashMap;
use std::hash::Hash;

use serde_json::Value;

use self::buckets::Buckets;
use self::paths::{Leaves, PathId, Paths};
use crate::rule::Rule;
use crate::{EventPattern, Fields, Node};

/// A pattern that comes apart into more conjunctions is asked by itself. Source: EventBridge's own bound of combinations.
const CONJUNCTIONS_MAX: usize = 1_000;

type ConditionId = usize;
type ConjunctionId = usize;
type EntryId = usize;
/// A path, and rules of which one must hold there.
type Part = (Vec<String>, Vec<Rule>);

/// Patterns by key.
#[derive(Debug)]
pub struct PatternIndex<K> {
    paths: Paths,
    conditions: Slab<Condition>,
    /// By path and what the rules are.
    known: HashMap<(PathId, String), ConditionId>,
    conjunctions: Slab<Conjunction>,
    entries: Slab<Entry<K>>,
    by_key: HashMap<K, EntryId>,
    /// Anchors at a path.
    buckets: HashMap<PathId, Buckets>,
    /// Anchors that may hold where there is nothing.
    of_absence: Vec<ConditionId>,
    /// Asked by themselves.
    whole: Vec<EntryId>,
}

/// Rules at a place, one of which must hold.
#[derive(Debug)]
struct Condition {
    path: PathId,
    rules: Vec<Rule>,
    /// Conjunctions that have it.
    users: usize,
    anchored: Vec<ConjunctionId>,
}

#[derive(Debug)]
struct Conjunction {
    entry: EntryId,
    /// The anchor first.
    conditions: Vec<ConditionId>,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    pattern: EventPattern,
    conjunctions: Vec<ConjunctionId>,
}

/// Places that are used again.
#[derive(Debug)]
struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, value: T) -> usize {
        if let Some(place) = self.free.pop() {
            self.places[place] = Some(value);
            return place;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(value)
    }

    fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }
}

impl<K> Default for PatternIndex<K> {
    fn default() -> Self {
        Self {
            paths: Paths::default(),
            conditions: Slab::default(),
            known: HashMap::new(),
            conjunctions: Slab::default(),
            entries: Slab::default(),
            by_key: HashMap::new(),
            buckets: HashMap::new(),
            of_absence: Vec::new(),
            whole: Vec::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> PatternIndex<K> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Puts a pattern; one of the same key goes.
    pub fn insert(&mut self, key: K, pattern: EventPattern) {
        self.remove(&key);
        let conjunctions = conjunctions(&pattern.0);
        let entry = self.entries.insert(Entry { key: key.clone(), pattern, conjunctions: Vec::new() });
        self.by_key.insert(key, entry);
        let Some(conjunctions) = conjunctions else {
            self.whole.push(entry);
            return;
        };
        let ids: Vec<ConjunctionId> =
            conjunctions.into_iter().map(|conjunction| self.add(entry, conjunction)).collect();
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.conjunctions = ids;
        }
    }

    fn add(&mut self, entry: EntryId, parts: Vec<Part>) -> ConjunctionId {
        let mut conditions: Vec<ConditionId> =
            parts.into_iter().map(|(path, rules)| self.condition(&path, rules)).collect();
        conditions.sort_by_key(|id| self.conditions.get(*id).map_or(usize::MAX, Condition::cost));
        let anchor = conditions.first().copied();
        let id = self.conjunctions.insert(Conjunction { entry, conditions });
        if let Some(condition) = anchor.and_then(|anchor| self.conditions.get_mut(anchor)) {
            condition.anchored.push(id);
        }
        if let Some((anchor, condition)) = anchor.and_then(|anchor| Some((anchor, self.conditions.get(anchor)?)))
            && condition.anchored.len() == 1
        {
            self.buckets.entry(condition.path).or_default().insert(&condition.rules, anchor);
            if condition.rules.iter().any(Rule::is_of_absence) {
                self.of_absence.push(anchor);
            }
        }
        id
    }

    /// The condition of these rules at that path; one more uses it.
    fn condition(&mut self, path: &[String], rules: Vec<Rule>) -> ConditionId {
        let path = self.paths.enter(path);
        let known = (path, format!("{rules:?}"));
        if let Some(id) = self.known.get(&known).copied() {
            self.paths.leave(path);
            if let Some(condition) = self.conditions.get_mut(id) {
                condition.users += 1;
            }
            return id;
        }
        let id = self.conditions.insert(Condition { path, rules, users: 1, anchored: Vec::new() });
        self.known.insert(known, id);
        id
    }

    /// Takes a pattern out; whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(id) = self.by_key.remove(key) else { return false };
        let Some(entry) = self.entries.remove(id) else { return false };
        self.whole.retain(|whole| *whole != id);
        for conjunction in entry.conjunctions {
            let Some(Conjunction { conditions, .. }) = self.conjunctions.remove(conjunction) else { continue };
            if let Some(anchor) = conditions.first() {
                self.lift(*anchor, conjunction);
            }
            conditions.into_iter().for_each(|condition| self.release(condition));
        }
        true
    }

    /// A conjunction is anchored there no more.
    fn lift(&mut self, anchor: ConditionId, conjunction: ConjunctionId) {
        let Some(condition) = self.conditions.get_mut(anchor) else { return };
        condition.anchored.retain(|anchored| *anchored != conjunction);
        if !condition.anchored.is_empty() {
            return;
        }
        self.of_absence.retain(|of_absence| *of_absence != anchor);
        if let Some(buckets) = self.buckets.get_mut(&condition.path) {
            buckets.remove(&condition.rules, anchor);
            if buckets.is_empty() {
                self.buckets.remove(&condition.path);
            }
        }
    }

    fn release(&mut self, id: ConditionId) {
        let Some(condition) = self.conditions.get_mut(id) else { return };
        condition.users -= 1;
        if condition.users == 0 {
            self.known.remove(&(condition.path, format!("{:?}", condition.rules)));
            self.paths.leave(condition.path);
            self.conditions.remove(id);
        }
    }

    /// The keys of all patterns that the event matches, each once, in no particular order.
    #[must_use]
    pub fn matches(&self, event: &Value) -> Vec<&K> {
        let leaves = self.paths.leaves(event);
        let mut weighing = Weighing { index: self, leaves: &leaves, weighed: vec![None; self.conditions.places.len()] };
        let mut anchors: Vec<ConditionId> = self.of_absence.clone();
        let mut held = Vec::new();
        for (path, values) in leaves.by_path() {
            if let Some(buckets) = self.buckets.get(&path) {
                buckets.find(values, &mut held, &mut anchors);
            }
        }
        held.iter().for_each(|id| weighing.weighed[*id] = Some(true));
        anchors.extend(held);
        anchors.sort_unstable();
        anchors.dedup();
        let mut found: Vec<EntryId> = Vec::new();
        for anchor in anchors {
            if weighing.holds(anchor) {
                let anchored = self.conditions.get(anchor).map_or(&[][..], |condition| &condition.anchored);
                found.extend(anchored.iter().filter_map(|id| weighing.conjunction(*id)));
            }
        }
        found.extend(&self.whole);
        found.sort_unstable();
        found.dedup();
        let entries = found.into_iter().filter_map(|id| Some((id, self.entries.get(id)?)));
        let is_sure = |entry: &Entry<K>| !leaves.is_ambiguous && !entry.conjunctions.is_empty();
        entries
            .filter(|(_, entry)| is_sure(entry) || entry.pattern.matches(event))
            .map(|(_, entry)| &entry.key)
            .collect()
    }
}

/// One event, as far as it has been weighed.
struct Weighing<'a, K> {
    index: &'a PatternIndex<K>,
    leaves: &'a Leaves<'a>,
    weighed: Vec<Option<bool>>,
}

impl<K> Weighing<'_, K> {
    fn holds(&mut self, id: ConditionId) -> bool {
        if let Some(holds) = self.weighed[id] {
            return holds;
        }
        let holds = self.index.conditions.get(id).is_some_and(|Condition { path, rules, .. }| {
            let leaves = self.leaves.at(*path);
            // Of one object among several there may be nothing where another has something.
            let may_be_absent = self.leaves.is_ambiguous && rules.iter().any(Rule::is_of_absence);
            may_be_absent || rules.iter().any(|rule| rule.matches(leaves))
        });
        self.weighed[id] = Some(holds);
        holds
    }

    /// Whose conjunction it is, if all of it holds.
    fn conjunction(&mut self, id: ConjunctionId) -> Option<EntryId> {
        let Conjunction { entry, conditions } = self.index.conjunctions.get(id)?;
        conditions.iter().all(|id| self.holds(*id)).then_some(*entry)
    }
}

impl Condition {
    /// How much anchoring here costs, about: what holds seldom and is shared by few is cheap.
    fn cost(&self) -> usize {
        self.rules.iter().map(Rule::weight).max().unwrap_or(1).saturating_mul(self.users)
    }
}

impl Rule {
    /// How often it holds, about.
    const fn weight(&self) -> usize {
        match self {
            Self::Exact(_) | Self::Text(_) | Self::Cidr(_) => 1,
            Self::Numeric(_) => 8,
            Self::AnythingBut(_) | Self::AnythingButText(_) | Self::Exists(_) => 64,
        }
    }

    const fn is_of_absence(&self) -> bool {
        matches!(self, Self::Exists(false))
    }
}

/// Conditions that must hold together; `None` when they are too many.
fn conjunctions(fields: &Fields) -> Option<Vec<Vec<Part>>> {
    let mut all = vec![Vec::new()];
    for (name, node) in &fields.named {
        match node {
            Node::Rules(rules) => all.iter_mut().for_each(|one| one.push((vec![name.clone()], rules.clone()))),
            Node::Fields(below) => {
                let mut below = conjunctions(below)?;
                let paths = below.iter_mut().flatten().map(|(path, _)| path);
                paths.for_each(|path: &mut Vec<String>| path.insert(0, name.clone()));
                all = cross(&all, &below)?;
            }
        }
    }
    for alternatives in &fields.alternatives {
        let mut any = Vec::new();
        for alternative in alternatives {
            any.extend(conjunctions(alternative)?);
        }
        all = cross(&all, &any)?;
    }
    Some(all)
}

fn cross<T: Clone>(left: &[Vec<T>], right: &[Vec<T>]) -> Option<Vec<Vec<T>>> {
    if left.len().saturating_mul(right.len()) > CONJUNCTIONS_MAX {
        return None;
    }
    Some(left.iter().flat_map(|left| right.iter().map(move |right| [&left[..], &right[..]].concat())).collect())
}

#[cfg(test)]
mod tests;
