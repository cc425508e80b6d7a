//! The command line of `nautes local`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `nautes local`.
#[derive(Debug, Args)]
pub struct Local {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the whole platform in this process; ctrl-C stops it, and it comes back as it was.
    Up(Up),
    /// Prints shell exports, so that nautes, git and kubectl in this terminal just work: eval "$(nautes local env)"
    Env(Env),
    /// Prints the kubeconfig of a cluster: tenant, host, pipelines, staging or live.
    Kubeconfig(Kubeconfig),
    /// Stops the platform that runs on the data folder.
    Down(Folder),
    /// Deletes the data folder.
    Reset(Reset),
    /// Walks through the whole main process, start to end, and observes every step.
    Demo(Demo),
}

/// Where the platform lives.
#[derive(Clone, Debug, Args)]
pub struct Folder {
    /// The data folder; by default the folder `local` in NAUTES_HOME (~/.local/share/nautes).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Where secrets are kept.
#[derive(Clone, Debug, Args)]
pub struct Keeping {
    /// Where secrets are kept; by default as the last time, at first in an encrypted file.
    #[arg(long, value_enum, value_name = "STORE")]
    pub secrets: Option<super::secrets::Kind>,
    /// The program of OpenBao (bao), also by NAUTES_OPENBAO; by default the one on the PATH.
    #[arg(long, value_name = "FILE")]
    pub openbao: Option<PathBuf>,
}

/// `nautes local up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Where the platform lives.
    #[command(flatten)]
    pub folder: Folder,
    /// The first of ten ports in a row; by default those of the last time, at first any free ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=65000))]
    pub port_base: Option<u16>,
    /// Where secrets are kept.
    #[command(flatten)]
    pub keeping: Keeping,
    /// Registers the clusters too, as the administrator would.
    #[arg(long)]
    pub register: bool,
}

/// `nautes local env`.
#[derive(Debug, Args)]
pub struct Env {
    /// Where the platform lives.
    #[command(flatten)]
    pub folder: Folder,
    /// As whom: admin, alice or bob.
    #[arg(long, value_name = "NAME", default_value = super::forge::ADMIN)]
    pub user: String,
    /// For which cluster KUBECONFIG is.
    #[arg(long, value_name = "CLUSTER", default_value = super::clusters::TENANT)]
    pub cluster: String,
    /// For which shell.
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    pub shell: Shell,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// sh, bash, zsh.
    Sh,
    /// fish.
    Fish,
}

/// `nautes local kubeconfig`.
#[derive(Debug, Args)]
pub struct Kubeconfig {
    /// The cluster: tenant, host, pipelines, staging or live.
    pub cluster: String,
    /// Where the platform lives.
    #[command(flatten)]
    pub folder: Folder,
}

/// `nautes local reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// Where the platform lives.
    #[command(flatten)]
    pub folder: Folder,
    /// Does not ask. Without a terminal nothing is asked either.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `nautes local demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Uses the platform that runs on the data folder instead of a temporary one of its own.
    #[arg(long, conflicts_with_all = ["secrets", "openbao"])]
    pub attach: bool,
    /// Where that platform lives.
    #[command(flatten)]
    pub folder: Folder,
    /// Where secrets of the temporary platform are kept.
    #[command(flatten)]
    pub keeping: Keeping,
    /// How the steps are told.
    #[arg(long, short = 'o', value_enum, default_value_t = Form::Text)]
    pub output: Form,
}

/// How the demo tells its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}
