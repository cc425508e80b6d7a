//! The command line as it is typed: one struct a command, and nothing decided yet.

pub mod contexts;
pub mod doctor;
pub mod live;
pub mod offline;
pub mod secrets;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Nautes: an internal developer platform driven by Git.
#[derive(Debug, Parser)]
#[command(name = "nautes", version, after_help = AFTER, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The options of every command.
    #[command(flatten)]
    pub global: Global,
}

const AFTER: &str = "\
Try it on this machine, with nothing to install:
  nautes local demo        the whole main process, start to end
  nautes local up          a platform to play with

Environment:
  NAUTES_SERVER (API_SERVER)   --server          NAUTES_TOKEN (GIT_TOKEN)   the forge token
  NAUTES_PRODUCT (PRODUCT)     --product         NAUTES_CA_FILE             --ca-file
  NAUTES_CONTEXT               --context         NAUTES_CONFIG              the file of contexts
  NAUTES_HOME                  the folder of `nautes local`
  NAUTES_OPENBAO               the program of OpenBao for `nautes local --secrets vault`
  NAUTES_DIGEST_KEY            the key of the digests by which `plan` shows secrets

Options win over the environment, and the environment over the context (nautes login, nautes context).

Exit codes: 0 all is well, 1 findings or differences, 2 usage, 3 denied, 4 not found, 5 conflict,
6 partly done (the same command again does the rest), 7 unavailable, 8 internal fault,
130 interrupted.";

/// The options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The address of the API.
    #[arg(long, short = 's', global = true, value_name = "URL", alias = "api-server")]
    pub server: Option<String>,
    /// The context: a server and the way to a token, as nautes login has made it. The current one when absent.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The forge token. A token on the command line is visible to others on the machine: prefer nautes login,
    /// NAUTES_TOKEN or --token-file.
    #[arg(
        long,
        short = 't',
        global = true,
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// A file that holds the forge token; - is standard input.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// A file with certificates (PEM) that the API's certificate may be signed by, besides the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    pub request_timeout: u64,
    /// Says more on stderr; twice says everything.
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validates, sorts and commits manifests: one commit for each repository that they touch.
    Apply(Apply),
    /// Removes what manifests declare, in reverse order: one commit for each repository.
    Remove(Apply),
    /// Shows resources.
    Get(Get),
    /// Removes one resource or several by name.
    Delete(Delete),
    /// Judges manifests offline: syntax, schema, references and rules.
    Validate(Validate),
    /// Rewrites manifests of older forms to the current one, keeping comments and order.
    Convert(Convert),
    /// Shows what would change: what manifests would do, or what is not yet as declared.
    Plan(Plan),
    /// Shows whether a product works, and why not.
    Status(Status),
    /// Tells what becomes of resources, runs and deployments, as it happens.
    Events(live::Events),
    /// Lists the runs of pipeline runtimes.
    Runs(live::Runs),
    /// Prints what a run has written.
    Logs(live::Logs),
    /// Shows what deployment runtimes have deployed, and what differs.
    Deployments(live::Deployments),
    /// Says who changed what, newest first.
    Audit(live::Audit),
    /// Writes a platform of any size, for whoever measures.
    #[command(hide = true)]
    Generate(crate::cmd::generate::Generate),
    /// Remembers a server and the way to a token, once the server has said whose it is.
    Login(contexts::Login),
    /// Forgets a token.
    Logout(contexts::Logout),
    /// Lists, shows, chooses or removes the servers that login remembers.
    Context(contexts::Contexts),
    /// Says who one is to the server, and where the token comes from.
    Whoami(contexts::Whoami),
    /// Says what stands in the way of a resource, and what to change.
    Why(offline::Why),
    /// Says what breaks when a resource goes, or when a change is made.
    Impact(offline::Impact),
    /// Says who may use which repository, and because of what.
    Access(offline::Access),
    /// Draws what needs what.
    Graph(offline::Graph),
    /// Says what a kind, a field or a rule is.
    Explain(offline::Explain),
    /// Writes the manifests that would describe a group of repositories that is on a forge already.
    Import(offline::Import),
    /// Writes a commented starter tree for a product, or for a tenant.
    Init(offline::Init),
    /// Prints the custom resource definitions.
    Crds(Crds),
    /// Asks for the credentials of code repositories to be replaced: deploy keys, webhook tokens, access tokens.
    Rotate(live::Rotate),
    /// Looks at what an installation stands on, and says what is wrong and what to do.
    Doctor(Box<doctor::Doctor>),
    /// Looks after the secret store.
    Secrets(Box<secrets::Secrets>),
    /// The whole platform on this machine.
    #[cfg(feature = "local")]
    Local(crate::local::cli::Local),
    /// Prints the version of this program, and of the API if there is one.
    Version,
    /// Prints a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where manifests come from.
#[derive(Clone, Debug, Args)]
pub struct Files {
    /// A file, a folder (searched for .yaml, .yml and .json), a pattern such as 'envs/*.yaml', or - for stdin.
    #[arg(long = "filename", short = 'f', value_name = "FILE", required = true)]
    pub filename: Vec<String>,
    /// The product of resources that name none.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
}

