//! The places that patterns speak of, and what an event has there.

use std::collections::HashMap;

use serde_json::Value;

use super::Slab;

pub(super) type PathId = usize;

const ROOT: PathId = 0;

/// A tree of names.
#[derive(Debug)]
pub(super) struct Paths {
    places: Slab<Place>,
}

#[derive(Debug)]
struct Place {
    parent: PathId,
    name: String,
    children: HashMap<String, PathId>,
    /// Conditions here, and children.
    users: usize,
}

impl Default for Paths {
    fn default() -> Self {
        let mut places = Slab::default();
        places.insert(Place { parent: ROOT, name: String::new(), children: HashMap::new(), users: 1 });
        Self { places }
    }
}

impl Paths {
    /// The place of that path; one more uses it.
    pub(super) fn enter(&mut self, path: &[String]) -> PathId {
        let mut at = ROOT;
        for name in path {
            let known = self.places.get(at).and_then(|place| place.children.get(name)).copied();
            at = known.unwrap_or_else(|| {
                let child = Place { parent: at, name: name.clone(), children: HashMap::new(), users: 0 };
                let child = self.places.insert(child);
                if let Some(place) = self.places.get_mut(at) {
                    place.children.insert(name.clone(), child);
                    place.users += 1;
                }
                child
            });
        }
        if let Some(place) = self.places.get_mut(at) {
            place.users += 1;
        }
        at
    }

    /// One uses it no more.
    pub(super) fn leave(&mut self, mut at: PathId) {
        while let Some(place) = self.places.get_mut(at) {
            place.users -= 1;
            if place.users > 0 || at == ROOT {
                return;
            }
            let Some(Place { parent, name, .. }) = self.places.remove(at) else { return };
            if let Some(place) = self.places.get_mut(parent) {
                place.children.remove(&name);
            }
            at = parent;
        }
    }

    /// What an event has at all places.
    pub(super) fn leaves<'e>(&self, event: &'e Value) -> Leaves<'e> {
        let mut found = Vec::new();
        let mut is_ambiguous = false;
        self.walk(event, ROOT, &mut found, &mut is_ambiguous);
        found.sort_by_key(|(path, _)| *path);
        let (mut values, mut ranges) = (Vec::with_capacity(found.len()), Vec::new());
        for (path, value) in found {
            match ranges.last_mut() {
                Some((last, _, end)) if *last == path => *end += 1,
                _ => ranges.push((path, values.len(), values.len() + 1)),
            }
            values.push(value);
        }
        Leaves { values, ranges, is_ambiguous }
    }

    fn walk<'e>(&self, value: &'e Value, at: PathId, found: &mut Vec<(PathId, &'e Value)>, is_ambiguous: &mut bool) {
        let Some(place) = self.places.get(at) else { return };
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let Some(child) = place.children.get(name) {
                        self.walk(value, *child, found, is_ambiguous);
                    }
                }
            }
            Value::Array(elements) => {
                let is_nested = |element: &Value| element.is_object() || element.is_array();
                *is_ambiguous |= elements.len() > 1 && !place.children.is_empty() && elements.iter().any(is_nested);
                elements.iter().for_each(|element| self.walk(element, at, found, is_ambiguous));
            }
            scalar => found.push((at, scalar)),
        }
    }
}

/// Scalars of an event by place.
pub(super) struct Leaves<'e> {
    values: Vec<&'e Value>,
    /// In the order of paths: path, and from where to where its values go.
    ranges: Vec<(PathId, usize, usize)>,
    /// There are several objects in an array: which fields are of one of them is not known here.
    pub(super) is_ambiguous: bool,
}

impl<'e> Leaves<'e> {
    pub(super) fn by_path(&self) -> impl Iterator<Item = (PathId, &[&'e Value])> {
        self.ranges.iter().map(|(path, from, to)| (*path, &self.values[*from..*to]))
    }

    /// Nothing where there is no such field.
    pub(super) fn at(&self, path: PathId) -> &[&'e Value] {
        match self.ranges.binary_search_by_key(&path, |(path, ..)| *path) {
            Ok(found) => &self.values[self.ranges[found].1..self.ranges[found].2],
            Err(_) => &[],
        }
    }
}
