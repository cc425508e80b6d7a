//! The commands that need files and no server, and what they have in common.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use nautes_gitops::host::ForgeType;
use reqwest::Url;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// For people.
    #[value(alias = "table")]
    Text,
    /// As JSON.
    Json,
    /// As YAML.
    Yaml,
}

/// `nautes explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN)]
pub struct Explain {
    /// A kind, a field of a kind (KIND.FIELD.FIELD), or the id of a rule; all kinds and rules when absent.
    #[arg(value_name = "KIND[.FIELD] | RULE")]
    pub what: Option<String>,
    /// Shows every field below as well.
    #[arg(long, short = 'r')]
    pub recursive: bool,
    /// Asks the server: it knows the rules of the organisation as well, and is the one that judges by them. A server that
    /// is named with --server or --context is asked without it.
    #[arg(long)]
    pub live: bool,
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const EXPLAIN: &str = "\
Examples:
  nautes explain                                    every kind and every rule
  nautes explain environment                        what an environment is, and its fields
  nautes explain dr.spec.destination --recursive    a field of a deployment runtime, and all below
  nautes explain EnvironmentClusterMissing          a rule, with the way out
  nautes explain --live                             every kind and every rule that the server judges by
  nautes explain --live AcmeTwoReplicas             a rule of the organisation";

/// `nautes init`.
#[derive(Debug, Args)]
#[command(after_help = INIT)]
pub struct Init {
    /// The name of the product; of the Git platform with --tenant.
    #[arg(
        value_name = "PRODUCT",
        default_value_if("tenant", "true", "gitlab"),
        required_unless_present = "tenant"
    )]
    pub name: Option<String>,
    /// Where the files go, as in the product's `default.project`; the folder is made. A folder of the product's
    /// name when absent.
    #[arg(long, short = 'd', value_name = "FOLDER", conflicts_with = "file")]
    pub dir: Option<PathBuf>,
    /// Writes one file instead of a folder; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The first project (microservice).
    #[arg(long, value_name = "NAME", default_value = "web")]
    pub project: String,
    /// The programming language of the project.
    #[arg(long, value_name = "LANGUAGE", default_value = "go")]
    pub language: String,
    /// The cluster to which the project is deployed.
    #[arg(long, value_name = "CLUSTER", default_value = "live")]
    pub cluster: String,
    /// The environment on that cluster.
    #[arg(long, value_name = "NAME", default_value = "production")]
    pub environment: String,
    /// The cluster on which pipelines run; without it no pipelines are written.
    #[arg(long, value_name = "CLUSTER")]
    pub pipeline_cluster: Option<String>,
    /// The Git platform on which the repositories are; the only one of the tenant when absent.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The URL from which the deployment repository is cloned, where it is not the usual one.
    #[arg(long, value_name = "URL")]
    pub repo_url: Option<String>,
    /// Writes the tree of a tenant instead: a Git platform and two clusters.
    #[arg(long)]
    pub tenant: bool,
    /// The address of the Git platform (with --tenant).
    #[arg(long, value_name = "URL", requires = "tenant")]
    pub forge: Option<String>,
}

const INIT: &str = "\
Examples:
  nautes init shop                                     a folder `shop` with a product that deploys
  nautes init shop --language rust --cluster staging --environment test
  nautes init shop --pipeline-cluster build            with repositories and a runtime for pipelines
  nautes init shop --file - | nautes validate -f -     one file, judged at once
  nautes init --tenant --dir platform                  the tenant: a Git platform and clusters";

