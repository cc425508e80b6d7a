//! The commands that need files and no server, and what they have in common.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// How the answer is printed.
    #[arg(long, short = 'o', value_enum, default_value_t = Show::Text)]
    pub output: Show,
}

const EXPLAIN: &str = "\
Examples:
  nautes explain                                    every kind and every rule
  nautes explain environment                        what an environment is, and its fields
  nautes explain dr.spec.destination --recursive    a field of a deployment runtime, and all below
  nautes explain EnvironmentClusterMissing          a rule, with the way out";

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
