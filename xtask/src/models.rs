//! Writes `crates/wire/models/*.json` from the API models that the Python package botocore carries.
//!
//! Only names, types, constraints and bindings are taken: every key below is listed, and documentation is not among
//! them. `overlays/*.json` adds the few recorded facts that the public models lack. The output is deterministic, one
//! shape or operation a line.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::json::Json;

/// Table, service and folder of the API version in botocore's data. A service that speaks a second protocol has a second
/// table, whose overlay says how.
const TABLES: [(&str, &str, &str); 11] = [
    ("lambda", "lambda", "2015-03-31"),
    ("iam", "iam", "2010-05-08"),
    ("sts", "sts", "2011-06-15"),
    ("logs", "logs", "2014-03-28"),
    ("sqs", "sqs", "2012-11-05"),
    ("sqs-query", "sqs", "2012-11-05"),
    ("sns", "sns", "2010-03-31"),
    ("cloudwatch", "cloudwatch", "2010-08-01"),
    ("events", "events", "2015-10-07"),
    ("scheduler", "scheduler", "2021-06-30"),
    // For settings.tsv: how its requests and answers look is known by `s3s`.
    ("s3", "s3", "2006-03-01"),
];

const METADATA: [&str; 10] = [
    "apiVersion",
    "endpointPrefix",
    "globalEndpoint",
    "jsonVersion",
    "protocol",
    "serviceId",
    "signingName",
    "targetPrefix",
    "uid",
    "xmlNamespace",
];
const OPERATION: [&str; 7] = ["http", "input", "output", "errors", "idempotent", "authtype", "requestcompression"];
const HTTP: [&str; 3] = ["method", "requestUri", "responseCode"];
const TOP: [&str; 4] = ["shape", "resultWrapper", "locationName", "xmlNamespace"];
const SHAPE: [&str; 24] = [
    "type",
    "required",
    "members",
    "member",
    "key",
    "value",
    "min",
    "max",
    "pattern",
    "enum",
    "payload",
    "flattened",
    "locationName",
    "timestampFormat",
    "box",
    "sensitive",
    "sparse",
    "streaming",
    "document",
    "union",
    "eventstream",
    "event",
    "exception",
    "error",
];
const MEMBER: [&str; 13] = [
    "shape",
    "location",
    "locationName",
    "queryName",
    "flattened",
    "timestampFormat",
    "jsonvalue",
    "idempotencyToken",
    "streaming",
    "xmlAttribute",
    "xmlNamespace",
    "eventpayload",
    "hostLabel",
];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let check = arguments.iter().any(|argument| argument == "--check");
    let given = arguments.iter().find(|argument| !argument.starts_with("--"));
    let data = match given {
        Some(dir) => data_folder(Path::new(dir))?,
        None => data_folder(&installed()?)?,
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (name, service, version) in TABLES {
        let source = data.join(service).join(version).join("service-2.json");
        let mut model = read(&source)?;
        let overlay = here.join("overlays").join(format!("{name}.json"));
        if overlay.exists() {
            apply(&mut model, &read(&overlay)?)?;
        }
        let table = table(&model)?;
        let target = here.join("../crates/wire/models").join(format!("{name}.json"));
        let current = std::fs::read_to_string(&target).unwrap_or_default();
        if current == table {
            continue;
        }
        if check {
            stale.push(name);
            continue;
        }
        std::fs::write(&target, table).map_err(|error| format!("{}: {error}", target.display()))?;
        println!("wrote crates/wire/models/{name}.json");
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("run `cargo xtask models`: {} changed", stale.join(", "))) }
}

/// The folder of the installed package.
fn installed() -> Result<PathBuf, String> {
    let output = Command::new("python3")
        .args(["-c", "import botocore, os; print(os.path.dirname(botocore.__file__))"])
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        return Err("python3 has no botocore: run tools/fetch-botocore.sh and give its folder".to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Accepts the package's folder or that of its source distribution.
fn data_folder(dir: &Path) -> Result<PathBuf, String> {
    [dir.join("data"), dir.join("botocore/data")]
        .into_iter()
        .find(|data| data.is_dir())
        .ok_or_else(|| format!("{} has no botocore data", dir.display()))
}

fn read(path: &Path) -> Result<Json, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// An overlay names shapes and what to set in them, and may set metadata; a shape or member that is gone makes it stale.
fn apply(model: &mut Json, overlay: &Json) -> Result<(), String> {
    let Some(mut shapes) = model.get("shapes").cloned() else {
        return Err("the model has no shapes".to_owned());
    };
    for (name, changes) in overlay.get("shapes").map(Json::members).unwrap_or_default() {
        let Some(mut shape) = shapes.get(name).cloned() else {
            return Err(format!("the overlay changes {name}, which the model does not have"));
        };
        for (key, value) in changes.members() {
            match (key.as_str(), shape.get(key).cloned()) {
                ("members", Some(mut members)) => {
                    for (member, changes) in value.members() {
                        let Some(mut changed) = members.get(member).cloned() else {
                            return Err(format!("the overlay changes {name}.{member}, which the model does not have"));
                        };
                        changes.members().iter().for_each(|(key, value)| changed.set(key, value.clone()));
                        members.set(member, changed);
                    }
                    shape.set(key, members);
                }
                ("member" | "key" | "value", Some(mut part)) => {
                    value.members().iter().for_each(|(key, value)| part.set(key, value.clone()));
                    shape.set(key, part);
                }
                _ => shape.set(key, value.clone()),
            }
        }
        shapes.set(name, shape);
    }
    model.set("shapes", shapes);
    if let (Some(changes), Some(mut metadata)) = (overlay.get("metadata"), model.get("metadata").cloned()) {
        changes.members().iter().for_each(|(key, value)| metadata.set(key, value.clone()));
        model.set("metadata", metadata);
    }
    Ok(())
}

fn table(model: &Json) -> Result<String, String> {
    let part = |name: &str| model.get(name).ok_or_else(|| format!("the model has no {name}"));
    let metadata = keep(part("metadata")?, &METADATA);
    let operations = part("operations")?.members().iter().map(|(name, raw)| (name, operation(raw)));
    let shapes = part("shapes")?.members().iter().map(|(name, raw)| (name, shape(raw)));
    Ok(format!(
        "{{\n\"metadata\":{metadata},\n\"operations\":{{\n{}\n}},\n\"shapes\":{{\n{}\n}}\n}}\n",
        lines(operations),
        lines(shapes)
    ))
}

fn lines<'a>(entries: impl Iterator<Item = (&'a String, Json)>) -> String {
    entries.map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",\n")
}

