//! The settings of the program: one table, from which come the flags, the names in the environment and in the file, what
//! is decided, `--print-config`, and `docs/reference/api-settings.md`.
//!
//! # Guarantees
//! * A flag wins over the environment, the environment over the file, the file over the default. It is decided once.
//! * Everything that is wrong is said at once, each with where it was set.
//! * What is printed holds no secret: what is one is masked, also within an address.

mod table;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use nautes_model::yaml;
use serde_json::Value;

pub use table::{Config, SETTINGS};

use nautes_vault::vault::told;

/// What a setting is where nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// This.
    Value(&'static str),
    /// Nothing, which is good as well.
    Nothing,
    /// Nothing can be done without it.
    Refused,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name as a flag.
    pub name: &'static str,
    /// Its name in the environment.
    pub env: &'static str,
    /// What stands for the value in the help.
    pub value: &'static str,
    /// What it is where nobody sets it.
    pub otherwise: Otherwise,
    /// What it does.
    pub description: &'static str,
    pub(crate) set: Set,
}

/// How a setting is set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set {
    /// One of the API.
    Own(fn(&mut Config, &str) -> Result<(), String>),
    /// One that every program has which talks to Vault.
    Vault(&'static told::Setting),
}

impl Setting {
    fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        match self.set {
            Set::Own(set) => set(config, text),
            Set::Vault(setting) => setting.set(&mut config.vault, text),
        }
    }

    /// Returns its name in the file: `tls-cert` is `tlsCert` there.
    #[must_use]
    pub fn key(&self) -> String {
        crate::legacy::camel(&self.name.replace('-', "_"))
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The file of this name.
    File(String),
    /// Nobody has set it.
    Default,
}

/// The settings, decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What they are.
    pub config: Config,
    /// The text of each, and where it comes from.
    pub texts: Vec<(&'static Setting, Option<String>, Source)>,
}

/// What is wrong with settings, all at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("\n"))
    }
}

/// Makes the command line.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new("nautes-api")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The HTTP API of Nautes")
        .long_about(
            "The HTTP API of Nautes.\n\nThe forge is at another address (--forge-url) or a local one, the secret store a Vault or \
             OpenBao (--vault-address) or a local one. What is local is kept in the data folder, which belongs to one process \
             at a time. Other forges and stores are given to the library (`nautes_api::serve`). For everything on one machine, controllers included, use `nautes local up`.\n\nA flag wins over the environment, \
             the environment over the file, the file over the default.",
        )
        .arg(
            Arg::new("config")
                .long("config")
                .env("NAUTES_API_CONFIG")
                .value_name("FILE")
                .help("A YAML file with settings"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Prints what is decided and where it comes from, with secrets masked, and ends"),
        )
        .arg(
            Arg::new("create-user")
                .long("create-user")
                .value_names(["NAME", "FILE"])
                .num_args(2)
                .help("Creates a user of the local forge who owns the tenant, writes his token to a new file, and ends"),
        );
    for setting in SETTINGS.iter() {
        let mut help = setting.description.to_owned();
        let _ = write!(help, " [env: {}]", setting.env);
        if let Otherwise::Value(default) = setting.otherwise {
            let _ = write!(help, " [default: {default}]");
        }
        command = command.arg(
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value)
                .help(help),
        );
    }
    command
}

