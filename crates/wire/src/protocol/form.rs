//! Query requests: `a.member.1.b=c` pairs as a tree.

use std::collections::BTreeMap;

use crate::error::ErrorAnswer;
use crate::protocol::malformed_input;

/// Pairs a form may have; the longest list of the served APIs needs far fewer.
pub(crate) const FORM_PAIRS_MAX: usize = 20_000;
/// Dots a name may have.
pub(crate) const FORM_DEPTH_MAX: usize = 32;

/// One name of the tree.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) text: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ErrorAnswer> {
        let mut root = Self::default();
        for (count, (name, text)) in form_urlencoded::parse(body).enumerate() {
            if count >= FORM_PAIRS_MAX || name.matches('.').count() > FORM_DEPTH_MAX {
                return Err(malformed_input("The request has too many parameters."));
            }
            let leaf = name.split('.').fold(&mut root, |node, part| node.children.entry(part.to_owned()).or_default());
            leaf.text = Some(text.into_owned());
        }
        Ok(root)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.children.get(name)
    }

    /// The numbered entries in the order of their numbers.
    pub(crate) fn entries(&self) -> Vec<&Self> {
        let mut entries: Vec<(u32, &Self)> =
            self.children.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
        entries.sort_by_key(|(number, _)| *number);
        entries.into_iter().map(|(_, node)| node).collect()
    }

    /// Nothing below: the parameter is its text alone.
    pub(crate) fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_numeric_order() {
        let root = Node::parse(b"L.member.10=c&L.member.2=b&L.member.1=a").expect("a form");
        let list = root.get("L").and_then(|node| node.get("member")).expect("a list");
        let texts: Vec<_> = list.entries().iter().filter_map(|node| node.text.as_deref()).collect();
        assert_eq!(texts, ["a", "b", "c"]);
    }

    #[test]
    fn a_form_without_end_is_refused() {
        assert!(Node::parse("a=1&".repeat(FORM_PAIRS_MAX + 1).as_bytes()).is_err());
        assert!(Node::parse("a.".repeat(FORM_DEPTH_MAX + 1).as_bytes()).is_err());
    }
}
