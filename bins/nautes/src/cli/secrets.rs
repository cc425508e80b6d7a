//! `nautes secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use nautes_vault::vault::told::Told;

/// `nautes secrets`.
#[derive(Debug, Args)]
pub struct Secrets {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copies the local secret store into Vault: the newest version of every secret, and all grants.
    Migrate(Box<Migrate>),
    /// Gives the local secret store a new master key.
    Rekey(Rekey),
}

/// `nautes secrets rekey`.
#[derive(Debug, Args)]
#[command(after_help = REKEY)]
pub struct Rekey {
    /// The data folder of nautes-api or of `nautes local`, with store.redb and store.key in it.
    #[arg(long, value_name = "DIR", required_unless_present = "store_file")]
    pub data: Option<PathBuf>,
    /// The file of the local secret store.
    #[arg(
        long,
        env = "NAUTES_STORE_FILE",
        hide_env_values = true,
        value_name = "FILE",
        conflicts_with = "data",
        requires = "store_key_file"
    )]
    pub store_file: Option<PathBuf>,
    /// The file with its key. It gets the new one.
    #[arg(
        long,
        env = "NAUTES_STORE_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE",
        conflicts_with = "data"
    )]
    pub store_key_file: Option<PathBuf>,
}

const REKEY: &str = "\
The secrets stay as they are. The new key is in a file beside the old one (.next) before the store is changed, so that after
an interruption the same command finishes. The store is one process's at a time: stop nautes-api, nautes-controller or
nautes local first. Whoever has an older copy of the file and its key can still read that copy: where that is to be feared,
replace the secrets, too (nautes rotate).

Exit codes: 0 it has a new key, 1 the store or its key cannot be used, 5 another process has the store; the others as in
nautes --help.";

/// `nautes secrets migrate`.
#[derive(Debug, Args)]
#[command(after_help = MIGRATE)]
pub struct Migrate {
    /// The data folder of nautes-api or of `nautes local`, with store.redb and store.key in it.
    #[arg(long, value_name = "DIR", required_unless_present = "store_file")]
    pub data: Option<PathBuf>,
    /// The file of the local secret store.
    #[arg(
        long,
        env = "NAUTES_STORE_FILE",
        hide_env_values = true,
        value_name = "FILE",
        conflicts_with = "data"
    )]
    pub store_file: Option<PathBuf>,
    /// The file with its key, if the key is not in NAUTES_STORE_KEY.
    #[arg(
        long,
        env = "NAUTES_STORE_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE",
        conflicts_with = "data"
    )]
    pub store_key_file: Option<PathBuf>,
    /// Shows what would be copied and writes nothing; ends with code 1 if something would be.
    #[arg(long)]
    pub dry_run: bool,
    /// Replaces secrets that Vault has with other values; what it had stays as the version before. Without it they are
    /// named and kept, and the code is 1.
    #[arg(long)]
    pub replace: bool,
    /// How the result is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Form::Text)]
    pub output: Form,
    /// Where to.
    #[command(flatten)]
    pub vault: Told,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// As JSON.
    Json,
}

const MIGRATE: &str = "\
Nothing is removed anywhere, every secret is read back and compared, and no value is printed. It can be repeated: what is
there already is left alone, so that after an interruption the same command goes on. The store is one process's at a
time: stop nautes-api and nautes-controller first, and start them with --vault-address afterwards.

Exit codes: 0 Vault has everything, 1 with --dry-run something would be copied, or Vault keeps other values, 2 a setting
cannot be used, 5 another process has the store, 7 Vault does not answer; the others as in nautes --help.

Examples:
  nautes secrets migrate --data /var/lib/nautes --vault-address https://vault:8200 --vault-login token-file \\
      --vault-login-file token --dry-run
  nautes secrets migrate --store-file store.redb --store-key-file store.key   Vault as in NAUTES_VAULT_ADDRESS, ...";
