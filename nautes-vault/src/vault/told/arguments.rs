//! The settings as a group of arguments.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::{SETTINGS, Told};

impl Args for Told {
    fn augment_args(mut command: Command) -> Command {
        for setting in SETTINGS {
            let mut arg = Arg::new(setting.name)
                .long(setting.name)
                .env(setting.env)
                .hide_env_values(true)
                .value_name(setting.value)
                // Markup is for the pages of the reference.
                .help(
                    setting
                        .description
                        .replace('`', "")
                        .trim_end_matches('.')
                        .to_owned(),
                );
            if let Some(default) = setting.default {
                arg = arg.default_value(default);
            }
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Told {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut told = Self::default();
        let mut faults = Vec::new();
        for setting in SETTINGS {
            // What is set to nothing is not set.
            let text = matches.get_one::<String>(setting.name);
            let text = text.map(String::as_str).filter(|text| !text.is_empty());
            if let Some(text) = text.or(setting.default)
                && let Err(why) = setting.set(&mut told, text)
            {
                faults.push(format!("--{} ({}) {why}", setting.name, setting.env));
            }
        }
        if faults.is_empty() {
            faults = told.faults();
        }
        if faults.is_empty() {
            return Ok(told);
        }
        let text = format!("{}\n", faults.join("\n"));
        Err(Error::raw(ErrorKind::ValueValidation, text))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
