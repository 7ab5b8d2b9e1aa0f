//! From method and path to the operation of a REST model: a tree of path segments, built once.
//! Source: Smithy specification, "httpTrait", "URI pattern", "URI conflicts".

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::model::{Kind, Location, Model, Operation, OperationId};

/// Segments a path may have before it is no path of any model.
const SEGMENTS_MAX: usize = 256;

/// A REST model's paths.
#[derive(Debug)]
pub struct Router {
    root: Node,
}

/// An operation and its path labels by member name, percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pub operation: OperationId,
    pub labels: Vec<(Arc<str>, String)>,
}

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(String, Node)>,
    label: Option<Box<Node>>,
    /// A label that takes several segments.
    greedy: Option<Box<Node>>,
    ends: Vec<End>,
}

#[derive(Debug)]
struct End {
    method: Method,
    /// Constant query parameters the template demands: `List=ALL`, or a bare name.
    query: Vec<(String, Option<String>)>,
    /// Member names of the labels on the way here.
    labels: Vec<Arc<str>>,
    operation: OperationId,
}

impl Router {
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let mut root = Node::default();
        for (id, operation) in model.operations() {
            insert(&mut root, model, id, operation);
        }
        Self { root }
    }

    /// The operation a request is for. `path` and `query` are as they came on the wire.
    #[must_use]
    pub fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        let mut segments: Vec<&str> = path.strip_prefix('/')?.split('/').take(SEGMENTS_MAX + 1).collect();
        if segments.len() > SEGMENTS_MAX {
            return None;
        }
        // Older SDKs end collection paths in a slash.
        if segments.last() == Some(&"") {
            segments.pop();
        }
        let mut captured = Vec::new();
        let end = find(&self.root, &segments, method, query, &mut captured)?;
        let decode = |raw: &String| percent_decode_str(raw).decode_utf8_lossy().into_owned();
        let labels = end.labels.iter().zip(&captured).map(|(name, raw)| (name.clone(), decode(raw))).collect();
        Some(Route { operation: end.operation, labels })
    }
}

fn insert(root: &mut Node, model: &Model, id: OperationId, operation: &Operation) {
    let (path, query) = operation.uri().split_once('?').unwrap_or((operation.uri(), ""));
    let mut labels = Vec::new();
    let mut node = root;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let label = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        node = match label {
            Some(label) => {
                let greedy = label.ends_with('+');
                labels.push(member_name(model, id, label.trim_end_matches('+')));
                let next = if greedy { &mut node.greedy } else { &mut node.label };
                next.get_or_insert_with(Box::default)
            }
            None => {
                let index = node.literals.iter().position(|(text, _)| text == segment).unwrap_or_else(|| {
                    node.literals.push((segment.to_owned(), Node::default()));
                    node.literals.len() - 1
                });
                &mut node.literals[index].1
            }
        };
    }
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
        Some((name, text)) => (name.to_owned(), Some(text.to_owned())),
        None => (pair.to_owned(), None),
    });
    node.ends.push(End { method: operation.method().clone(), query: query.collect(), labels, operation: id });
    // The most demanding template is tried first.
    node.ends.sort_by_key(|end| std::cmp::Reverse(end.query.len()));
}

fn member_name(model: &Model, id: OperationId, label: &str) -> Arc<str> {
    if let Kind::Structure(structure) = &model.input(id).kind {
        let bound = |member: &&crate::model::Member| member.location == Location::Uri && member.wire_name == label;
        if let Some(member) = structure.members.iter().find(bound) {
            return member.name.as_str().into();
        }
    }
    label.into()
}

fn find<'n>(
    node: &'n Node,
    segments: &[&str],
    method: &Method,
    query: Option<&str>,
    captured: &mut Vec<String>,
) -> Option<&'n End> {
    let Some((first, rest)) = segments.split_first() else {
        return node.ends.iter().find(|end| end.method == *method && end.query.iter().all(|pair| has(query, pair)));
    };
    if let Some((_, next)) = node.literals.iter().find(|(text, _)| text == first)
        && let Some(end) = find(next, rest, method, query, captured)
    {
        return Some(end);
    }
    // An empty label names nothing.
    if let Some(next) = node.label.as_deref().filter(|_| !first.is_empty()) {
        captured.push((*first).to_owned());
        if let Some(end) = find(next, rest, method, query, captured) {
            return Some(end);
        }
        captured.pop();
    }
    let next = node.greedy.as_deref()?;
    for taken in (1..=segments.len()).rev() {
        captured.push(segments[..taken].join("/"));
        if let Some(end) = find(next, &segments[taken..], method, query, captured) {
            return Some(end);
        }
        captured.pop();
    }
    None
}

fn has(query: Option<&str>, (name, text): &(String, Option<String>)) -> bool {
    query.unwrap_or_default().split('&').any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        key == name && text.as_ref().is_none_or(|text| text == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    fn route(method: Method, target: &str) -> Option<(String, Vec<(String, String)>)> {
        let model = models::lambda();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let route = Router::new(&model).route(&method, path, query)?;
        let labels = route.labels.into_iter().map(|(name, text)| (name.to_string(), text)).collect();
        Some((model.operation(route.operation).name().to_owned(), labels))
    }

    #[test]
    fn every_path_of_the_model_finds_its_operation() {
        let model = models::lambda();
        let router = Router::new(&model);
        for (id, operation) in model.operations() {
            let target = operation.uri().replace(['{', '}'], "");
            let (path, query) =
                target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
            let found = router.route(operation.method(), path, query).map(|route| route.operation);
            assert_eq!(found, Some(id), "{}", operation.name());
        }
    }

    #[test]
    fn labels_are_decoded_and_carry_member_names() {
        let (name, labels) =
            route(Method::POST, "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations").expect("a route");
        assert_eq!(name, "Invoke");
        assert_eq!(labels, [("FunctionName".to_owned(), "arn:aws:lambda".to_owned())]);
    }

    #[test]
    fn a_trailing_slash_changes_nothing() {
        assert_eq!(route(Method::GET, "/2015-03-31/functions/").expect("a route").0, "ListFunctions");
    }

    #[test]
    fn constant_parameters_decide_between_operations() {
        let path = "/2019-09-30/functions/f/provisioned-concurrency";
        assert_eq!(route(Method::GET, path).expect("a route").0, "GetProvisionedConcurrencyConfig");
        assert_eq!(
            route(Method::GET, &format!("{path}?List=ALL")).expect("a route").0,
            "ListProvisionedConcurrencyConfigs"
        );
    }

    #[test]
    fn unknown_paths_and_methods_have_no_route() {
        assert_eq!(route(Method::PATCH, "/2015-03-31/functions"), None);
        assert_eq!(route(Method::GET, "/2015-03-31/nothing"), None);
        assert_eq!(route(Method::GET, &"/a".repeat(1_000)), None);
    }
}
