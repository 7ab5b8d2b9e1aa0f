//! Which database, and how every connection to it is made.

use std::sync::Arc;

use tokio::sync::SetOnce;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls};

use super::PostgresError;
use super::failure::{Failure, Step, describe};
use crate::limits::{CONNECT_WAIT, STATEMENT_WAIT};

/// A connection whose other side is silent for so long is dead, for both sides: the database then lets go of the
/// locks of a server that is gone.
const KEEPALIVE_IDLE_S: u64 = 10;
const KEEPALIVE_INTERVAL_S: u64 = 5;
const KEEPALIVE_COUNT: u32 = 3;

#[derive(Clone)]
pub(super) struct Target {
    pub(super) config: Config,
    /// For people: never with a password.
    pub(super) name: String,
}

/// A connection, and when it is no more.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) lost: Arc<SetOnce<()>>,
}

impl Target {
    pub(super) fn parse(url: &str, password: Option<&str>) -> Result<Self, PostgresError> {
        let invalid = |detail: String| PostgresError::Url { detail };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("it does not begin with postgres://".to_owned()));
        }
        let mut config: Config = url.parse().map_err(|error| invalid(describe(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(invalid("it names no host".to_owned()));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(PostgresError::Tls);
        }
        if let (None, Some(password)) = (config.get_password(), password) {
            config.password(password);
        }
        let given = config.get_options().map_or_else(String::new, |given| format!("{given} "));
        let keepalives = format!(
            "-c tcp_keepalives_idle={KEEPALIVE_IDLE_S} -c tcp_keepalives_interval={KEEPALIVE_INTERVAL_S} \
             -c tcp_keepalives_count={KEEPALIVE_COUNT}"
        );
        // Every statement finds its rows by key; what the planner guesses of sizes must not change that.
        let plans = "-c jit=off -c enable_seqscan=off -c enable_bitmapscan=off";
        config
            .options(format!(
                "{given}-c statement_timeout={} -c default_transaction_isolation=read\\ committed {plans} {keepalives}",
                STATEMENT_WAIT.0
            ))
            .connect_timeout(CONNECT_WAIT.duration())
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives(true)
            .keepalives_idle(std::time::Duration::from_secs(KEEPALIVE_IDLE_S))
            .keepalives_interval(std::time::Duration::from_secs(KEEPALIVE_INTERVAL_S))
            .keepalives_retries(KEEPALIVE_COUNT);
        if config.get_application_name().is_none() {
            config.application_name("hearth");
        }
        let name = name(&config);
        Ok(Self { config, name })
    }

    pub(super) async fn connect(&self) -> Step<Connected> {
        let connecting = timeout(CONNECT_WAIT.duration(), self.config.connect(NoTls)).await;
        let (client, connection) =
            connecting.map_err(|_| Failure::Lost(format!("no answer within {:?}", CONNECT_WAIT.duration())))??;
        let lost = Arc::new(SetOnce::new());
        tokio::spawn({
            let lost = lost.clone();
            async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = describe(&error), "a connection to the database ended");
                }
                // Nobody else sets it.
                let _ = lost.set(());
            }
        });
        Ok(Connected { client, lost })
    }
}

/// `user@host:port/database`.
fn name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(directory) => format!("{}:{port}", directory.display()),
        }
    });
    let user = config.get_user().map_or_else(String::new, |user| format!("{user}@"));
    let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    format!("{user}{}/{database}", hosts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_password() {
        let target = Target::parse("postgres://fred:s3cret@db.example.com:5433/hearth", None).expect("parses");
        assert_eq!(target.name, "fred@db.example.com:5433/hearth");
        let target = Target::parse("postgres://fred@%2Frun%2Fpostgresql/hearth", Some("s3cret")).expect("parses");
        assert_eq!(target.name, "fred@/run/postgresql:5432/hearth");
        assert_eq!(target.config.get_password(), Some(&b"s3cret"[..]));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        for url in ["mysql://host/db", "postgres:///db", "hearth", "postgres://host:port/db", "postgres://h/d?nosuch=1"]
        {
            let refused = Target::parse(url, None).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains("postgres://user@host/database")), "{url}");
        }
        let refused = Target::parse("postgres://u@host/db?sslmode=require", None).err();
        assert!(matches!(refused, Some(PostgresError::Tls)), "{refused:?}");
    }
}
