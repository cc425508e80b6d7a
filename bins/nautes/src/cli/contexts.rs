//! The commands about servers and tokens.

use clap::{ArgGroup, Args, Subcommand};

use super::offline::Show;

/// `nautes login`.
#[derive(Debug, Args)]
#[command(after_help = LOGIN, group = ArgGroup::new("source").multiple(false))]
pub struct Login {
    /// The address of the API; that of the context when absent.
    #[arg(value_name = "SERVER")]
    pub server: Option<String>,
    /// Takes the token from this variable of the environment, now and later.
    #[arg(
        long,
        value_name = "VARIABLE",
        group = "source",
        conflicts_with = "token_file"
    )]
    pub token_env: Option<String>,
    /// Takes the token from this command, now and later. It is run without a shell, and prints the token or JSON.
    #[arg(long, value_name = "COMMAND", group = "source", conflicts_with = "token_file")]
    pub credential_helper: Option<String>,
    /// Takes the token from git's credentials, now and later: those for the server, or for another address such as
    /// that of the forge.
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        group = "source",
        conflicts_with = "token_file"
    )]
    pub git_credentials: Option<String>,
    /// Sends the token without encryption, to a server that is not on this machine.
    #[arg(long)]
    pub plain_http: bool,
}

const LOGIN: &str = "\
Without an option that says where the token is, it is asked for on the terminal, or read from standard input; then it
is kept in a file that its owner alone can read. Otherwise only the way to the token is remembered. The context is
named after the server unless --context names it, and becomes the current one.

Examples:
  nautes login https://nautes.example.org                     asks for the token
  nautes login https://nautes.example.org < token             keeps what is in the file
  nautes login https://nautes.example.org --token-file token  reads the file each time
  nautes login https://nautes.example.org --credential-helper 'pass show nautes'
  nautes login https://nautes.example.org --git-credentials=https://git.example.org
  nautes login --context work --ca-file ca.pem https://nautes.example.org";

/// `nautes logout`.
#[derive(Debug, Args)]
pub struct Logout {
    /// The context; the current one when absent.
    #[arg(value_name = "CONTEXT")]
    pub name: Option<String>,
    /// Forgets the tokens of all contexts.
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
}

/// `nautes context`.
#[derive(Debug, Args)]
pub struct Contexts {
    /// What to do; lists when absent.
    #[command(subcommand)]
    pub command: Option<ContextCommand>,
}

/// What to do with contexts.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Lists all.
    List {
        /// How the list is printed.
        #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
        output: Show,
    },
    /// Makes one the current one.
    Use {
        /// Its name.
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
    /// Shows which server and token a command would use now, or those of a context. The token itself is not shown.
    Show {
        /// Its name.
        #[arg(value_name = "CONTEXT")]
        name: Option<String>,
        /// How it is printed.
        #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
        output: Show,
    },
    /// Removes one, and forgets its token.
    Remove {
        /// Its name.
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
}

/// `nautes whoami`.
#[derive(Debug, Args)]
pub struct Whoami {
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}
