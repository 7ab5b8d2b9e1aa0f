//! Configuration: a TOML file, then flags. Unknown keys are refused, so that no setting is silently ignored.

mod images;
mod remote_queues;
mod runtimes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_network::{Outgoing, Policy};
use hearth_remote_queues::Remote;
use hearth_sandbox::process::PoolConfig;
use hearth_types::limits::SANDBOX_STORAGE_WRITE_PER_SECOND;
use hearth_types::{AuthMode, SandboxAuth};
pub(crate) use images::Images;
use serde::Deserialize;

/// Everything the server is started with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data: DataLocation,
    pub(crate) store: StoreLocation,
    /// Whom the server becomes when it was started as root: a name or a number.
    pub(crate) user: Option<String>,
    /// Host names clients may use, beside `localhost` and addresses.
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) auth: AuthMode,
    pub(crate) sandbox_auth: SandboxAuth,
    pub(crate) web_identities: Vec<WebIdentity>,
    /// Seconds of the service clock in one of the wall's.
    pub(crate) time_scale: u32,
    pub(crate) execution: Execution,
    pub(crate) pool: Pool,
    pub(crate) network: Policy,
    pub(crate) images: Images,
    /// Images that are the roots of runtimes, by identifier.
    pub(crate) runtimes: BTreeMap<String, String>,
    pub(crate) remote_queues: Vec<Remote>,
    pub(crate) urls: Urls,
    pub(crate) logs: Logs,
    pub(crate) audit: Audit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DataLocation {
    Directory(PathBuf),
    Ephemeral,
}

/// Where records are. Packages, logs and keys are in the data directory in any case.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) enum StoreLocation {
    /// In the data directory.
    #[default]
    Embedded,
    /// In this database. May have a password in it, so it is never shown.
    Postgres(String),
}

impl StoreLocation {
    /// # Errors
    /// [`ConfigError::Store`].
    pub(crate) fn parse(address: Option<String>) -> Result<Self, ConfigError> {
        match address {
            None => Ok(Self::Embedded),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Postgres(url)),
            Some(_) => Err(ConfigError::Store),
        }
    }
}

impl std::fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Embedded => "Embedded",
            Self::Postgres(_) => "Postgres",
        })
    }
}

/// A day in less than a second.
const TIME_SCALE_MAX: u32 = 100_000;

/// Hardly any function needs all of its setting: on a machine of 24 GB there is room for two hundred of 128 MB at once.
const MEMORY_OVERCOMMIT: f64 = 1.25;

/// `[execution]`: how many environments, for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Execution {
    /// An idle environment ends after this long.
    pub(crate) idle_timeout_seconds: u64,
    /// Memory of all environments together, MiB; else all of the machine's but a sixteenth.
    pub(crate) memory_mib: Option<u32>,
    /// A memory setting counts one part of so many, until it is known what the function needs.
    pub(crate) memory_overcommit: f64,
    /// Free space of the data directory's disk below which no environment is added, MiB; else 1,024, or a part of the disk
    /// where that is less. 0: never.
    pub(crate) disk_reserve_mib: Option<u32>,
    /// What an environment may write to its `/tmp` a second, MiB, where control groups can hold it to that. 0: as much as it can.
    pub(crate) storage_write_mib_per_second: u32,
    /// Environments at most, whatever their size.
    pub(crate) environments_max: usize,
    pub(crate) freeze: Freeze,
}

impl Default for Execution {
    fn default() -> Self {
        Self {
            idle_timeout_seconds: 600,
            memory_mib: None,
            memory_overcommit: MEMORY_OVERCOMMIT,
            disk_reserve_mib: None,
            storage_write_mib_per_second: SANDBOX_STORAGE_WRITE_PER_SECOND.0,
            environments_max: 1_000,
            freeze: Freeze::Auto,
        }
    }
}

/// When an environment is frozen between invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Freeze {
    /// At once where that takes microseconds (cgroup v2), else a second later.
    #[default]
    Auto,
    /// At once, also where it takes longer.
    Strict,
}

/// `[pool]`: slots prepared ahead of cold starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pool {
    /// How many of each kind wait at least, when nothing happens.
    pub(crate) depth_min: usize,
    /// And at most, after many cold starts; 0 switches the pool off.
    pub(crate) depth_max: usize,
    /// Share of one processor that filling up may take.
    pub(crate) cpu_percent: u32,
    /// When none waits, a cold start in Python gets a copy of a process that does. Copies share their address layout.
    pub(crate) copies: bool,
}

