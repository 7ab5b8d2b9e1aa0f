//! Layouts this machine does not have, on directories that look like their cgroup file systems. What the kernel does
//! there (refusing, killing, freezing) is tested on real ones in `tests/cgroup.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use hearth_types::Mebibytes;
use tempfile::TempDir;

use super::root::survey_at;
use super::{
    Cgroup, CgroupError, CgroupHandle, CgroupLimits, CgroupRoot, Controller, Device, Dialect, Knob, Layout, MemoryUse,
    cpu_quota_us,
};

const LIMITS: CgroupLimits = CgroupLimits { memory: Mebibytes(128), processes_max: 1_024 };

/// A machine: `proc/self/{cgroup,mountinfo}` and a cgroup file system, as plain files.
struct Machine(TempDir);

impl Machine {
    /// Mounts the whole of a hierarchy at each `(directory, type, options)`.
    fn new(cgroup: &str, mounts: &[(&str, &str, &str)]) -> Self {
        let machine = Self(TempDir::new().expect("temporary directory"));
        machine.put("proc/self/cgroup", cgroup);
        let line = |(at, kind, options): &(&str, &str, &str)| {
            let at = machine.path(at);
            fs::create_dir_all(&at).expect("mount point");
            format!("30 29 0:27 / {} rw - {kind} {kind} {options}\n", at.display())
        };
        machine.put("proc/self/mountinfo", &mounts.iter().map(line).collect::<String>());
        machine
    }

    /// Pure v2, with this process in `own`.
    fn v2(own: &str) -> Self {
        let machine = Self::new(&format!("0::/{own}\n"), &[("fs", "cgroup2", "rw")]);
        machine.put("fs/cgroup.controllers", "cpuset cpu io memory pids\n");
        machine
    }

    /// A v2 group with controllers and processes.
    fn group(&self, at: &str, controllers: &str, processes: &str) {
        self.put(&format!("fs/{at}/cgroup.type"), "domain\n");
        self.put(&format!("fs/{at}/cgroup.controllers"), controllers);
        self.put(&format!("fs/{at}/cgroup.procs"), processes);
    }

    fn path(&self, at: &str) -> PathBuf {
        self.0.path().join(at)
    }