/// Reads a file of settings: a map of texts, numbers, truths and lists of them.
///
/// # Errors
/// It is no such map, or a name in it is none of a setting.
pub fn read_file(name: &str, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let wrong = |what: String| ConfigError(vec![format!("{name}: {what}")]);
    let documents = yaml::documents(text, &yaml::DocumentLimits::default())
        .map_err(|problem| wrong(format!("it is no YAML: {problem}")))?;
    let map = match documents.as_slice() {
        [] | [Value::Null] => return Ok(BTreeMap::new()),
        [Value::Object(map)] => map,
        _ => return Err(wrong("it is not one map of settings".to_owned())),
    };
    let mut faults = Vec::new();
    let mut out = BTreeMap::new();
    for (key, value) in map {
        if !SETTINGS.iter().any(|setting| setting.key() == *key) {
            faults.push(format!("{name}: there is no setting {key}"));
            continue;
        }
        match text_of(value) {
            Some(text) => drop(out.insert(key.clone(), text)),
            None => faults.push(format!("{name}: {key} is neither a value nor a list of values")),
        }
    }
    if faults.is_empty() {
        Ok(out)
    } else {
        Err(ConfigError(faults))
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(all) => {
            let texts: Option<Vec<String>> = all.iter().map(text_of).collect();
            Some(texts?.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Decides.
///
/// # Errors
/// Values cannot be read, are missing, or do not go together: all of it, with where each was set.
pub fn decide(
    flags: &BTreeMap<String, String>,
    environment: &BTreeMap<String, String>,
    file: Option<(&str, &BTreeMap<String, String>)>,
) -> Result<Decided, ConfigError> {
    let mut decided = Decided {
        config: Config::default(),
        texts: Vec::new(),
    };
    let mut faults = Vec::new();
    for setting in SETTINGS.iter() {
        let from_file = || file.and_then(|(name, all)| Some((name, all.get(&setting.key())?)));
        let (text, source, place) = if let Some(text) = flags.get(setting.name) {
            (Some(text.clone()), Source::Flag, format!("--{}", setting.name))
        } else if let Some(text) = environment.get(setting.env) {
            (Some(text.clone()), Source::Environment, setting.env.to_owned())
        } else if let Some((name, text)) = from_file() {
            let place = format!("{name}: {}", setting.key());
            (Some(text.clone()), Source::File(name.to_owned()), place)
        } else {
            let place = format!("--{}", setting.name);
            let text = match setting.otherwise {
                Otherwise::Value(text) => Some(text.to_owned()),
                Otherwise::Nothing | Otherwise::Refused => None,
            };
            (text, Source::Default, place)
        };
        match &text {
            Some(text) => {
                if let Err(why) = setting.set(&mut decided.config, text) {
                    faults.push(format!("{place}: {:?} {why}", values::masked(text)));
                }
            }
            None if setting.otherwise == Otherwise::Refused => faults.push(format!(
                "--{} is not set (nor {}, nor {} in a file)",
                setting.name,
                setting.env,
                setting.key()
            )),
            None => {}
        }
        decided.texts.push((setting, text, source));
    }
    let tls = &decided.config;
    if tls.tls_cert.is_some() != tls.tls_key.is_some() {
        faults.push("tls-cert and tls-key go together: only one is set".to_owned());
    }
    if decided.config.forge_url.is_some() != decided.config.forge_token_file.is_some() {
        faults.push("forge-url and forge-token-file go together: only one is set".to_owned());
    }
    faults.extend(decided.config.vault.faults());
    if faults.is_empty() {
        Ok(decided)
    } else {
        Err(ConfigError(faults))
    }
}

impl Decided {
    /// Returns what was decided as a file that could be given, with where each value comes from.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut out = String::new();
        for (setting, text, source) in &self.texts {
            let source = match source {
                Source::Flag => "flag".to_owned(),
                Source::Environment => setting.env.to_owned(),
                Source::File(name) => name.clone(),
                Source::Default => "default".to_owned(),
            };
            let _ = match text {
                None => writeln!(out, "# {}: not set", setting.key()),
                Some(text) => {
                    // A text of JSON is one of YAML.
                    let text = Value::String(values::masked(text));
                    writeln!(out, "{}: {text} # {source}", setting.key())
                }
            };
        }
        out
    }
}

/// Returns the page of the documentation.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Settings of the API server\n\n\
         <!-- Written by a test from the table of settings (UPDATE=1); do not edit. -->\n\n\
         `nautes-api` takes each setting as a flag, from the environment, or from the YAML file that `--config` (or\n\
         `NAUTES_API_CONFIG`) names; the first of these that has it wins. `--print-config` prints what is decided and\n\
         where it comes from, with secrets masked, and ends. Lists are separated by commas, or lists in the file.\n\
         Durations read `90s`, `5m`, `1h 30m`; sizes `512KiB`, `32MiB` or bytes.\n\n\
         | flag | environment | file | default | |\n|---|---|---|---|---|\n",
    );
    for setting in SETTINGS.iter() {
        let default = match setting.otherwise {
            Otherwise::Value(default) => format!("`{default}`"),
            Otherwise::Refused => "must be set".to_owned(),
            Otherwise::Nothing => String::new(),
        };
        let _ = writeln!(
            page,
            "| `--{}` | `{}` | `{}` | {default} | {} |",
            setting.name,
            setting.env,
            setting.key(),
            setting.description
        );
    }
    page.push_str(
        "\n`--create-user NAME FILE` creates a user of the local forge who owns the tenant, writes his token to a new file, \
         and ends.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = map(&[("data", "/file"), ("listen", "127.0.0.1:1"), ("tenant", "file")]);
        let environment = map(&[
            ("NAUTES_API_LISTEN", "127.0.0.1:2"),
            ("NAUTES_TENANT", "environment"),
        ]);
        let flags = map(&[("tenant", "flag")]);
        let decided = decide(&flags, &environment, Some(("a.yaml", &file))).unwrap();
        let config = &decided.config;
        assert_eq!(config.data, std::path::PathBuf::from("/file"));
        assert_eq!(config.settings.listen.port(), 2);
        assert_eq!(config.tenant, "flag");
        assert_eq!(config.settings.deadline.as_secs(), 60, "the default");
        let shown = decided.shown();
        for line in [
            "data: \"/file\" # a.yaml",
            "listen: \"127.0.0.1:2\" # NAUTES_API_LISTEN",
            "tenant: \"flag\" # flag",
            "deadline: \"60s\" # default",
            "# tlsCert: not set",
        ] {
            assert!(
                shown.lines().any(|found| found == line),
                "{line} is not in\n{shown}"
            );
        }
        assert!(read_file("shown", &shown).is_ok(), "what is shown can be given");
    }

    #[test]
    fn the_defaults_of_the_program_are_those_of_the_library() {
        let decided = decide(&map(&[("data", "/d")]), &BTreeMap::new(), None).unwrap();
        let library = crate::settings::Settings::on("127.0.0.1:8000".parse().unwrap());
        assert_eq!(decided.config.serving(), library);
        assert_eq!(decided.config.watch, crate::WatchLimits::default());
    }

    #[test]
    fn every_limit_of_watching_can_be_set() {
        use std::time::Duration;
        let flags = map(&[
            ("data", "/d"),
            ("watch-kept", "1"),
            ("watch-waiting", "2"),
            ("watch-patience", "3s"),
            ("watch-per-caller", "4"),
        ]);
        let environment = map(&[
            ("NAUTES_API_WATCH_ALL", "5"),
            ("NAUTES_API_WATCH_HEARTBEAT", "6s"),
        ]);
        let file = read_file("a.yaml", "watchRecheck: 7s\nwatchLifetime: 8m\n").unwrap();
        let decided = decide(&flags, &environment, Some(("a.yaml", &file))).unwrap();
        let wanted = crate::WatchLimits {
            kept: 1,
            waiting: 2,
            patience: Duration::from_secs(3),
            per_caller: 4,
            all: 5,
            heartbeat: Duration::from_secs(6),
            recheck: Duration::from_secs(7),
            lifetime: Duration::from_secs(480),
        };
        assert_eq!(decided.config.watch, wanted);
        assert!(decided.shown().contains("watchLifetime: \"8m\" # a.yaml\n"));
        let nothing = map(&[("data", "/d"), ("watch-heartbeat", "0s"), ("watch-kept", "0")]);
        let ConfigError(faults) = decide(&nothing, &BTreeMap::new(), None).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:#?}");
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_place() {
        let file = map(&[("bodyLimit", "large"), ("corsOrigins", "https://a.example/path")]);
        let environment = map(&[("NAUTES_API_DEADLINE", "soon"), ("NAUTES_TLS_CERT", "a.pem")]);
        let flags = map(&[("listen", "here")]);
        let ConfigError(faults) = decide(&flags, &environment, Some(("a.yaml", &file))).unwrap_err();
        for (index, begin) in [
            "--listen: \"here\" ",
            "--data is not set (nor NAUTES_DATA, nor data in a file)",
            "a.yaml: bodyLimit: \"large\" ",
            "NAUTES_API_DEADLINE: \"soon\" ",
            "a.yaml: corsOrigins: ",
            "tls-cert and tls-key go together",
        ]
        .iter()
        .enumerate()
        {
            assert!(
                faults.iter().any(|fault| fault.starts_with(begin)),
                "{index}: {begin} is not among {faults:#?}"
            );
        }
        let unknown = read_file("b.yaml", "lisen: a\ndata: {a: b}\n").unwrap_err();
        assert_eq!(unknown.0.len(), 2, "{unknown}");
    }

    #[test]
    fn a_vault_is_set_like_everything_else() {
        let environment = map(&[
            ("NAUTES_VAULT_ADDRESS", "https://vault.example"),
            ("NAUTES_VAULT_ROLE", "nautes-api"),
        ]);
        let file = read_file("a.yaml", "vaultAttempts: 3\nvaultAdopt: true\n").unwrap();
        let flags = map(&[("data", "/d")]);
        let decided = decide(&flags, &environment, Some(("a.yaml", &file))).unwrap();
        assert!(decided.config.vault.is_some());
        let shown = decided.shown();
        for line in [
            "vaultAddress: \"https://vault.example\" # NAUTES_VAULT_ADDRESS",
            "vaultAttempts: \"3\" # a.yaml",
            "vaultLogin: \"kubernetes\" # default",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        let wrong = map(&[
            ("data", "/d"),
            ("vault-login", "jwt"),
            ("vault-address", "https://v"),
        ]);
        let ConfigError(faults) = decide(&wrong, &BTreeMap::new(), None).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:#?}");
        let idle = map(&[("data", "/d"), ("vault-ca-file", "ca.pem")]);
        assert!(decide(&idle, &BTreeMap::new(), None).is_err());
    }

    #[test]
    fn secrets_are_masked() {
        let flags = map(&[
            ("data", "/d"),
            (
                "webhook-url",
                "https://hook:canary-7d1c@hooks.example.org/in?token=canary-7d1c",
            ),
        ]);
        let shown = decide(&flags, &BTreeMap::new(), None).unwrap().shown();
        assert!(!shown.contains("canary-7d1c"), "{shown}");
        assert!(shown.contains("hooks.example.org"), "{shown}");
    }

    #[test]
    fn files_hold_values_and_lists() {
        let text = "listen: 127.0.0.1:9\nmetricsPublic: true\ncorsOrigins:\n- https://a.example\n- https://b.example\n";
        let read = read_file("a.yaml", text).unwrap();
        assert_eq!(read["corsOrigins"], "https://a.example,https://b.example");
        assert_eq!(read["metricsPublic"], "true");
        assert!(read_file("a.yaml", "").unwrap().is_empty());
        for bad in ["- a", "a: [", "a"] {
            assert!(read_file("a.yaml", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_table_has_no_clashes_and_the_command_line_is_sound() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in SETTINGS.iter() {
            assert!(seen.insert(setting.name), "{}", setting.name);
            assert!(seen.insert(setting.env), "{}", setting.env);
            assert!(setting.description.ends_with('.'), "{}", setting.name);
        }
        command().debug_assert();
    }
}
