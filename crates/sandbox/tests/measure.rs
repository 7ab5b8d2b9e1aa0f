//! How long things take: `cargo test -p hearth-sandbox --test measure -- --ignored --nocapture`. Prints a table; judges
//! nothing.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_ports::CodeDigest;
use hearth_sandbox::Backend;
use hearth_types::limits::MEMORY_PER_VCPU;
use support::{Collected, Machine, body, invocation, spec};

const COLD: usize = 100;
const WARM: usize = 5_000;

/// An echo that speaks just enough HTTP.
const NATIVE: &str = r#"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
static char in[65536], out[65536];
int main(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9001) };
    inet_pton(AF_INET, "169.254.100.1", &a.sin_addr);
    if (connect(s, (struct sockaddr *)&a, sizeof a)) return 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const char *next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: h\r\n\r\n";
    for (;;) {
        if (write(s, next, strlen(next)) < 0) return 2;
        for (int answer = 0; answer < 2; answer++) {
            int n = 0; char *end;
            do { int r = read(s, in + n, sizeof in - 1 - n); if (r <= 0) return 3; n += r; in[n] = 0; } while (!(end = strstr(in, "\r\n\r\n")));
            int length = atoi(strcasestr(in, "content-length:") + 15);
            while (n < end + 4 - in + length) { int r = read(s, in + n, sizeof in - 1 - n); if (r <= 0) return 4; n += r; }
            if (answer) break;
            char *id = strcasestr(in, "aws-request-id:") + 15; while (*id == ' ') id++;
            int m = snprintf(out, sizeof out, "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%.*s", id, length, length, end + 4);
            if (write(s, out, m) < 0) return 5;
        }
    }
}
"#;

/// Starts of Java in turn, from an archive of classes and as a function gets it that says itself how Java starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn java_with_an_archive_of_classes_and_without() {
    let Some(machine) = Machine::start().await else { return };
    let code = machine.package(&[]);
    for runtime in ["java17", "java21", "java25"] {
        let mut with = spec(runtime, code);
        with.memory = MEMORY_PER_VCPU;
        with.handler = "hearth.Preparation$Sample".to_owned();
        if let Err(missing) = machine.backend.check(&with.runtime, with.architecture) {
            println!("{missing}");
            continue;
        }
        let mut without = with.clone();
        without.variables.push(("JAVA_OF_NO_MEANING".to_owned(), "1".to_owned()));
        let start = Instant::now();
        assert!(machine.wait_for_class_archive(runtime).await);
        println!("{runtime}: its archive takes {:?}", start.elapsed());
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..20 {
            for (spec, times) in [with.clone(), without.clone()].into_iter().zip(&mut times) {
                let start = Instant::now();
                let environment = machine.backend.create(spec, Arc::new(Collected::default())).await.expect("created");
                environment.ready().await.expect("ready");
                body(environment.invoke(invocation("{}")).await);
                times.push(start.elapsed());
                environment.destroy().await;
            }
        }
        let [with, without] = times;
        row(&format!("{runtime} with an archive"), with);
        row(&format!("{runtime} without"), without);
    }
    machine.backend.shutdown().await;
}

fn native(machine: &Machine) -> Option<CodeDigest> {
    let dir = tempfile::tempdir().expect("tempdir");
    let (source, program) = (dir.path().join("echo.c"), dir.path().join("bootstrap"));
    std::fs::write(&source, NATIVE).expect("source");
    let compiled =
        Command::new("cc").args(["-D_GNU_SOURCE", "-O2", "-static", "-o"]).arg(&program).arg(&source).status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no C compiler");
        return None;
    }
    let code = machine.package(&[]);
    machine.add(code, "bootstrap", &program);
    Some(code)
}

fn at(sorted: &[Duration], percent: usize) -> u128 {
    sorted[(sorted.len() - 1) * percent / 100].as_micros()
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!(
        "{what:<34} min {:>7} µs   p50 {:>7} µs   p90 {:>7} µs   p99 {:>7} µs",
        at(&times, 0),
        at(&times, 50),
        at(&times, 90),
        at(&times, 99)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cold_and_warm() {
    let Some(machine) = Machine::start().await else { return };
    let python = machine.package(&[("app.py", "def handler(event, context): return event")]);
    let node = machine.package(&[("app.js", "exports.handler = async (event) => event;")]);
    let mut subjects = vec![("python3.11", python), ("nodejs20.x", node)];
    subjects.extend(native(&machine).map(|code| ("provided.al2023", code)));
    for (runtime, code) in subjects {
        let mut spec = spec(runtime, code);
        spec.memory = MEMORY_PER_VCPU;
        if machine.backend.check(&spec.runtime, spec.architecture).is_err() {
            continue;
        }
        let (mut created, mut ready, mut answered, mut destroyed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..COLD {
            let start = Instant::now();
            let environment =
                machine.backend.create(spec.clone(), Arc::new(Collected::default())).await.expect("created");
            created.push(start.elapsed());
            environment.ready().await.expect("ready");
            ready.push(start.elapsed());
            body(environment.invoke(invocation("{}")).await);
            answered.push(start.elapsed());
            let start = Instant::now();
            environment.destroy().await;
            destroyed.push(start.elapsed());
        }
        row(&format!("{runtime} created"), created);
        row(&format!("{runtime} ready"), ready);
        row(&format!("{runtime} first answer"), answered);
        row(&format!("{runtime} destroyed"), destroyed);
        let environment = machine.backend.create(spec, Arc::new(Collected::default())).await.expect("created");
        environment.ready().await.expect("ready");
        let mut warm = Vec::new();
        for _ in 0..WARM {
            let start = Instant::now();
            body(environment.invoke(invocation("{}")).await);
            warm.push(start.elapsed());
        }
        row(&format!("{runtime} warm"), warm);
        let mut memory = Vec::new();
        for _ in 0..500 {
            body(environment.invoke(invocation("{}")).await);
            let start = Instant::now();
            environment.memory_used_max();
            memory.push(start.elapsed());
        }
        row(&format!("{runtime} memory_used_max"), memory);
    }
    machine.backend.shutdown().await;
}