/// `nautes import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORT)]
pub struct Import {
    /// Of what type the forge is: gitlab, or gitea (Forgejo, too).
    #[arg(value_name = "FORGE")]
    pub forge: ForgeType,
    /// The path of the group.
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// The address of the forge, without that of its API. Its token is given as for every command.
    #[arg(long, value_name = "URL")]
    pub forge_url: Url,
    /// Allows a forge on this machine, also over plain HTTP.
    #[arg(long)]
    pub forge_loopback: bool,
    /// The name of the product; made of that of the group when absent.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
    /// The Git platform of the tenant on which the group is; its only one when absent.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// What the manifests are judged with, such as the tenant's folder. May be repeated.
    #[arg(long = "filename", short = 'f', value_name = "INPUT")]
    pub filename: Vec<String>,
    /// Writes the manifests to a folder, which must be empty or not there: tenant/ and products/PRODUCT/.
    #[arg(long, value_name = "FOLDER", conflicts_with = "commit")]
    pub write: Option<PathBuf>,
    /// Commits the manifests, as nautes apply does.
    #[arg(long)]
    pub commit: bool,
}

const IMPORT: &str = "\
Nothing is changed on the forge, and nothing is written or committed unless --write or --commit says so. What is left out \
(archives, groups within the group) is said, and so is what stays as it is (keys, hooks).

Examples:
  nautes import gitlab shop --forge-url https://gitlab.example.com --token-file TOKEN
  nautes import gitlab acme/shop --forge-url https://gitlab.example.com -p shop -f tenant --write imported
  nautes import gitea shop --forge-url https://gitea.example.com --provider gitea --commit";

/// The tree that a command looks at.
#[derive(Clone, Debug, Args)]
pub struct TreeArgs {
    /// A folder (the tree of a repository, several of them, or manifests in no order), a file, a pattern such as
    /// 'envs/*.yaml', - for stdin, or one of these at a revision: FOLDER@REVISION, FOLDER@REVISION:PATH. May be repeated; what comes
    /// later is laid over what came before. Without any, the current folder.
    #[arg(long = "filename", short = 'f', value_name = "INPUT")]
    pub filename: Vec<String>,
    /// The product.
    #[arg(long, short = 'p', value_name = "PRODUCT")]
    pub product: Option<String>,
}

impl TreeArgs {
    /// Returns everything that is named, else the current folder.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        if self.filename.is_empty() {
            vec![".".to_owned()]
        } else {
            self.filename.clone()
        }
    }
}

