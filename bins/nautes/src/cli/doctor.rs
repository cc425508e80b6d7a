//! `nautes doctor`.

use std::time::Duration;

use clap::Args;

use super::duration;
use super::offline::Show;
use crate::doctor::told::Flags;

/// `nautes doctor`.
#[derive(Debug, Args)]
#[command(after_help = DOCTOR)]
pub struct Doctor {
    /// Shows what is good and what could not be looked at as well.
    #[arg(long)]
    pub all: bool,
    /// How the result is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
    /// How long one answer may take, for example 20s.
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    pub limit: Duration,
    /// The branch that counts in repositories with manifests.
    #[arg(
        long,
        env = "NAUTES_BRANCH",
        hide_env_values = true,
        value_name = "NAME",
        default_value = "main"
    )]
    pub branch: String,
    /// The namespace of the tenant cluster for the tenant's resources.
    #[arg(
        long,
        env = "NAUTES_NAMESPACE",
        hide_env_values = true,
        value_name = "NAME",
        default_value = "nautes"
    )]
    pub namespace: String,
    /// The settings of nautes-api and nautes-controller.
    #[command(flatten)]
    pub told: Flags,
}

const DOCTOR: &str = "\
Looks at what an installation stands on, and changes nothing: the API of the context, the forge with token, groups, branches \
and hooks, the secret store with state and policies, the tenant cluster and the clusters that the tenant declares, and the platform \
on this machine. What is not named is not looked at. It takes the same flags, variables and file as nautes-api and \
nautes-controller, so that it is run where they run. docs/guide/doctor.md lists every check.

Exit codes: 0 there are no findings, or notes only, 1 there are errors or warnings, 2 a setting cannot be used; the others as in \
nautes --help.

Examples:
  nautes doctor                            the API of the context, and the platform on this machine
  nautes doctor --config /etc/nautes/api.yaml --all
  nautes doctor --forge-url https://gitlab.example.com --forge-token-file token -o json";
