//! The invariants of `ARCHITECTURE.md` that the source itself can show.

use std::collections::BTreeMap;
use std::fs;

use hearth_tidy::{Source, root, sources};

/// The house, from the ground up: a crate may use crates of lower storeys only.
const STOREYS: &[&[&str]] = &[
    &["hearth-types"],
    &["hearth-authz", "hearth-event-pattern", "hearth-schedule"],
    &["hearth-ports"],
    &[
        "hearth-wire",
        "hearth-audit",
        "hearth-store",
        "hearth-runtime-api",
        "hearth-network",
        "hearth-images",
        "hearth-tls",
    ],
    &["hearth-backup", "hearth-sandbox", "hearth-delivery", "hearth-remote-queues"],
    &["hearth-invoke"],
    &[
        "hearth-lambda",
        "hearth-events",
        "hearth-iam",
        "hearth-sts",
        "hearth-logs",
        "hearth-sqs",
        "hearth-sns",
        "hearth-eventbridge",
        "hearth-scheduler",
        "hearth-s3",
        "hearth-cloudwatch",
        "hearth-service-testing",
    ],
    &["hearth"],
];

/// Services know each other through ports; none knows the data plane.
const SERVICES: &[&str] = &[
    "hearth-lambda",
    "hearth-events",
    "hearth-iam",
    "hearth-sts",
    "hearth-logs",
    "hearth-sqs",
    "hearth-sns",
    "hearth-eventbridge",
    "hearth-scheduler",
    "hearth-s3",
    "hearth-cloudwatch",
];

/// What a crate must not use although it lies below it. (user, used)
const FORBIDDEN: &[(&str, &str)] =
    &[("hearth-lambda", "hearth-sandbox"), ("hearth-lambda", "hearth-invoke"), ("hearth-invoke", "hearth-wire")];

/// Longer files hide more than one thing.
const FILE_LINES_MAX: usize = 600;

fn fail_with(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

/// Package name → the crates of this house it is built with (development dependencies do not count).
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for source in sources(&["toml"]) {
        if !source.path.starts_with("crates/") || !source.path.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: toml::Table = source.text.parse().expect(&source.path);
        let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
        let used = manifest.get("dependencies").and_then(toml::Value::as_table);
        let ours = used.into_iter().flat_map(toml::Table::keys).filter(|used| used.starts_with("hearth-"));
        all.insert(name, ours.cloned().collect());
    }
    assert!(all.len() >= 10, "the crates are not where this test looks for them");
    all
}

fn storey(name: &str) -> usize {
    let at = STOREYS.iter().position(|storey| storey.contains(&name));
    at.unwrap_or_else(|| panic!("{name} has no storey: say in STOREYS where it belongs"))
}

fn rust_files() -> Vec<Source> {
    let files = sources(&["rs"]);
    assert!(files.len() > 50, "the source is not where this test looks for it");
    files
}

#[test]
fn crates_depend_downwards_only() {
    let mut findings = Vec::new();
    for (name, used) in dependencies() {
        for used in used {
            if storey(&used) >= storey(&name) || FORBIDDEN.contains(&(name.as_str(), used.as_str())) {
                findings.push(format!("{name} uses {used}"));
            }
        }
    }
    fail_with("crates that look up or sideways", &findings);
}

#[test]
fn no_service_uses_another_service() {
    let dependencies = dependencies();
    let pairs = SERVICES.iter().flat_map(|name| dependencies[*name].iter().map(move |used| (name, used)));
    let findings: Vec<String> = pairs
        .filter(|(_, used)| SERVICES.contains(&used.as_str()))
        .map(|(name, used)| format!("{name} uses {used}: meet in hearth-ports"))
        .collect();
    fail_with("services that know each other", &findings);
}

/// Where an operation asks, if not in its own file. Invoke is asked about where everybody's invocations go through, those
/// of other services too.
const ASKED_ELSEWHERE: &[(&str, &str)] = &[
    ("crates/lambda/src/op/invoke.rs", "crates/invoke/src/pipeline.rs"),
    ("crates/lambda/src/op/invoke_async.rs", "crates/invoke/src/pipeline.rs"),
    ("crates/lambda/src/op/invoke_with_response_stream.rs", "crates/invoke/src/pipeline.rs"),
];

#[test]
fn every_operation_asks_for_authorisation() {
    let operations: Vec<Source> = rust_files()
        .into_iter()
        .filter(|file| file.path.contains("/src/op/") && !file.path.ends_with("/mod.rs") && !file.is_test())
        .collect();
    assert!(operations.len() >= 80, "the operations are not where this test looks for them");
    let files = rust_files();
    let asks = |file: &Source| match ASKED_ELSEWHERE.iter().find(|(operation, _)| *operation == file.path) {
        Some((_, place)) => {
            let place = files.iter().find(|other| other.path == *place).expect("the place is there");
            let invokes = [".invoke(", ".invoke_streaming("].iter().any(|call| file.product_code().contains(call));
            place.product_code().contains(".authorize(ctx, &access)") && invokes
        }
        None => file.product_code().contains(".authorize(&ctx"),
    };
    let findings: Vec<String> = operations
        .iter()
        .filter(|file| !asks(file))
        .map(|file| format!("{} never calls authorize(&ctx, …)", file.path))
        .collect();
    fail_with("operations without authorisation", &findings);
}