impl Default for Pool {
    fn default() -> Self {
        let PoolConfig { depth_min, depth_max, cpu_percent, copies } = PoolConfig::default();
        Self { depth_min, depth_max, cpu_percent, copies }
    }
}

/// `[urls]`: how function URLs are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Urls {
    /// A domain all of whose names lead to this server; else `localhost`, and the path form for other machines.
    pub(crate) domain: Option<String>,
}

/// `[logs]`: how much is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logs {
    pub(crate) keep_mib: u64,
}

impl Default for Logs {
    fn default() -> Self {
        Self { keep_mib: 1_024 }
    }
}

/// `[audit]`: how much is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    pub(crate) keep_mib: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep_mib: 256 }
    }
}

/// `[[web_identity]]`: an identity provider whose tokens AssumeRoleWithWebIdentity takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebIdentity {
    /// As tokens name it: `https://…`.
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    /// File with the provider's JSON Web Key Set (RFC 7517).
    pub(crate) jwks: PathBuf,
}

/// `[network]`: what functions may reach.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    /// `internet` or `none`.
    outgoing: Outgoing,
    /// What of the user's own is open besides: addresses, ranges and names, each with a port or without.
    allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    store: Option<String>,
    ephemeral: Option<bool>,
    user: Option<String>,
    allowed_hosts: Vec<String>,
    auth: Option<AuthMode>,
    sandbox_auth: Option<SandboxAuth>,
    web_identity: Vec<WebIdentity>,
    time_scale: Option<u32>,
    execution: Execution,
    pool: Pool,
    network: Network,
    images: images::File,
    runtimes: BTreeMap<String, String>,
    remote_queues: Vec<remote_queues::Entry>,
    urls: Urls,
    logs: Logs,
    audit: Audit,
}

