//! What the programs are told: the settings of nautes-api and nautes-controller, taken from where they take them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use nautes_api::config::{self, Config, Otherwise, SETTINGS, Setting};

use crate::exit::Failure;

/// The settings that are looked at; the others are for serving.
const NAMES: &[&str] = &[
    "data",
    "forge-type",
    "forge-url",
    "forge-name",
    "forge-token-file",
    "forge-ca-file",
    "forge-proxy",
    "forge-loopback",
    "kubeconfig",
    "tenant-repo",
    "webhook-url",
];

fn settings() -> impl Iterator<Item = &'static Setting> {
    let is_asked = |setting: &&Setting| NAMES.contains(&setting.name) || setting.name.starts_with("vault-");
    SETTINGS.iter().filter(is_asked)
}

/// The settings as they are typed, or in the environment.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    file: Option<PathBuf>,
    flags: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl Args for Flags {
    fn augment_args(mut command: Command) -> Command {
        command = command.arg(
            Arg::new("config")
                .long("config")
                .env("NAUTES_API_CONFIG")
                .hide_env_values(true)
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The file with the settings of nautes-api (YAML)"),
        );
        for setting in settings() {
            let mut help = match setting.name {
                "data" => "The data folder of nautes-api or of `nautes local`.".to_owned(),
                _ => setting.description.to_owned(),
            };
            // Markup is for the pages of the reference.
            help = help.replace('`', "").trim_end_matches('.').to_owned();
            if let Otherwise::Value(default) = setting.otherwise {
                help.push_str(&format!(" [default: {default}]"));
            }
            let mut arg = Arg::new(setting.name)
                .long(setting.name)
                .env(setting.env)
                .hide_env_values(true)
                .value_name(setting.value)
                .help(help);
            if setting.value == "BOOL" {
                // nautes-controller takes the flag alone.
                arg = arg.num_args(0..=1).default_missing_value("true");
            }
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut found = Self {
            file: matches.get_one::<PathBuf>("config").cloned(),
            ..Self::default()
        };
        for setting in settings() {
            let text = matches.get_one::<String>(setting.name);
            // What is set to nothing is not set.
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                continue;
            };
            match matches.value_source(setting.name) {
                Some(ValueSource::EnvVariable) => {
                    found.environment.insert(setting.env.to_owned(), text.clone())
                }
                _ => found.flags.insert(setting.name.to_owned(), text.clone()),
            };
        }
        Ok(found)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The settings, decided.
#[derive(Clone, Debug)]
pub struct Told {
    /// What they are.
    pub config: Config,
    /// The names of those that somebody has set.
    said: BTreeSet<&'static str>,
}

impl Told {
    /// Decides as nautes-api does.
    ///
    /// # Errors
    /// The file cannot be read, or values cannot be used: all that is wrong, with where it was set.
    pub fn decide(flags: &Flags) -> Result<Self, Failure> {
        let file = match &flags.file {
            Some(file) => {
                let name = file.display().to_string();
                let text = std::fs::read_to_string(file)
                    .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
                let read = config::read_file(&name, &text).map_err(|e| Failure::usage(e.to_string()))?;
                Some((name, read))
            }
            None => None,
        };
        let mut given = flags.flags.clone();
        let has_data = given.contains_key("data")
            || flags.environment.contains_key("NAUTES_DATA")
            || file.as_ref().is_some_and(|(_, file)| file.contains_key("data"));
        if !has_data {
            // nautes-api has to have one; whoever asks for the forge has not.
            given.insert("data".to_owned(), String::new());
        }
        let file = file.as_ref().map(|(name, file)| (name.as_str(), file));
        let decided = config::decide(&given, &flags.environment, file);
        let decided = decided.map_err(|error| Failure::usage(error.to_string()))?;
        let said = decided.texts.iter().filter(|(setting, text, source)| {
            *source != config::Source::Default && (setting.name != "data" || text.as_deref() != Some(""))
        });
        Ok(Self {
            said: said.map(|(setting, ..)| setting.name).collect(),
            config: decided.config,
        })
    }

    /// Whether somebody has set something.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.said.contains(name)
    }

    /// Whether a server, a store or a cluster is named.
    #[must_use]
    pub fn is_some(&self) -> bool {
        ["forge-url", "vault-address", "kubeconfig", "webhook-url"]
            .iter()
            .any(|name| self.says(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Flags {
        let command = Flags::augment_args(Command::new("doctor"));
        let matches = command
            .try_get_matches_from([&["doctor"], words].concat())
            .unwrap();
        Flags::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn settings_come_from_flags_and_from_the_file_of_the_api() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("api.yaml");
        std::fs::write(
            &file,
            "forgeUrl: https://file\nforgeTokenFile: t\nvaultAdopt: true\n",
        )
        .unwrap();
        let flags = parse(&[
            "--config",
            file.to_str().unwrap(),
            "--forge-url",
            "https://flag",
            "--forge-loopback",
        ]);
        let told = Told::decide(&flags).unwrap();
        assert_eq!(told.config.forge_url.as_ref().unwrap().as_str(), "https://flag/");
        assert!(told.config.forge_loopback && told.says("forge-token-file") && told.is_some());
        assert!(!told.says("webhook-url") && !told.says("data"), "{:?}", told.said);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let flags = parse(&[
            "--forge-url",
            "nowhere",
            "--vault-role",
            "r",
            "--tenant-repo",
            "x",
        ]);
        let failure = Told::decide(&flags).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        for part in ["--forge-url", "vault-role without vault-address", "--tenant-repo"] {
            assert!(failure.message.contains(part), "{part}: {}", failure.message);
        }
    }
}
