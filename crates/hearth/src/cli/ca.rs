//! `hearth ca`: the certificate that clients trust to reach the server over HTTPS, and how each is told to.

use std::path::PathBuf;
use std::process::ExitCode;

use hearth_store::DataDir;
use hearth_tls::{Authority, AuthorityError};
use hearth_types::{Clock as _, OsRandom, SystemClock};

use super::Failure;
use crate::config;

#[derive(clap::Args)]
#[command(
    after_help = "HTTPS is served on the same port as HTTP, by a certificate authority that the server made for itself and \
                  whose key never leaves its data directory.\n\n  \
                  hearth ca                                          # where the certificate is, and how to trust it\n  \
                  hearth ca --print > hearth-ca.pem                  # the certificate itself\n  \
                  curl --cacert hearth-ca.pem https://localhost:4566/_hearth/health\n\n\
                  A running server hands it out, too: http://127.0.0.1:4566/_hearth/ca.pem"
)]
pub(super) struct Args {
    /// Print the certificate (PEM) and nothing else
    #[arg(long)]
    print: bool,

    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let data = args.data.clone().or_else(config::default_data_directory);
    let data = data.ok_or_else(|| Failure::new("cannot tell where the data is: give --data DIR"))?;
    if !data.is_dir() {
        return Err(Failure::new(format!(
            "there is no data in {}: start the server once with `hearth up`, or give --data DIR",
            data.display()
        )));
    }
    let authority = Authority::open(&DataDir::tls_of(&data), SystemClock.now_ms(), &OsRandom);
    let authority = authority.map_err(|error| match error {
        AuthorityError::Io { path, error } if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::new(format!(
                "{}: {error}; run it as the server's user (sudo hearth ca), or ask the server: curl http://127.0.0.1:4566/_hearth/ca.pem",
                path.display()
            ))
        }
        other => Failure::new(other.to_string()),
    })?;
    if args.print {
        print!("{}", authority.pem());
    } else {
        print!("{}", told(&authority));
    }
    Ok(ExitCode::SUCCESS)
}

fn told(authority: &Authority) -> String {
    let path = authority.path().display();
    format!(
        "Certificate of this server's own authority:
  {path}
  SHA-256 {fingerprint}

Whoever trusts it can use https://localhost:4566, and function URLs with https://:
  curl              curl --cacert {path} https://localhost:4566/_hearth/health
  AWS CLI, boto3    export AWS_CA_BUNDLE={path}
  Node.js           export NODE_EXTRA_CA_CERTS={path}
  Python requests   export REQUESTS_CA_BUNDLE={path}
  Debian, Ubuntu    sudo cp {path} /usr/local/share/ca-certificates/hearth.crt && sudo update-ca-certificates
  Fedora, RHEL      sudo trust anchor {path}
",
        fingerprint = authority.fingerprint()
    )
}