/// What an offline command looks at.
#[derive(Clone, Debug, Args)]
pub struct Inputs {
    /// A folder (the tree of a repository, several of them, or manifests in no order), a file, a pattern such as
    /// 'envs/*.yaml', - for stdin, or one of these at a revision: FOLDER@REVISION, FOLDER@REVISION:PATH, for example .@HEAD~1 or
    /// shop.git@main:envs. What comes later is laid over what came before. Without any, the current folder.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The same as INPUT; may be repeated.
    #[arg(long = "filename", short = 'f', value_name = "INPUT")]
    pub filename: Vec<String>,
    /// The product of resources that name none, and of a product's tree that does not say whose it is.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
}

impl Inputs {
    /// Returns everything that is named, else the current folder.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let named: Vec<String> = self.inputs.iter().chain(&self.filename).cloned().collect();
        if named.is_empty() {
            vec![".".to_owned()]
        } else {
            named
        }
    }
}

/// `nautes apply`, `nautes remove`.
#[derive(Debug, Args)]
#[command(after_help = APPLY)]
pub struct Apply {
    /// Where manifests come from.
    #[command(flatten)]
    pub files: Files,
    /// Shows what would be done and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Accepts broken rules, so that related resources can come later; the commit says which were skipped.
    /// Syntax, schema, rights and secrets are checked all the same.
    #[arg(long, short = 'i')]
    pub insecure_skip_check: bool,
    /// Shows what would be done and asks on the terminal; then exactly that is done, or nothing.
    #[arg(long, conflicts_with_all = ["dry_run", "plan"])]
    pub confirm: bool,
    /// Does exactly what a kept plan of the same manifests says (nautes plan -f .. --out FILE), or nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub plan: Option<PathBuf>,
    /// Waits until the resources are ready (or gone), and says on stderr what becomes of each.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, for example 90s or 5m. What is not ready then ends with code 1.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub timeout: std::time::Duration,
    /// How the result is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

const APPLY: &str = "\
With --wait the server tells what becomes of the resources. A connection that breaks off is taken up again where it \
was; a server that does not let watch is asked twice a second instead. On a terminal the list of what is still open is \
drawn anew; elsewhere each change is a line on stderr.

Exit codes: 0 it is done (with --wait: and ready, or gone), 1 refused by rules, or with --wait failed or not there in \
time, or with --dry-run something would change, 5 others were faster or still need it, 6 some repositories could not be \
written, 7 the server does not answer, 130 ctrl-C; the others as in nautes --help.

Examples:
  nautes apply -f shop.yaml --wait            declares, and waits until everything is ready
  nautes apply -f shop --confirm              shows the plan first and asks
  nautes plan -f shop --out plan.json && nautes apply -f shop --plan plan.json
                                              does what was looked at, or nothing (code 5) if it would be something else
  nautes remove -f shop.yaml --wait --timeout 10m

Ctrl-C while waiting (code 130) stops the waiting only: what is committed stays, and the same command again waits on.";

/// `nautes get`.
#[derive(Debug, Args)]
pub struct Get {
    /// A kind (cluster, product, env, ...), KIND/NAME, or KIND followed by names.
    #[arg(required = true, value_name = "KIND[/NAME]")]
    pub what: Vec<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Only resources whose fields match, for example cluster_type=virtual,usage=worker.
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// How the result is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `nautes delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// A kind followed by names, or KIND/NAME.
    #[arg(required = true, value_name = "KIND[/NAME]")]
    pub what: Vec<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Shows what would be done and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Accepts that others still refer to it; the commit says so.
    #[arg(long, short = 'i')]
    pub insecure_skip_check: bool,
    /// Does not ask. Without a terminal nothing is asked either.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `nautes validate`.
#[derive(Debug, Args)]
#[command(after_help = VALIDATE)]
pub struct Validate {
    /// What is judged.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How findings are printed.
    #[arg(long, short = 'o', value_enum, default_value_t = ReportFormat::Text)]
    pub output: ReportFormat,
    /// Judges only what differs from where the work tree parted from this revision. What was wrong before and elsewhere
    /// is shown and does not count.
    #[arg(long, value_name = "REVISION")]
    pub changed_since: Option<String>,
    /// A file with rules of the organisation to judge by as well, beside those of the tenant. The rules are tried on
    /// their own examples. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Ends with code 1 for warnings too.
    #[arg(long)]
    pub deny_warnings: bool,
    /// How many findings are shown, errors first; 0 for all. Text shows 100 unless told, other forms show all.
    #[arg(long, value_name = "NUMBER")]
    pub max_findings: Option<usize>,
    /// Mends in the files what can be mended by an edit that is certain, and judges what is left. Comments and order
    /// stay. All files are written, or none.
    #[arg(long, conflicts_with = "diff")]
    pub fix: bool,
    /// Shows what --fix would change as a difference (diff -u), without secrets, instead of findings; changes nothing.
    #[arg(long, conflicts_with = "output")]
    pub diff: bool,
}

const VALIDATE: &str = "\
Examples:
  nautes validate                              the tree in the current folder
  nautes validate tenant shop/default.project  a tenant and a product together
  nautes validate .@main envs/dev.yaml         what main would be with this file
  nautes validate --changed-since origin/main  what this branch adds
  nautes validate --rules our-rules.yaml       by rules of one's own, too
  nautes validate -o sarif > nautes.sarif      for code scanning
  nautes validate --diff                       what can be mended
  nautes validate --fix                        mend it
  kubectl get environments -A -o yaml | nautes validate -

Exit codes: 0 no errors, 1 errors (or warnings, with --deny-warnings), 2 something cannot be read.";

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: each with the lines that it is about.
    #[value(alias = "table")]
    Text,
    /// Everything, as JSON.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for the test reports of CI systems.
    Junit,
    /// Workflow commands of GitHub Actions.
    Github,
    /// The code quality report of GitLab.
    Gitlab,
}

/// `nautes convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// Where manifests come from.
    #[command(flatten)]
    pub files: Files,
    /// Changes the files in place, all or none: nothing is written while any of them has an error. Without it, the
    /// text of one file goes to standard output.
    #[arg(long, short = 'w', conflicts_with_all = ["check", "diff"])]
    pub write: bool,
    /// Writes the files that can be converted although others cannot (with --write); the exit code is 1 all the same.
    #[arg(long, requires = "write", conflicts_with_all = ["check", "diff"])]
    pub keep_going: bool,
    /// Shows what would change as a difference (diff -u), without secrets.
    #[arg(long)]
    pub diff: bool,
    /// Changes nothing and ends with code 1 if something would change; names the files.
    #[arg(long)]
    pub check: bool,
}