/// What the command line says; wins over the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) listen: Option<String>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) store: Option<String>,
    pub(crate) ephemeral: bool,
    pub(crate) auth: Option<AuthMode>,
    pub(crate) sandbox_auth: Option<SandboxAuth>,
    pub(crate) freeze: Option<Freeze>,
    pub(crate) time_scale: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("the configuration file {path} is not valid: {error}")]
    Invalid { path: PathBuf, error: String },
    #[error("cannot listen on \"{0}\": give an address and a port, such as 127.0.0.1:4566")]
    Listen(String),
    #[error("the configuration sets both `data` and `ephemeral`: choose one")]
    DataAndEphemeral,
    #[error(
        "`store` is the address of a PostgreSQL database, such as postgres://user@host/database; without it records are \
         kept in the data directory"
    )]
    Store,
    #[error(
        "records in a database need a data directory that stays, for what is kept beside them: leave `ephemeral` away"
    )]
    StoreAndEphemeral,
    #[error("`execution.{0}` must be greater than zero")]
    NotPositive(&'static str),
    #[error("`network.allow`: {0}")]
    Allow(#[from] hearth_network::AllowError),
    #[error(transparent)]
    Layouts(#[from] images::LayoutsError),
    #[error(transparent)]
    Runtimes(#[from] runtimes::RuntimesError),
    #[error(transparent)]
    RemoteQueues(#[from] remote_queues::RemoteQueuesError),
    #[error(transparent)]
    DockerConfig(#[from] images::DockerConfigError),
    #[error("`pool.cpu_percent` is a share of one processor: 1 to 100")]
    CpuPercent,
    #[error("`time_scale` is how many times faster retries, ages and delays go: 1 to {TIME_SCALE_MAX}")]
    TimeScale,
    #[error("cannot tell where to keep data: set HOME, or give --data DIR or --ephemeral")]
    NoHome,
}

impl Config {
    /// Reads the file, if any, and lays the flags over it.
    pub(crate) fn load(path: Option<&Path>, flags: Overrides) -> Result<Self, ConfigError> {
        let file = match path {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
                let invalid = |error| ConfigError::Invalid { path: path.to_owned(), error: told(&text, &error) };
                toml::from_str(&text).map_err(invalid)?
            }
        };
        let images = file.images.clone();
        let mut config = Self::resolve(file, flags, default_data_directory)?;
        images.credentials(&mut config.images)?;
        Ok(config)
    }

    fn resolve(file: File, flags: Overrides, default_data: impl Fn() -> Option<PathBuf>) -> Result<Self, ConfigError> {
        let listen = flags.listen.or(file.listen).unwrap_or_else(|| "127.0.0.1:4566".to_owned());
        let listen: SocketAddr = listen.parse().map_err(|_| ConfigError::Listen(listen))?;
        // Whoever reaches a server in open mode is root there.
        let auth = if listen.ip().is_loopback() { AuthMode::Open } else { AuthMode::Enforce };
        let auth = flags.auth.or(file.auth).unwrap_or(auth);
        let sandbox_auth = flags.sandbox_auth.or(file.sandbox_auth).unwrap_or_default();
        let data = match (flags.ephemeral, flags.data, file.ephemeral.unwrap_or(false), file.data) {
            (true, _, _, _) | (false, None, true, None) => DataLocation::Ephemeral,
            (false, Some(directory), _, _) | (false, None, false, Some(directory)) => {
                DataLocation::Directory(directory)
            }
            (false, None, true, Some(_)) => return Err(ConfigError::DataAndEphemeral),
            (false, None, false, None) => DataLocation::Directory(default_data().ok_or(ConfigError::NoHome)?),
        };
        let store = StoreLocation::parse(flags.store.or(file.store))?;
        if store != StoreLocation::Embedded && data == DataLocation::Ephemeral {
            return Err(ConfigError::StoreAndEphemeral);
        }
        let mut execution = file.execution;
        execution.freeze = flags.freeze.unwrap_or(execution.freeze);
        for (name, positive) in [
            ("idle_timeout_seconds", execution.idle_timeout_seconds > 0),
            ("memory_mib", execution.memory_mib != Some(0)),
            ("memory_overcommit", execution.memory_overcommit > 0.0),
            ("environments_max", execution.environments_max > 0),
        ] {
            if !positive {
                return Err(ConfigError::NotPositive(name));
            }
        }
        if !(1..=100).contains(&file.pool.cpu_percent) {
            return Err(ConfigError::CpuPercent);
        }
        runtimes::check(&file.runtimes)?;
        let time_scale = flags.time_scale.or(file.time_scale).unwrap_or(1);
        if !(1..=TIME_SCALE_MAX).contains(&time_scale) {
            return Err(ConfigError::TimeScale);
        }
        Ok(Self {
            listen,
            data,
            store,
            user: file.user,
            allowed_hosts: file.allowed_hosts,
            auth,
            sandbox_auth,
            web_identities: file.web_identity,
            time_scale,
            execution,
            pool: file.pool,
            network: Policy::parse(file.network.outgoing, &file.network.allow)?,
            images: file.images.resolve()?,
            runtimes: file.runtimes,
            remote_queues: remote_queues::resolve(file.remote_queues)?,
            urls: file.urls,
            logs: file.logs,
            audit: file.audit,
        })
    }
}

/// What is wrong, with the line it is about; but for one that may hold a secret, which is not for logs.
fn told(text: &str, error: &toml::de::Error) -> String {
    let number = error.span().and_then(|span| text.get(..span.start)).map_or(0, |before| before.matches('\n').count());
    match text.lines().nth(number) {
        Some(line) if line.contains("secret") => format!("line {}: {}", number + 1, error.message()),
        _ => error.to_string(),
    }
}

/// XDG Base Directory Specification: `$XDG_DATA_HOME`, else `~/.local/share`. For root, whose home is closed to the
/// user the server becomes, the place of the File Hierarchy Standard.
pub(crate) fn default_data_directory() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() && std::env::var_os("XDG_DATA_HOME").is_none() {
        return Some(PathBuf::from("/var/lib/hearth"));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share"))).map(|base| base.join("hearth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: &str, flags: Overrides) -> Result<Config, String> {
        let file = toml::from_str(file).map_err(|error| error.to_string())?;
        Config::resolve(file, flags, || Some(PathBuf::from("/home/me/hearth"))).map_err(|error| error.to_string())
    }

    #[test]
    fn without_file_and_flags_the_defaults_people_know_apply() {
        let config = resolve("", Overrides::default()).expect("valid");
        assert_eq!(config.listen.to_string(), "127.0.0.1:4566");
        assert_eq!(config.data, DataLocation::Directory("/home/me/hearth".into()));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_shown_and_a_secret_is_not() {
        let wrong = |text: &str| told(text, &toml::from_str::<File>(text).map(drop).expect_err("invalid"));
        assert!(wrong("listen = hush").contains("listen = hush"));
        let secret = wrong("[[remote_queues]]\nsecret_access_key = \"hush");
        assert!(secret.starts_with("line 2: ") && !secret.contains("hush"), "{secret}");
    }

    #[test]
    fn time_goes_faster_only_where_that_is_asked_for() {
        let scale = |file: &str, time_scale| {
            resolve(file, Overrides { time_scale, ..Overrides::default() }).map(|config| config.time_scale)
        };
        assert_eq!(scale("", None), Ok(1));
        assert_eq!(scale("time_scale = 60", None), Ok(60));
        assert_eq!(scale("time_scale = 60", Some(2)), Ok(2));
        assert!(scale("time_scale = 0", None).is_err() && scale("", Some(100_001)).is_err());
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Overrides { listen: Some("127.0.0.1:0".into()), data: Some("/d".into()), ..Overrides::default() };
        let config = resolve("listen = \"127.0.0.1:80\"\nephemeral = true", flags).expect("valid");
        assert_eq!(config.listen.port(), 0);
        assert_eq!(config.data, DataLocation::Directory("/d".into()));
    }

    #[test]
    fn callers_are_held_to_their_policies_wherever_others_can_reach_the_server() {
        let mode = |file: &str, auth: Option<AuthMode>| {
            resolve(file, Overrides { auth, ..Overrides::default() }).expect("valid").auth
        };
        assert_eq!(mode("", None), AuthMode::Open);
        assert_eq!(mode("listen = \"[::1]:1\"", None), AuthMode::Open);
        for beyond in ["0.0.0.0:4566", "192.0.2.1:1", "[::]:4566"] {
            let file = format!("listen = \"{beyond}\"");
            assert_eq!(mode(&file, None), AuthMode::Enforce, "{beyond}");
            assert_eq!(mode(&file, Some(AuthMode::Open)), AuthMode::Open, "said on purpose");
        }
        assert_eq!(mode("auth = \"soft\"", None), AuthMode::Soft);
        assert_eq!(mode("auth = \"soft\"", Some(AuthMode::Enforce)), AuthMode::Enforce);
        assert!(resolve("auth = \"none\"", Overrides::default()).is_err());
    }

    #[test]
    fn function_code_is_held_to_its_role_unless_said_otherwise() {
        assert_eq!(resolve("", Overrides::default()).expect("valid").sandbox_auth, SandboxAuth::Role);
        let open = resolve("sandbox_auth = \"open\"", Overrides::default()).expect("valid");
        assert_eq!(open.sandbox_auth, SandboxAuth::Open);
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = resolve("[execution]\nidle_timeout = 3", Overrides::default()).expect_err("unknown key");
        assert!(error.contains("idle_timeout"), "{error}");
    }

    #[test]
    fn what_is_written_to_disks_is_limited_unless_said_otherwise() {
        let rate =
            |file: &str| resolve(file, Overrides::default()).expect("valid").execution.storage_write_mib_per_second;
        assert_eq!(rate(""), SANDBOX_STORAGE_WRITE_PER_SECOND.0);
        assert_eq!(rate("[execution]\nstorage_write_mib_per_second = 200"), 200);
        assert_eq!(rate("[execution]\nstorage_write_mib_per_second = 0"), 0);
        assert!(resolve("[execution]\nstorage_write_mib_per_second = -1", Overrides::default()).is_err());
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        let flags = Overrides { listen: Some("localhost".into()), ..Overrides::default() };
        assert!(resolve("", flags).expect_err("no port").contains("127.0.0.1:4566"));
        assert!(resolve("data = \"/d\"\nephemeral = true", Overrides::default()).is_err());
        assert!(resolve("[execution]\nmemory_overcommit = 0.0", Overrides::default()).is_err());
        assert!(
            resolve("store = \"/var/lib\"", Overrides::default()).expect_err("no database").contains("postgres://")
        );
        assert!(resolve("store = \"postgres://h/d\"\nephemeral = true", Overrides::default()).is_err());
    }
}