/// `nautes graph`.
#[derive(Debug, Args)]
#[command(after_help = GRAPH)]
pub struct Graph {
    /// What is drawn around: a resource, as KIND NAME or KIND/NAME; everything when absent.
    #[arg(value_name = "KIND[/NAME]", num_args = 0..=2)]
    pub focus: Vec<String>,
    /// Where manifests come from.
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Draws what the server declares, instead of files. A server that is named with --server or --context is asked
    /// without it.
    #[arg(long, conflicts_with = "filename")]
    pub live: bool,
    /// How many steps away from the focus things are drawn.
    #[arg(long, value_name = "STEPS", default_value_t = 32, requires = "focus")]
    pub depth: usize,
    /// Only these kinds; may be repeated, or separated by commas. What led through others leads on directly.
    #[arg(long, short = 'k', value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// How it is drawn.
    #[arg(long, short = 'o', value_enum, default_value_t = Drawing::Dot)]
    pub output: Drawing,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Drawing {
    /// In the language of Graphviz.
    Dot,
    /// In the language of Mermaid.
    Mermaid,
    /// As a picture.
    Svg,
    /// As lists of nodes and edges.
    Json,
}

const GRAPH: &str = "\
Examples:
  nautes graph -o svg > platform.svg             everything below the current folder
  nautes graph -f shop -p shop -o svg > shop.svg
  nautes graph cluster live --depth 2 -o mermaid  what is on a cluster, two steps away
  nautes graph --live -p shop -o svg > shop.svg  as the server has it
  nautes graph -k product,env,cluster | dot -Tpng > stages.png";

/// `nautes why`.
#[derive(Debug, Args)]
#[command(after_help = WHY)]
pub struct Why {
    /// The resource: KIND NAME, KIND/NAME or KIND/PRODUCT/NAME.
    #[arg(value_name = "KIND[/NAME]", required = true, num_args = 1..=2)]
    pub what: Vec<String>,
    /// Where manifests come from.
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Asks the server what it knows of the resource, instead of judging files. A server that is named with --server or
    /// --context is asked without it.
    #[arg(long, conflicts_with = "filename")]
    pub live: bool,
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const WHY: &str = "\
The exit code is 1 when something stands in the way, and 0 when nothing does.

Examples:
  nautes why dr web -f shop          what a deployment runtime waits for, and what to change
  nautes why env/shop/production
  nautes why dr/shop/web --live      as the server sees it now";

/// `nautes impact`.
#[derive(Debug, Args)]
#[command(after_help = IMPACT)]
pub struct Impact {
    /// The resource that goes: KIND NAME, KIND/NAME or KIND/PRODUCT/NAME.
    #[arg(value_name = "KIND[/NAME]", num_args = 0..=2, required_unless_present = "change")]
    pub what: Vec<String>,
    /// Where manifests come from.
    #[command(flatten)]
    pub tree: TreeArgs,
    /// Manifests that are laid over the tree, instead of something that goes: what they break, and what depends on
    /// what they change.
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    pub change: Vec<String>,
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const IMPACT: &str = "\
The exit code is 1 when something breaks, and 0 when nothing does.

Examples:
  nautes impact cluster live -f platform     what breaks when a cluster goes, across products
  nautes impact crb/shop/deploy-reads        who loses access with a binding
  nautes impact --change new-env.yaml        what a change breaks, and what depends on what it touches";

/// `nautes access`.
#[derive(Debug, Args)]
#[command(after_help = ACCESS)]
pub struct Access {
    /// The question.
    #[command(subcommand)]
    pub question: Question,
}

/// A question about access.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Lists everybody who may use a repository, and why.
    WhoCan {
        /// What they may do.
        level: Verb,
        /// The repository: NAME with -p, or PRODUCT/NAME.
        #[arg(value_name = "REPOSITORY")]
        repository: String,
        /// What is looked at.
        #[command(flatten)]
        on: AccessArgs,
    },
    /// Says yes (exit code 0) or no (exit code 1).
    Can {
        /// Who: a product, PRODUCT/PROJECT, or in full product:NAME, project:PRODUCT/NAME,
        /// account:PRODUCT/NAME@CLUSTER, group:PRODUCT.
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// What they may do.
        level: Verb,
        /// The repository: NAME with -p, or PRODUCT/NAME.
        #[arg(value_name = "REPOSITORY")]
        repository: String,
        /// What is looked at.
        #[command(flatten)]
        on: AccessArgs,
    },
    /// Says what somebody may do with a repository, and because of which binding.
    Explain {
        /// Who: a product, PRODUCT/PROJECT, or in full product:NAME, project:PRODUCT/NAME,
        /// account:PRODUCT/NAME@CLUSTER, group:PRODUCT.
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// The repository: NAME with -p, or PRODUCT/NAME; all that the subject may use when absent.
        #[arg(value_name = "REPOSITORY")]
        repository: Option<String>,
        /// What is looked at.
        #[command(flatten)]
        on: AccessArgs,
    },
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// Reading.
    Read,
    /// Reading and pushing.
    Write,
}

/// What a question about access looks at, and how it is answered.
#[derive(Debug, Args)]
pub struct AccessArgs {
    /// Where manifests come from.
    #[command(flatten)]
    pub tree: TreeArgs,
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const ACCESS: &str = "\
Without -f the server is asked, where one is set (nautes login); without a server, the current folder is looked at.

Examples:
  nautes access who-can write shop/web-deploy          as the server has it
  nautes access who-can write shop/web-deploy -f platform
  nautes access can shop/web read books/deploy -f platform && echo yes
  nautes access explain account:shop/web-builder@pipelines web-deploy -p shop
  nautes access explain shop/web -f platform          every repository that a project may use";