/// `nautes plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN, group = clap::ArgGroup::new("planned").args(["from", "filename"]).multiple(true))]
pub struct Plan {
    /// The product; every one that you may see when absent.
    #[arg(value_name = "PRODUCT", conflicts_with = "product")]
    pub only: Option<String>,
    /// What manifests would do, as the server sees it; without it, what is not yet as declared.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    pub filename: Vec<String>,
    /// The tree that is left: plans from tree to tree, without a server. A folder, a file, or one of these at a
    /// revision (FOLDER@REVISION); may be repeated, what comes later is laid over what came before. With --live, a
    /// branch, a tag or a commit of the product's repository.
    #[arg(long, value_name = "TREE", conflicts_with = "filename")]
    pub from: Vec<String>,
    /// The tree that is to be; may be repeated. The current folder when absent. With --live, a revision; what is declared
    /// now when absent.
    #[arg(long, value_name = "TREE", requires = "from")]
    pub to: Vec<String>,
    /// Asks the server for the plan between two revisions of a product, instead of reading trees. A server that is named
    /// with --server or --context is asked without it.
    #[arg(long, requires = "from")]
    pub live: bool,
    /// Keeps the plan in a file as well, as JSON with the revisions and a hash. With manifests (-f), nautes apply --plan
    /// does exactly that.
    #[arg(long, value_name = "FILE", requires = "planned")]
    pub out: Option<PathBuf>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// How the plan is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

const PLAN: &str = "\
The exit code is 1 when there are changes, and 0 when there are none.

Examples:
  nautes plan                                      what is not yet as declared
  nautes plan shop                                 the same, of one product
  nautes plan -f new-env.yaml                      what manifests would do
  nautes plan -f shop --out plan.json              keeps the plan, for nautes apply --plan
  nautes plan --from platform --to platform-new    from tree to tree, without a server
  nautes plan --from .@main --to . --out plan.json what a branch changes; keeps the plan
  nautes plan shop --live --from v1 --to main      from revision to revision, as the server has them";

/// `nautes crds`.
#[derive(Debug, Args)]
pub struct Crds {
    /// Prints, too, what makes the tenant cluster ask the admission webhook at this address.
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// The certificate of the authority that signed the webhook's, PEM.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub webhook_ca: Option<PathBuf>,
}

/// `nautes status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The product; every one that you may see when absent.
    #[arg(value_name = "PRODUCT")]
    pub product: Option<String>,
    /// How the status is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Ends with code 1 unless everything is ready.
    #[arg(long)]
    pub check: bool,
    /// Goes on, and shows what changes until ctrl-C: the tree anew on a terminal, a line for each change elsewhere, with
    /// -o json an object for each.
    #[arg(long, short = 'w', conflicts_with = "check")]
    pub watch: bool,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For people, with more columns.
    Wide,
    /// As YAML that can be applied again where it shows resources.
    Yaml,
    /// As JSON.
    Json,
    /// As KIND/NAME, a line each.
    Name,
}

/// Reads `90s`, `5m`, `1h` or a number of seconds.
///
/// # Errors
/// Says what is accepted.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 90s, 5m or 1h");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.map(std::time::Duration::from_secs).ok_or_else(wrong)
}