#[test]
fn every_registered_operation_has_a_file_of_its_own() {
    let files = rust_files();
    let mut findings = Vec::new();
    for lib in files.iter().filter(|file| file.path.starts_with("crates/") && !file.is_test()) {
        let crate_of = lib.path.split("/src/").next().unwrap_or_default();
        for registered in [".op(\"", ".op_with_status(\"", ".poll(\"", ".raw(\"", ".event_stream(\""] {
            for part in lib.product_code().split(registered).skip(1) {
                let name = part.split('"').next().unwrap_or_default();
                let file = format!("{crate_of}/src/op/{}.rs", snake_case(name));
                if crate_of != "crates/wire" && !files.iter().any(|other| other.path == file) {
                    findings.push(format!("{name} is not in {file}"));
                }
            }
        }
    }
    fail_with("operations without a file", &findings);
}

fn snake_case(name: &str) -> String {
    name.chars().enumerate().fold(String::new(), |mut snake, (at, c)| {
        if c.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
        snake
    })
}

#[test]
fn unsafe_code_is_in_the_sandbox_only_and_says_why_it_is_sound() {
    let mut findings = Vec::new();
    for file in rust_files() {
        if file.path.starts_with("tests/tidy/") {
            continue;
        }
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_unsafe =
                ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| code.contains(form));
            if !is_unsafe {
                continue;
            }
            let place = format!("{}:{}", file.path, at + 1);
            if !file.path.starts_with("crates/sandbox/") {
                findings.push(format!("{place}: unsafe outside crates/sandbox"));
            } else if !lines[at.saturating_sub(8)..=at]
                .iter()
                .any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
            {
                findings.push(format!("{place}: no SAFETY: comment above"));
            }
        }
    }
    fail_with("unsafe code", &findings);
}

#[test]
fn the_product_never_unwraps() {
    let mut findings = Vec::new();
    for file in rust_files().iter().filter(|file| file.path.starts_with("crates/") && !file.is_test()) {
        let mut is_in_test_item = false;
        for (at, line) in file.product_code().lines().enumerate() {
            let code = line.trim_start();
            // Test helpers beside the code: everything up to the end of the item.
            if code.starts_with("#[cfg(test)]") {
                is_in_test_item = true;
            } else if is_in_test_item && (line == "}" || line.ends_with(';') && !line.starts_with(' ')) {
                is_in_test_item = false;
            }
            let is_comment = code.starts_with("//");
            if !is_in_test_item && !is_comment && (code.contains(".unwrap()") || code.contains(".expect(\"")) {
                findings.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    fail_with("unwrap or expect outside tests: handle it, or return an error", &findings);
}

#[test]
fn every_file_says_what_lives_in_it() {
    let missing: Vec<String> = rust_files()
        .iter()
        .filter(|file| !file.text.trim_start().starts_with("//!") && !file.text.starts_with("#!"))
        .map(|file| file.path.clone())
        .collect();
    fail_with("files without a //! doc at their top", &missing);
}

#[test]
fn no_file_outgrows_its_room() {
    let findings: Vec<String> = sources(&["rs", "py", "mjs", "js", "sh"])
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines, more than {FILE_LINES_MAX}"))
        .collect();
    fail_with("files to split by meaning", &findings);
}

#[test]
fn only_the_system_clock_reads_the_machine_s_clock() {
    let reading = concat!("SystemTime::", "now");
    let findings: Vec<String> = rust_files()
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.path != "crates/types/src/clock.rs")
        .filter(|file| file.text.contains(reading))
        .map(|file| file.path.clone())
        .collect();
    fail_with("take a Clock instead", &findings);
}

#[test]
fn lock_files_name_versions_and_no_places() {
    let findings: Vec<String> = sources(&["json"])
        .iter()
        .filter(|file| file.path.ends_with("package-lock.json") && file.text.contains("\"resolved\""))
        .map(|file| format!("{}: npm install --package-lock-only --omit-lockfile-registry-resolved", file.path))
        .collect();
    fail_with("lock files that name a registry", &findings);
}

/// A build whose walls can be taken away is for `tools/mutate-sandbox.sh` alone.
#[test]
fn no_build_but_the_mutation_run_s_can_take_a_sandbox_s_walls_away() {
    const FEATURE: &str = "mutations";
    let manifests = sources(&["toml"]);
    let asking: Vec<&str> = manifests
        .iter()
        .filter(|file| file.text.contains(FEATURE) && file.path != "crates/sandbox/Cargo.toml")
        .map(|file| file.path.as_str())
        .collect();
    assert!(asking.is_empty(), "these ask for the feature {FEATURE} of hearth-sandbox: {asking:?}");
    let sandbox = manifests.iter().find(|file| file.path == "crates/sandbox/Cargo.toml").expect("the sandbox");
    let manifest: toml::Table = sandbox.text.parse().expect("TOML");
    let features = manifest["features"].as_table().expect("features");
    assert!(features.contains_key(FEATURE));
    let others: Vec<&String> = features.iter().filter(|(name, _)| *name != FEATURE).map(|(name, _)| name).collect();
    assert!(
        others.is_empty(),
        "of a default, or of one that brings it along, this test would know nothing: {others:?}"
    );
}

#[test]
fn the_architecture_names_what_is_checked_here() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(page.matches("*(tidy)*").count() >= 4, "the invariants checked here stand in ARCHITECTURE.md");
    for name in STOREYS.iter().copied().flatten().filter(|name| **name != "hearth") {
        let short = name.trim_start_matches("hearth-");
        assert!(page.contains(short), "ARCHITECTURE.md does not say what {name} is");
    }
}