    fn put(&self, at: &str, text: &str) {
        let path = self.path(at);
        fs::create_dir_all(path.parent().expect("below")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn get(&self, at: &str) -> String {
        fs::read_to_string(self.path(at)).unwrap_or_else(|error| panic!("{at}: {error}"))
    }

    /// The handle of a group, whose memory controller's files lie in `memory`.
    fn handle(&self, group: &Cgroup, memory: &str) -> CgroupHandle {
        for name in
            ["memory.stat", "memory.events", "memory.oom_control", "memory.limit_in_bytes", "cpu.max", "cgroup.freeze"]
        {
            self.put(&format!("{memory}/{name}"), "");
        }
        group.handle().expect("every file is there")
    }

    fn detect(&self) -> Result<CgroupRoot, CgroupError> {
        CgroupRoot::detect_at(&self.path("proc"), "one")
    }
}

#[test]
fn in_v2_a_session_full_of_processes_leaves_the_groups_to_the_slice_above_it() {
    let machine = Machine::v2("user.slice/session.scope");
    machine.group("user.slice", "cpu memory pids\n", "");
    machine.group("user.slice/session.scope", "cpu memory pids\n", "1\n2\n");
    machine.put("fs/user.slice/hearth-one/memory.swap.max", "max\n");
    machine.put("fs/user.slice/hearth-one/cgroup.freeze", "0\n");
    let root = machine.detect().expect("detected");
    assert_eq!(root.layout(), Layout::V2);
    assert_eq!(root.missing(), []);
    for group in ["user.slice", "user.slice/hearth-one"] {
        assert_eq!(machine.get(&format!("fs/{group}/cgroup.subtree_control")), "+memory +cpu +pids", "{group}");
    }

    let group = root.create(7, &LIMITS).expect("created");
    let file = |name: &str| machine.get(&format!("fs/user.slice/hearth-one/7/{name}"));
    assert_eq!(file("memory.max"), "134217728");
    assert_eq!(file("memory.swap.max"), "0");
    assert_eq!(file("pids.max"), "1024");
    let handle = machine.handle(&group, "fs/user.slice/hearth-one/7");
    handle.set_cpu(Mebibytes(1_769)).expect("set");
    assert_eq!(file("cpu.max"), "20000 20000");
    group.weigh_cpu(Mebibytes(3_538)).expect("set");
    assert_eq!(file("cpu.weight"), "200");
    // A plain file keeps the end of the longer text; the kernel's do not.
    handle.set_cpu_unlimited().expect("set");
    assert!(file("cpu.max").starts_with("max 20000"));
    assert!(group.birthplace().expect("opened").is_some());
    group.enter().expect("nothing to do");
    assert!(!machine.path("fs/user.slice/hearth-one/7/tasks").exists());
    handle.freeze().expect("frozen");
    assert!(handle.freezes_fast());
    assert_eq!(file("cgroup.freeze"), "1");
    group.thaw().expect("thawed");
    assert_eq!(file("cgroup.freeze"), "0");
}

#[test]
fn in_v2_a_service_alone_in_its_group_moves_into_a_leaf_and_finds_itself_again() {
    let own = std::process::id().to_string();
    let machine = Machine::v2("hearth.service");
    machine.group("hearth.service", "cpu memory pids\n", &own);
    machine.detect().expect("detected");
    assert_eq!(machine.get("fs/hearth.service/hearth-one-server/cgroup.procs"), own);
    assert!(machine.path("fs/hearth.service/hearth-one").is_dir());

    // What the kernel would have done, and then a second process of the same instance.
    machine.group("hearth.service", "cpu memory pids\n", "");
    machine.group("hearth.service/hearth-one-server", "cpu memory pids\n", &own);
    machine.put("proc/self/cgroup", "0::/hearth.service/hearth-one-server\n");
    machine.detect().expect("detected");
    assert!(!machine.path("fs/hearth.service/hearth-one-server/hearth-one").exists());
}

#[test]
fn in_v2_a_container_moves_what_it_sees_into_a_leaf() {
    let machine = Machine::v2("");
    machine.group("", "cpu memory pids\n", "1\n");
    machine.detect().expect("detected");
    assert_eq!(machine.get("fs/hearth-one-server/cgroup.procs"), "1");
    assert_eq!(machine.get("fs/cgroup.subtree_control"), "+memory +cpu +pids");
}

#[test]
fn in_v2_the_real_root_may_keep_its_processes() {
    let machine = Machine::v2("");
    machine.put("fs/cgroup.procs", "1\n2\n3\n");
    machine.detect().expect("detected");
    assert!(machine.path("fs/hearth-one").is_dir());
    assert!(!machine.path("fs/hearth-one-server").exists());
}

#[test]
fn a_limit_that_nobody_delegated_is_refused_with_what_to_do() {
    let machine = Machine::v2("user/scope");
    machine.put("fs/cgroup.controllers", "memory pids\n");
    machine.group("user", "memory pids\n", "");
    machine.group("user/scope", "memory pids\n", "1\n");
    let root = machine.detect().expect("detected");
    assert!(root.missing().contains(&Controller::Cpu));
    let error = root.create(1, &LIMITS).expect_err("cannot be enforced");
    assert!(matches!(error, CgroupError::Unavailable { controller: Controller::Cpu }));
    assert!(error.to_string().contains("the cpu cgroup controller is not available here; run as root"), "{error}");
    assert!(!machine.path("fs/user/hearth-one/1").exists(), "nothing is left behind");
}

#[test]
fn a_survey_says_what_detecting_would_find_and_changes_nothing() {
    let root = Machine::v2("");
    root.put("fs/cgroup.procs", "1\n2\n3\n");
    let alone = Machine::v2("hearth.service");
    alone.group("hearth.service", "cpu memory pids\n", &std::process::id().to_string());
    for machine in [root, alone, v1_machine()] {
        let (layout, missing) = survey_at(&machine.path("proc")).expect("readable");
        assert!(!machine.path("fs/hearth-one").exists());
        assert!(!machine.path("fs/hearth.service/hearth-one-server").exists());
        let root = machine.detect().expect("detected");
        assert_eq!(layout, root.layout());
        assert_eq!(missing, []);
    }
}

fn v1_machine() -> Machine {
    let machine = Machine::new(
        "4:memory:/jobs\n3:pids:/\n2:cpu,cpuacct:/\n1:freezer:/\n",
        &[
            ("fs/memory", "cgroup", "rw,memory"),
            ("fs/pids", "cgroup", "rw,pids"),
            ("fs/cpu", "cgroup", "rw,cpu,cpuacct"),
            ("fs/freezer", "cgroup", "rw,freezer"),
        ],
    );
    machine.put("fs/memory/jobs/hearth-one/memory.use_hierarchy", "0\n");
    machine
}

#[test]
fn in_v1_every_controller_is_written_in_its_own_tree() {
    let machine = v1_machine();
    machine.put("fs/memory/jobs/hearth-one/memory.memsw.limit_in_bytes", "9223372036854771712\n");
    let root = machine.detect().expect("detected");
    assert_eq!(root.layout(), Layout::V1);
    assert_eq!(root.missing(), []);
    assert_eq!(machine.get("fs/memory/jobs/hearth-one/memory.use_hierarchy"), "1");
    let group = root.create(7, &LIMITS).expect("created");
    assert_eq!(machine.get("fs/memory/jobs/hearth-one/7/memory.limit_in_bytes"), "134217728");
    assert_eq!(machine.get("fs/memory/jobs/hearth-one/7/memory.memsw.limit_in_bytes"), "134217728");
    assert_eq!(machine.get("fs/pids/hearth-one/7/pids.max"), "1024");
    for (tree, name) in [("freezer", "freezer.state"), ("cpu", "cpu.cfs_quota_us")] {
        machine.put(&format!("fs/{tree}/hearth-one/7/{name}"), "");
    }
    for (memory, shares) in [(128, "255"), (1_769, "1024"), (3_538, "2048")] {
        group.weigh_cpu(Mebibytes(memory)).expect("set");
        assert_eq!(machine.get("fs/cpu/hearth-one/7/cpu.shares"), shares, "{memory} MiB; the smallest a quarter");
    }
    let handle = machine.handle(&group, "fs/memory/jobs/hearth-one/7");
    handle.set_cpu(Mebibytes(128)).expect("set");
    assert_eq!(machine.get("fs/cpu/hearth-one/7/cpu.cfs_period_us"), "20000");
    assert_eq!(machine.get("fs/cpu/hearth-one/7/cpu.cfs_quota_us"), "1447");
    handle.set_cpu_unlimited().expect("set");
    assert!(machine.get("fs/cpu/hearth-one/7/cpu.cfs_quota_us").starts_with("-1"));
    assert!(!handle.freezes_fast());
    handle.freeze().expect("frozen");
    assert_eq!(machine.get("fs/freezer/hearth-one/7/freezer.state"), "FROZEN");
    assert!(group.birthplace().expect("looked").is_none());
    group.enter().expect("entered");
    for tree in ["memory/jobs", "pids", "cpu", "freezer"] {
        assert_eq!(machine.get(&format!("fs/{tree}/hearth-one/7/tasks")), "0");
    }
}

/// What v1's controller of block devices has: a root group, in which this process is, and whatever `own` is.
fn with_block_devices(own: &str) -> Machine {
    let machine = v1_machine();
    let membership = format!("5:blkio:/{own}\n{}", machine.get("proc/self/cgroup"));
    machine.put("proc/self/cgroup", &membership);
    let at = machine.path("fs/blkio");
    let mounts = format!("30 29 0:27 / {} rw - cgroup cgroup rw,blkio\n", at.display());
    machine.put("proc/self/mountinfo", &(machine.get("proc/self/mountinfo") + &mounts));
    machine.put("fs/blkio/release_agent", "");
    for group in ["", own] {
        machine.put(&format!("fs/blkio/{group}/blkio.throttle.write_bps_device"), "");
    }
    machine
}

const DISK: Device = Device { major: 7, minor: 3 };

#[test]
fn in_v1_a_disk_is_limited_for_the_root_group_and_for_our_own_until_that_is_taken_away() {
    let machine = with_block_devices("service");
    let root = machine.detect().expect("detected");
    assert!(root.limits_writes());
    let group = root.create(7, &LIMITS).expect("created");
    group.limit_writes(DISK, 64 << 20).expect("limited");
    let tables = ["", "service/"].map(|group| format!("fs/blkio/{group}blkio.throttle.write_bps_device"));
    for table in &tables {
        assert_eq!(machine.get(table), "7:3 67127380", "64 MiB and the mark");
    }
    group.unlimit_writes(DISK).expect("lifted");
    for table in &tables {
        assert_eq!(machine.get(table), "7:3 0");
    }
}

#[test]
fn a_part_of_v1_without_its_root_group_limits_no_disk() {
    let machine = with_block_devices("");
    fs::remove_file(machine.path("fs/blkio/release_agent")).expect("removed");
    let root = machine.detect().expect("detected");
    assert!(!root.limits_writes());
    assert_eq!(root.missing(), [], "what every sandbox needs is there");
    root.create(7, &LIMITS).expect("created").limit_writes(DISK, 64 << 20).expect("nothing to do");
}

#[test]
fn what_a_killed_life_left_in_v1_s_table_goes_unless_another_server_uses_the_device() {
    let table = "fs/blkio/blkio.throttle.write_bps_device";
    for (file, row, after) in [
        // Nobody has the device, somebody else has it, it is what our own life before this one left, another server's.
        (None, "7:3 67127380\n", "7:3 0"),
        (Some("/home/somebody/image"), "7:3 67127380\n", "7:3 0"),
        (Some("/data/tmp/#12 (deleted)"), "7:3 67127380\n", "7:3 0"),
        (Some("/other/tmp/#12 (deleted)"), "7:3 67127380\n", "7:3 67127380\n"),
        // Not ours.
        (None, "7:3 67108864\n", "7:3 67108864\n"),
        (None, "", ""),
    ] {
        let machine = with_block_devices("");
        machine.put(table, row);
        if let Some(file) = file {
            machine.put("sys/dev/block/7:3/loop/backing_file", &format!("{file}\n"));
        }
        let root = machine.detect().expect("detected");
        let swept = root.sweep_disks_at(&machine.path("sys"), Path::new("/data/tmp")).expect("swept");
        assert_eq!(machine.get(table), after, "{file:?}");
        assert_eq!(swept, usize::from(row != after), "{file:?}");
    }
}

#[test]
fn in_v2_a_disk_is_limited_for_its_slot_where_the_controller_is_handed_on() {
    let machine = Machine::v2("");
    machine.put("fs/cgroup.procs", "1\n");
    // What the kernel would have done.
    machine.put("fs/hearth-one/cgroup.controllers", "io memory pids cpu\n");
    let root = machine.detect().expect("detected");
    assert!(root.limits_writes());
    let group = root.create(7, &LIMITS).expect("created");
    group.limit_writes(DISK, 64 << 20).expect("limited");
    assert_eq!(machine.get("fs/hearth-one/7/io.max"), "7:3 wbps=67108864");
    group.unlimit_writes(DISK).expect("lifted");
    assert_eq!(machine.get("fs/hearth-one/7/io.max"), "7:3 wbps=max");
    assert_eq!(root.sweep_disks_at(&machine.path("sys"), Path::new("/data/tmp")).expect("nothing to do"), 0);

    let delegated = Machine::v2("user/scope");
    delegated.group("user", "memory pids cpu\n", "");
    delegated.group("user/scope", "memory pids cpu\n", "1\n");
    let root = delegated.detect().expect("detected");
    assert!(!root.limits_writes());
    assert_eq!(delegated.get("fs/user/cgroup.subtree_control"), "+memory +cpu +pids");
    root.create(7, &LIMITS).expect("created").limit_writes(DISK, 64 << 20).expect("nothing to do");
    assert!(!delegated.path("fs/user/hearth-one/7/io.max").exists());
}

#[test]
fn without_swap_accounting_v1_avoids_swap_as_far_as_it_can() {
    let machine = v1_machine();
    machine.detect().expect("detected").create(7, &LIMITS).expect("created");
    assert_eq!(machine.get("fs/memory/jobs/hearth-one/7/memory.swappiness"), "0");
}

#[test]
fn without_any_freezer_freezing_is_refused_and_the_rest_works() {
    let machine = v1_machine();
    machine.put("proc/self/cgroup", "4:memory:/jobs\n3:pids:/\n2:cpu,cpuacct:/\n");
    let root = machine.detect().expect("detected");
    assert_eq!(root.missing(), [Controller::Freezer]);
    let group = root.create(7, &LIMITS).expect("created");
    machine.put("fs/cpu/hearth-one/7/cpu.cfs_quota_us", "");
    let handle = machine.handle(&group, "fs/memory/jobs/hearth-one/7");
    assert!(matches!(handle.freeze(), Err(CgroupError::Unavailable { controller: Controller::Freezer })));
}

#[test]
fn memory_is_read_in_both_dialects() {
    let machine = v1_machine();
    machine.put("group/memory.stat", "cache 1\nrss 2\ntotal_cache 900\ntotal_rss 100\ntotal_shmem 50\n");
    machine.put("group/memory.kmem.usage_in_bytes", "30\n");
    machine.put("group/memory.max_usage_in_bytes", "2000\n");
    machine.put("group/memory.limit_in_bytes", "1000000\n");
    machine.put("group/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    let handle = v1_handle(&machine, "group");
    let used = handle.memory_use().expect("readable");
    assert_eq!((used.anonymous, used.file, used.kernel, used.total_max), (150, 850, 30, 2_000));
    assert_eq!(used.anonymous_max(), 1_120);
    assert_eq!(handle.oom_kills().expect("readable"), 3);
    assert!(!handle.limit_was_hit());
    machine.put("group/memory.max_usage_in_bytes", "999000\n");
    assert!(v1_handle(&machine, "group").limit_was_hit());

    machine.put("unified/memory.stat", "anon 100\nfile 900\nkernel_stack 10\npagetables 20\nslab 5\nshmem 50\n");
    machine.put("unified/memory.peak", "2000\n");
    machine.put("unified/memory.events", "low 0\nhigh 0\nmax 0\noom 4\noom_kill 3\n");
    let handle = v2_handle(&machine, "unified");
    let used = handle.memory_use().expect("readable");
    assert_eq!((used.anonymous, used.file, used.kernel, used.total_max), (150, 850, 35, 2_000));
    assert_eq!(handle.oom_kills().expect("readable"), 3);
    assert_eq!(handle.memory_used_max(Mebibytes(64)).expect("readable"), Mebibytes(1), "killed for a limit above");
    machine.put("unified/memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n");
    let handle = v2_handle(&machine, "unified");
    assert_eq!(handle.memory_used_max(Mebibytes(64)).expect("readable"), Mebibytes(64), "killed for reaching it");
    machine.put("unified/memory.stat", "anon 100\nfile 900\nkernel 77\nkernel_stack 10\nshmem 50\n");
    let handle = v2_handle(&machine, "unified");
    assert_eq!(handle.memory_use().expect("readable").kernel, 77, "the kernel's own sum, where there is one");
}

fn v1_handle(machine: &Machine, dir: &str) -> CgroupHandle {
    let knobs = [
        (Knob::MemoryStat(Dialect::V1), "memory.stat"),
        (Knob::MemoryEvents(Dialect::V1), "memory.oom_control"),
        (Knob::MemoryPeak, "memory.max_usage_in_bytes"),
        (Knob::MemoryLimit, "memory.limit_in_bytes"),
        (Knob::KernelMemory, "memory.kmem.usage_in_bytes"),
    ];
    handle_of(machine, dir, &knobs)
}

fn v2_handle(machine: &Machine, dir: &str) -> CgroupHandle {
    let knobs = [
        (Knob::MemoryStat(Dialect::V2), "memory.stat"),
        (Knob::MemoryEvents(Dialect::V2), "memory.events"),
        (Knob::MemoryPeak, "memory.peak"),
    ];
    handle_of(machine, dir, &knobs)
}

fn handle_of(machine: &Machine, dir: &str, knobs: &[(Knob, &str)]) -> CgroupHandle {
    let open = |(knob, name): &(Knob, &str)| {
        fs::File::open(machine.path(dir).join(name)).ok().map(|file| (*knob, file.into()))
    };
    CgroupHandle::new(knobs.iter().filter_map(open))
}

#[test]
fn a_file_that_lacks_a_line_is_an_error_that_names_both() {
    let machine = v1_machine();
    machine.put("group/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
    let error = v1_handle(&machine, "group").oom_kills().expect_err("too old a kernel").to_string();
    assert!(error.contains("memory events") && error.contains("oom_kill"), "{error}");
}

#[test]
fn an_instance_name_cannot_leave_its_place() {
    for name in ["", "..", "a/b", "a b", "ä", &"x".repeat(41)] {
        assert!(matches!(CgroupRoot::detect(name), Err(CgroupError::Instance(_))), "{name:?}");
    }
}

#[test]
fn a_second_process_finds_the_same_directories() {
    let machine = v1_machine();
    let [first, second] = [machine.detect(), machine.detect()].map(|root| root.expect("detected").group(9));
    let [first, second] = [first, second].map(|group| group.expect("complete"));
    assert_eq!(first.dirs, second.dirs);
    assert_eq!(first.memory.dialect, Dialect::V1);
    assert!(first.dirs.iter().all(|dir| dir.ends_with(Path::new("hearth-one/9"))));
}

#[test]
fn processor_time_is_proportional_to_memory_with_one_vcpu_at_1769() {
    for (memory, quota_us) in [(128, 1_447), (1_769, 20_000), (3_538, 40_000), (10_240, 115_771), (1, 1_000)] {
        assert_eq!(cpu_quota_us(Mebibytes(memory)), quota_us, "{memory} MiB");
    }
}

#[test]
fn page_cache_is_not_memory_used() {
    let used = MemoryUse { anonymous: 10, file: 500, kernel: 5, total_max: 515, was_at_limit: false };
    assert_eq!(used.anonymous_max(), 10);
}

#[test]
fn a_peak_between_two_samples_is_seen_in_the_total() {
    let used = MemoryUse { anonymous: 10, file: 50, kernel: 5, total_max: 155, was_at_limit: false };
    assert_eq!(used.anonymous_max(), 100);
}

#[test]
fn after_reclaim_the_total_proves_nothing() {
    let used = MemoryUse { anonymous: 10, file: 0, kernel: 5, total_max: 128, was_at_limit: true };
    assert_eq!(used.anonymous_max(), 10);
}
