//! A PostgreSQL server of a test's own: made in a temporary directory, spoken to through a Unix socket, ended with it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A port is only the name of the socket: each server has a directory of its own.
const PORT: u16 = 5432;
const SUPERUSER: &str = "hearth";
const START_MAX: Duration = Duration::from_secs(60);

/// Runs a server until it is told by which signal to end it; without a word when whoever started it is gone, however
/// that ended, and then nothing is left behind.
const KEEPER: &str = r#""$@" & read -r signal; kill -${signal:-QUIT} $!; wait $!; [ -n "$signal" ] || rm -rf "$0""#;

pub(crate) struct Database {
    programs: PathBuf,
    dir: TempDir,
    databases: AtomicU32,
    keeper: Mutex<Option<Child>>,
}

/// The one that all tests of a process share: starting one takes a second. `None` where PostgreSQL is not installed.
pub(crate) fn shared() -> Option<&'static Database> {
    static SHARED: OnceLock<Option<Database>> = OnceLock::new();
    SHARED.get_or_init(Database::start).as_ref()
}

impl Database {
    /// `None`, said loudly, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("\nSKIPPED: no initdb in PATH or /usr/lib/postgresql (Debian: apt-get install postgresql)\n");
            return None;
        };
        // In memory where that goes: kills are tested, power losses are not, and syncs of many databases take minutes.
        let mut builder = tempfile::Builder::new();
        builder.prefix("hearth-pg-");
        let dir = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("temporary directory");
        if let Some((uid, gid)) = unprivileged() {
            chown(dir.path(), Some(uid), Some(gid)).expect("gives the directory away");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("lets others to the socket");
        let database = Self { programs, dir, databases: AtomicU32::new(0), keeper: Mutex::new(None) };
        let data = database.data();
        let options = ["--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync", "-U", SUPERUSER, "-D"];
        let made = database.command("initdb").args(options).arg(&data).output().expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        database.up(&[]);
        Some(database)
    }

    /// The address of a fresh database.
    pub(crate) fn fresh(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        let socket = self.dir.path().to_str().expect("is text").replace('/', "%2F");
        format!("postgres://{SUPERUSER}@{socket}:{PORT}/{name}")
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{PORT}"))
    }

    /// What psql prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("is text").trim().to_owned()
    }

    /// Starts it, with settings such as `fsync=off`.
    pub(crate) fn up(&self, settings: &[&str]) {
        let deadline = Instant::now() + START_MAX;
        loop {
            let mut child = self.command("sh");
            child.args(["-c", KEEPER]).arg(self.dir.path()).arg(self.programs.join("postgres"));
            child.arg("-D").arg(self.data()).arg("-k").arg(self.dir.path());
            child.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
            settings.iter().for_each(|setting| {
                child.args(["-c", setting]);
            });
            let log = fs::File::options().create(true).append(true).open(self.log()).expect("opens the log");
            let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().expect("starts");
            // After a kill -9 the first start may find remains of the former server still ending.
            while child.try_wait().expect("waits").is_none() {
                if self.psql("postgres", "SELECT 1").status.success() {
                    *self.keeper.lock().expect("nobody panicked") = Some(child);
                    return;
                }
                let log = || fs::read_to_string(self.log()).unwrap_or_default();
                assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Ends it as a machine's shutdown would.
    pub(crate) fn down(&self) {
        self.end("INT");
    }

    /// kill -9 of the server's first process; the others end when they notice.
    pub(crate) fn kill(&self) {
        self.end("KILL");
    }

    fn end(&self, signal: &str) {
        let mut child = self.keeper.lock().expect("nobody panicked").take().expect("runs");
        writeln!(child.stdin.take().expect("is piped"), "{signal}").expect("asks");
        child.wait().expect("ends");
    }

    /// kill -9 of whoever works for Hearth; the server then restarts itself.
    pub(crate) fn kill_backends(&self) {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hearth'";
        for pid in self.sql("postgres", sql).lines() {
            let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        }
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        let mut command = self.command("psql");
        command.arg("-h").arg(self.dir.path()).args(["-p", &PORT.to_string()]);
        command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database, "-c", sql]);
        command.output().expect("runs")
    }

    /// As somebody whom PostgreSQL works for: it refuses root.
    fn command(&self, program: &str) -> Command {
        let own = self.programs.join(program);
        let mut command = Command::new(if own.is_file() { own } else { program.into() });
        command.current_dir(self.dir.path());
        if let Some((uid, gid)) = unprivileged() {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.lock().expect("nobody panicked").take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    versions.sort();
    let has_all = |dir: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|program| dir.join(program).is_file());
    std::env::split_paths(&in_path).chain(versions.into_iter().rev()).find(has_all)
}

/// Whom a server runs as when we are root: `nobody`, in numbers that every system agrees on.
fn unprivileged() -> Option<(u32, u32)> {
    const NOBODY: (u32, u32) = (65_534, 65_534);
    let mine = fs::metadata("/proc/self").ok().map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata));
    (mine == Some(0)).then_some(NOBODY)
}
