//! Where version managers keep what they have installed. A table; looking there is elsewhere.

use crate::runtimes::Language;

/// A directory in which a version manager keeps versions, each in a directory whose name begins with `version`.
pub(super) struct Managed {
    pub(super) variable: &'static str,
    /// Where it is below the home directory when the variable says nothing.
    pub(super) home: &'static str,
    pub(super) versions: &'static str,
    pub(super) version: String,
    /// Within a version's directory.
    pub(super) folder: &'static str,
}

/// Those that keep versions of a language.
pub(super) fn managed(language: Language) -> Vec<Managed> {
    let at = |variable, home, versions, version: String| Managed { variable, home, versions, version, folder: "" };
    let everywhere = |name: &'static [&'static str; 2], version: &str| {
        [
            at("ASDF_DATA_DIR", ".asdf", name[0], version.to_owned()),
            at("MISE_DATA_DIR", ".local/share/mise", name[1], version.to_owned()),
        ]
    };
    let version = language.version();
    match language {
        Language::Python { .. } => [
            at("PYENV_ROOT", ".pyenv", "versions", format!("{version}.")),
            at("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", "", format!("cpython-{version}.")),
        ]
        .into_iter()
        .chain(everywhere(&["installs/python", "installs/python"], &format!("{version}.")))
        .collect(),
        Language::Node { .. } => [
            at("NVM_DIR", ".nvm", "versions/node", format!("v{version}.")),
            Managed {
                folder: "installation",
                ..at("FNM_DIR", ".local/share/fnm", "node-versions", format!("v{version}."))
            },
        ]
        .into_iter()
        .chain(everywhere(&["installs/nodejs", "installs/node"], &format!("{version}.")))
        .collect(),
        Language::Ruby { .. } => [
            at("RBENV_ROOT", ".rbenv", "versions", format!("{version}.")),
            at("rvm_path", ".rvm", "rubies", format!("ruby-{version}.")),
        ]
        .into_iter()
        .chain(everywhere(&["installs/ruby", "installs/ruby"], &format!("{version}.")))
        .collect(),
        // Their versions begin with who built them.
        Language::Java { .. } => std::iter::once(at("SDKMAN_DIR", ".sdkman", "candidates/java", String::new()))
            .chain(everywhere(&["installs/java", "installs/java"], ""))
            .collect(),
        Language::Dotnet { .. } => everywhere(&["installs/dotnet-core", "installs/dotnet"], "").into(),
    }
}