fn operation(raw: &Json) -> Json {
    let mut kept = keep(raw, &OPERATION);
    for (name, keys) in [("http", &HTTP[..]), ("input", &TOP), ("output", &TOP)] {
        if let Some(part) = raw.get(name) {
            kept.set(name, keep(part, keys));
        }
    }
    if let Some(Json::Array(errors)) = raw.get("errors") {
        kept.set("errors", Json::Array(errors.iter().filter_map(|error| error.get("shape").cloned()).collect()));
    }
    kept
}

fn shape(raw: &Json) -> Json {
    let mut kept = keep(raw, &SHAPE);
    if raw.get("members").is_some() {
        let members = raw.get("members").map(Json::members).unwrap_or_default();
        kept.set(
            "members",
            Json::Object(members.iter().map(|(name, member)| (name.clone(), keep(member, &MEMBER))).collect()),
        );
    }
    for name in ["member", "key", "value"] {
        if let Some(part) = raw.get(name) {
            kept.set(name, keep(part, &MEMBER));
        }
    }
    kept
}

fn keep(raw: &Json, keys: &[&str]) -> Json {
    let kept = keys.iter().filter_map(|key| raw.get(key).map(|value| ((*key).to_owned(), value.clone())));
    Json::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn documentation_is_left_behind_and_order_kept() {
        let model = json(
            r#"{"metadata":{"protocol":"query","documentation":"d"},
                "operations":{"Do":{"name":"Do","http":{"method":"POST","requestUri":"/"},"errors":[{"shape":"E","documentation":"d"}]}},
                "shapes":{"B":{"type":"structure","documentation":"d","members":{"z":{"shape":"A","documentation":"d"},"a":{"shape":"A"}}},
                          "A":{"type":"string"}}}"#,
        );
        let table = table(&model).expect("a table");
        assert!(!table.contains("documentation"));
        assert!(
            table.contains(r#""B":{"type":"structure","members":{"z":{"shape":"A"},"a":{"shape":"A"}}}"#),
            "{table}"
        );
        assert!(table.contains(r#""errors":["E"]"#));
    }

    #[test]
    fn a_stale_overlay_is_refused() {
        let mut model = json(r#"{"shapes":{"A":{"type":"list"}}}"#);
        apply(&mut model, &json(r#"{"shapes":{"A":{"sparse":true}}}"#)).expect("applies");
        assert_eq!(model, json(r#"{"shapes":{"A":{"type":"list","sparse":true}}}"#));
        assert!(apply(&mut model, &json(r#"{"shapes":{"B":{"sparse":true}}}"#)).is_err());
        let mut model = json(r#"{"shapes":{"A":{"members":{"a":{"shape":"S"}}}}}"#);
        assert!(apply(&mut model, &json(r#"{"shapes":{"A":{"members":{"b":{"locationName":"B"}}}}}"#)).is_err());
    }

    #[test]
    fn an_overlay_sets_parts_of_members_and_metadata() {
        let mut model = json(
            r#"{"metadata":{"protocol":"json"},
                "shapes":{"A":{"members":{"a":{"shape":"S"}}},"L":{"type":"list","member":{"shape":"S"}}}}"#,
        );
        let overlay = json(
            r#"{"metadata":{"protocol":"query"},
                "shapes":{"A":{"members":{"a":{"locationName":"b"}}},"L":{"member":{"locationName":"c"}}}}"#,
        );
        apply(&mut model, &overlay).expect("applies");
        let expected = json(
            r#"{"metadata":{"protocol":"query"},
                "shapes":{"A":{"members":{"a":{"shape":"S","locationName":"b"}}},
                          "L":{"type":"list","member":{"shape":"S","locationName":"c"}}}}"#,
        );
        assert_eq!(model, expected);
    }
}
