//! What isolation this machine gives, for `hearth doctor`: each fact found by trying, in a child process that ends at
//! once, and what to do where it is missing. Pure data comes out; nothing here decides how functions run.

mod kvm;
mod trial;

use rustix::process::geteuid;

use crate::cgroup::{self, Controller};
use crate::seccomp;
use trial::{NAMESPACES, Trial};

/// Linux 5.14 has the newest call that is used where it exists: `cgroup.kill`.
const KERNEL_FULL: (u32, u32) = (5, 14);
/// Linux 5.9 has `close_range`, and openat2 and pidfds before it.
const KERNEL_MIN: (u32, u32) = (5, 9);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// Works with a restriction, which the detail names.
    Degraded,
    Missing,
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub state: State,
    /// One sentence without a full stop.
    pub detail: String,
    /// What the person in front of the machine can do.
    pub remedy: Option<String>,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub root: bool,
    /// As `uname -r` says it.
    pub kernel: String,
    pub findings: Vec<Finding>,
}

impl Machine {
    /// Whether nothing is missing; restrictions are fine.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != State::Missing)
    }
}

/// Tries everything the sandboxes need. Takes milliseconds; starts and ends child processes; changes nothing.
#[must_use]
pub fn probe() -> Machine {
    let root = geteuid().is_root();
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut findings = vec![privileges(root), kernel_version(&kernel)];
    findings.extend(NAMESPACES.iter().map(|namespace| self::namespace(namespace.name, &namespace.try_out(root))));
    findings.extend(cgroups());
    findings.push(system_call_filter());
    findings.push(landlock());
    findings.push(overlay(&trial::overlay(root)));
    findings.push(kvm(&kvm::measure()));
    Machine { root, kernel, findings }
}

fn ok(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding { name, state: State::Ok, detail: detail.into(), remedy: None }
}

fn lacking(name: &'static str, state: State, detail: impl Into<String>, remedy: &str) -> Finding {
    Finding { name, state, detail: detail.into(), remedy: Some(remedy.to_owned()) }
}

fn privileges(root: bool) -> Finding {
    if root {
        return ok("privileges", "root: every limit can be enforced");
    }
    lacking("privileges", State::Missing, "an ordinary user: no environment can be made", "start hearth as root")
}

fn kernel_version(release: &str) -> Finding {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (state, remedy) = match version {
        version if version >= KERNEL_FULL => return ok("kernel", format!("Linux {release}")),
        version if version >= KERNEL_MIN => (State::Degraded, "Linux 5.14 or later ends sandboxes with one call"),
        _ => (State::Missing, "use Linux 5.14 or later"),
    };
    lacking("kernel", state, format!("Linux {release}"), remedy)
}

fn namespace(name: &'static str, trial: &Trial) -> Finding {
    let remedy = match trial {
        Trial::Worked => return ok(name, "can be made"),
        Trial::Failed(libc::ENOSPC) => "raise the limits in /proc/sys/user/max_*_namespaces",
        Trial::Failed(libc::EINVAL) => "use a kernel with this kind of namespace (CONFIG_*_NS)",
        Trial::Failed(_) => {
            "start hearth as root, or allow user namespaces (kernel.unprivileged_userns_clone=1, \
             kernel.apparmor_restrict_unprivileged_userns=0); in a container, start it with --privileged"
        }
        Trial::Stuck => "see the kernel's log",
    };
    lacking(name, State::Missing, trial.to_string(), remedy)
}

fn cgroups() -> Vec<Finding> {
    let (layout, missing) = match cgroup::survey() {
        Ok(found) => found,
        Err(error) => return vec![lacking("cgroups", State::Missing, error.to_string(), "mount the proc file system")],
    };
    let mut findings = vec![ok("cgroups", format!("layout {layout}"))];
    for (controller, name, state) in [
        (Controller::Memory, "memory limit", State::Missing),
        (Controller::Cpu, "cpu limit", State::Missing),
        (Controller::Pids, "process limit", State::Missing),
        // Without it idle environments keep running, as between invocations of a busy function.
        (Controller::Freezer, "freeze", State::Degraded),
    ] {
        findings.push(if missing.contains(&controller) {
            lacking(name, state, format!("no writable {} controller", controller.name()), controller.remedy())
        } else {
            ok(name, "can be enforced")
        });
    }
    findings
}

