//! What a function in a process sandbox sees, and what it must not be able to do: the whole visible tree against a
//! manifest, and a table of attempts with the answer each must get. The attempts are made from a process that was started
//! for its function, from one whose slot waited, from one that waited itself, from a copy of such a one, from an extension and in an
//! image, started for its function or before; and by each of them when it is new, after a thaw and after a reset.

#[path = "../support/disks.rs"]
mod disks;
#[path = "../support/groups.rs"]
mod groups;
mod image;
#[cfg(feature = "mutations")]
mod mutations;
mod prison;
mod probes;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
#[path = "../zips/mod.rs"]
mod zips;

use std::collections::BTreeSet;

use prison::{Origin, Prison};
use probes::{Attempt, NUMBERS, PROBES};
use serde_json::json;

#[test]
fn every_number_of_the_list_is_tried() {
    let tried: BTreeSet<u8> = PROBES.iter().filter_map(|probe| probe.number).collect();
    assert!(tried.into_iter().eq(1..=NUMBERS));
}

#[test]
fn walls_can_be_taken_away_only_in_a_build_for_that() {
    let spawner = std::fs::read(env!("CARGO_BIN_EXE_hearth-spawner")).expect("the spawner");
    let name = prison::MUTATIONS.as_bytes();
    let knows = spawner.windows(name.len()).any(|bytes| bytes == name);
    assert_eq!(knows, cfg!(feature = "mutations"));
}

async fn nothing_that_leads_out_works(origin: Origin) {
    let Some(prison) = Prison::start(origin, "isolation").await else { return };
    let prison = prison.expect("a sandbox");
    for round in ["fresh", "after a thaw", "after a reset"] {
        match round {
            "after a thaw" => {
                assert!(prison.cell.environment.freeze() && prison.cell.environment.thaw());
            }
            "after a reset" => prison.cell.reset().await,
            _ => {}
        }
        let mut wrong = Vec::new();
        for probe in PROBES.iter().filter(|probe| !matches!(probe.attempt, Attempt::Unpacking)) {
            if let Err(what) = probe.attempt(&prison).await {
                wrong.push(format!("{:?} {}: {what}", probe.number, probe.name));
            }
        }
        assert!(wrong.is_empty(), "{origin:?}, {round}:\n{}", wrong.join("\n"));
    }
    prison.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_a_process_started_for_its_function() {
    nothing_that_leads_out_works(Origin::Unpooled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_a_slot_that_waited() {
    nothing_that_leads_out_works(Origin::PooledSlot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_a_process_that_waited() {
    nothing_that_leads_out_works(Origin::PooledRuntime).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_a_copy() {
    nothing_that_leads_out_works(Origin::Copied).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_an_extension() {
    nothing_that_leads_out_works(Origin::Extension).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_an_image() {
    nothing_that_leads_out_works(Origin::Image).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_out_of_a_process_that_waited_in_an_image() {
    nothing_that_leads_out_works(Origin::PooledImage).await;
}

#[tokio::test]
async fn archives_write_nothing_but_their_tree() {
    assert_eq!(scenarios::archives_write_nothing_but_their_tree().await, Ok(()));
}

/// All that may be visible, by prefix. A line without a slash at its end is that path alone.
const MANIFEST: &[&str] = &[
    "/bin",
    "/bin/",
    "/lib",
    "/lib/",
    "/lib32",
    "/lib32/",
    "/lib64",
    "/lib64/",
    "/libx32",
    "/libx32/",
    "/usr",
    "/usr/bin",
    "/usr/bin/",
    "/usr/lib",
    "/usr/lib/",
    "/usr/lib32",
    "/usr/lib32/",
    "/usr/lib64",
    "/usr/lib64/",
    "/usr/libx32",
    "/usr/libx32/",
    "/usr/share",
    "/usr/share/misc",
    "/usr/share/misc/",
    "/usr/share/nodejs",
    "/usr/share/nodejs/",
    "/usr/share/perl",
    "/usr/share/perl/",
    "/usr/share/perl5",
    "/usr/share/perl5/",
    "/usr/share/terminfo",
    "/usr/share/terminfo/",
    "/usr/share/zoneinfo",
    "/usr/share/zoneinfo/",
    "/etc",
    "/etc/alternatives",
    "/etc/alternatives/",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/pki/tls",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/certs/",
    "/dev",
    "/dev/fd",
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/stderr",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
    "/proc",
    "/proc/",
    "/sys",
    "/tmp",
    "/opt",
    "/opt/lib",
    "/opt/lib/thing.txt",
    "/var",
    "/var/lang",
    "/var/runtime",
    "/var/task",
    "/var/task/app.py",
    "/var/task/bootstrap",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_visible_tree_is_the_manifests_and_nothing_else() {
    let Some(prison) = Prison::start(Origin::Unpooled, "manifest").await else { return };
    let prison = prison.expect("a sandbox");
    let answer = prison.run(&format!("tree({})", json!(MANIFEST))).await;
    let total = answer[0].as_u64().unwrap_or_else(|| panic!("{answer}"));
    assert!(total > 1_000, "the system's libraries are there: {total}");
    assert_eq!(answer[1], json!([]));
    prison.end().await;
}
