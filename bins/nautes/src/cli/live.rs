//! The commands about what happens on a server.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::offline::Show;
use super::{Output, duration};

/// `nautes events`.
#[derive(Debug, Args)]
#[command(after_help = EVENTS)]
pub struct Events {
    /// The product; every one that you may see when absent.
    #[arg(value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Only of these kinds; may be repeated, or separated by commas.
    #[arg(long, short = 'k', value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Only these: status, removed, run, deployment; may be repeated, or separated by commas.
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Ends after this time, for example 30s; without it, ctrl-C ends it.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub limit: Option<Duration>,
    /// How events are printed; JSON is an object a line.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

const EVENTS: &str = "\
It begins now: what was before is in nautes status and nautes audit. A connection that breaks off is taken up again
where it was.

Examples:
  nautes events shop
  nautes events --only run,deployment -o json | jq .";

/// `nautes runs`.
#[derive(Debug, Args)]
pub struct Runs {
    /// The pipeline runtime; all of the product when absent.
    #[arg(value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// How many are shown of each runtime, newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub limit: usize,
    /// How the runs are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

/// `nautes logs`.
#[derive(Debug, Args)]
#[command(after_help = LOGS)]
pub struct Logs {
    /// The pipeline runtime.
    #[arg(value_name = "RUNTIME")]
    pub runtime: String,
    /// The run; the newest when absent.
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// How many lines of each container, the last: 1 to 10000.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub lines: u32,
    /// How the logs are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const LOGS: &str = "\
Each container of each task, in the order in which they began. A cluster keeps logs as long as it keeps the pods of \
the run; the local platform runs none, and has no logs (code 4).

Examples:
  nautes logs web-builder -p shop              what the newest run has written
  nautes logs web-builder RUN -p shop --lines 50";

/// `nautes deployments`.
#[derive(Debug, Args)]
pub struct Deployments {
    /// The deployment runtime; all of the product when absent.
    #[arg(value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Ends with code 1 unless everything is deployed as it is wanted, and works.
    #[arg(long)]
    pub check: bool,
    /// How the deployments are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

/// `nautes audit`.
#[derive(Debug, Args)]
#[command(after_help = AUDIT)]
pub struct Audit {
    /// The product; the tenant and every product that you may see when absent.
    #[arg(value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Only changes that this user wanted: a name or an address.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only changes of this resource: KIND/NAME, or KIND/PRODUCT/NAME.
    #[arg(long, value_name = "KIND/NAME")]
    pub resource: Option<String>,
    /// Only changes since this time: 2026-01-31, or 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How many are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub limit: usize,
    /// How they are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const AUDIT: &str = "\
Every change is a commit, whoever has made it and however; this reads them.

Examples:
  nautes audit shop
  nautes audit --user alice --since 2026-01-31
  nautes audit shop --resource env/shop/live -o json";

/// `nautes rotate`.
#[derive(Debug, Args)]
#[command(after_help = ROTATE)]
pub struct Rotate {
    /// The code repositories.
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<String>,
    /// Every code repository of the product.
    #[arg(long)]
    pub all: bool,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Others may know them: the old ones end as soon as the new ones are in place, without the overlap, and whether or
    /// not every cluster has answered.
    #[arg(long)]
    pub revoke: bool,
    /// Replaces what was made before this instant (RFC 3339); now if it is not given.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub before: Option<String>,
    /// Shows what would be done and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

const ROTATE: &str = "\
The wish is an annotation of the manifests (nautes.resource.nautes.io/rotate-before or revoke-before), written in one \
commit: who asked, and when, is in the history. The controllers make new credentials, put them everywhere, hand them \
out, and end the old ones last; what is in place is in the status of each repository in the \
tenant cluster: kubectl get coderepoes -n product-PRODUCT NAME -o yaml.

Examples:
  nautes rotate web-source -p shop            a new deploy key, webhook token and access token, without a gap
  nautes rotate --all -p shop --revoke        a laptop with keys was stolen
  nautes rotate --all -p shop --before 2026-01-01T00:00:00Z

Exit codes: 0 the wish is committed, 1 with --dry-run something would change, 4 there is no such repository, 5 others \
were faster; the others as in nautes --help.";

fn instant(text: &str) -> Result<String, String> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    let read =
        read.map_err(|_| "write an instant as in RFC 3339, for example 2026-11-28T12:00:00Z".to_owned())?;
    Ok(read.to_string())
}