fn system_call_filter() -> Finding {
    let trial = match seccomp::filter() {
        Ok(filter) => trial::in_child(|| match seccomp::install(&filter) {
            Ok(()) => 0,
            Err(_) => libc::EINVAL,
        }),
        Err(error) => {
            return lacking("seccomp", State::Missing, error.to_string(), "report this as a defect of hearth");
        }
    };
    match trial {
        Trial::Worked => ok("seccomp", "the system call filter can be installed"),
        _ => lacking("seccomp", State::Missing, trial.to_string(), "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn landlock() -> Finding {
    match trial::landlock_abi() {
        None => lacking(
            "landlock",
            State::Degraded,
            "not available; the mount namespace alone confines files",
            "use Linux 5.13 or later with landlock in its lsm= list",
        ),
        Some(abi) => ok("landlock", format!("ABI {abi}")),
    }
}

fn overlay(trial: &Trial) -> Finding {
    match trial {
        Trial::Worked => ok("overlayfs", "can be mounted"),
        _ => {
            lacking("overlayfs", State::Degraded, trial.to_string(), "load the overlay module, or start hearth as root")
        }
    }
}

fn kvm(measured: &kvm::Measured) -> Finding {
    let processes = "nothing needs doing: functions run as confined processes";
    match measured {
        kvm::Measured::Absent(error) => {
            lacking("kvm", State::Degraded, format!("/dev/kvm cannot be opened: {error}"), processes)
        }
        kvm::Measured::Untimed(why) => lacking("kvm", State::Degraded, format!("/dev/kvm opens, {why}"), processes),
        kvm::Measured::PerInstruction { picoseconds } => {
            let nanoseconds = *picoseconds as f64 / 1_000.0;
            let detail = format!("a guest instruction takes {nanoseconds:.1} ns");
            if nanoseconds > kvm::USABLE_NS_MAX {
                let remedy = "use a machine with hardware virtualisation (nested, if it is itself a guest)";
                return lacking("kvm", State::Degraded, format!("{detail}: emulated, too slow to use"), remedy);
            }
            ok("kvm", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lack_comes_with_what_to_do() {
        let machine = probe();
        for finding in &machine.findings {
            assert!(!finding.detail.is_empty(), "{finding:?}");
            assert_eq!(finding.remedy.is_none(), finding.state == State::Ok, "{finding:?}");
        }
        let names: Vec<&str> = machine.findings.iter().map(|finding| finding.name).collect();
        for name in ["kernel", "user namespace", "network namespace", "memory limit", "cpu limit", "seccomp", "kvm"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        eprintln!("{machine:#?}");
    }

    #[test]
    fn probing_leaves_this_process_as_it_was() {
        let namespaces = || {
            ["user", "mnt", "pid", "net"].map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("proc"))
        };
        let before = namespaces();
        let _ = probe();
        assert_eq!(namespaces(), before);
        let status = std::fs::read_to_string("/proc/self/status").expect("proc");
        assert!(status.contains("Seccomp:\t0"), "no filter on ourselves");
    }

    #[test]
    fn old_kernels_are_told_apart() {
        for (release, state) in [
            ("6.1.0-13-cloud-amd64", State::Ok),
            ("5.14.0", State::Ok),
            ("5.10.0-8-amd64", State::Degraded),
            ("4.18.0-553.el8", State::Missing),
            ("strange", State::Missing),
        ] {
            assert_eq!(kernel_version(release).state, state, "{release}");
        }
    }

    #[test]
    fn an_emulated_guest_does_not_pass_for_a_real_one() {
        let state = |picoseconds| kvm(&kvm::Measured::PerInstruction { picoseconds }).state;
        assert_eq!(state(400), State::Ok);
        assert_eq!(state(2_500_000), State::Degraded);
    }
}
