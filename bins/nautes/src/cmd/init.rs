//! `nautes init`: a commented starter tree.

mod template;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nautes_model::name::{ClusterName, ProductName, ResourceName};

use crate::cli::offline::Init;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, DIM};
use template::Names;

/// Runs the command.
///
/// # Errors
/// A name is not one, a file exists already, or something cannot be written.
pub fn run(args: &Init) -> Outcome {
    let names = names(args)?;
    let files = if args.tenant {
        template::tenant(&names)
    } else {
        template::product(&names)
    };
    match &args.file {
        Some(file) if file.as_os_str() == "-" => output::data(&one_file(&files))?,
        Some(file) => {
            write(&[(file.clone(), one_file(&files))])?;
            output::say(&format!("wrote {}", file.display()));
            next(args, &names, &file.display().to_string());
        }
        None => {
            let dir = args.dir.clone().unwrap_or_else(|| {
                PathBuf::from(if args.tenant {
                    "tenant"
                } else {
                    names.product.as_str()
                })
            });
            let all: Vec<(PathBuf, String)> = files
                .into_iter()
                .map(|(path, text)| (dir.join(path), text))
                .collect();
            write(&all)?;
            for (path, _) in &all {
                output::data(&format!("{}\n", path.display()))?;
            }
            next(args, &names, &dir.display().to_string());
        }
    }
    Ok(Exit::Clean)
}

/// Checks every name before anything is written.
fn names(args: &Init) -> Result<Names, Failure> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| Failure::usage(format!("{what}: {error}"));
    let name = |what: &str, text: &str| {
        ResourceName::new(text)
            .map(|n| n.to_string())
            .map_err(|e| wrong(what, &e))
    };
    let cluster = |what: &str, text: &str| {
        ClusterName::new(text)
            .map(|n| n.to_string())
            .map_err(|e| wrong(what, &e))
    };
    let first = args.name.as_deref().unwrap_or_default();
    let product = if args.tenant {
        name("the Git platform", first)?
    } else {
        ProductName::new(first)
            .map(|n| n.to_string())
            .map_err(|e| wrong("the product", &e))?
    };
    let provider = if args.tenant {
        Some(product.clone())
    } else {
        args.provider.clone()
    };
    Ok(Names {
        project: name("--project", &args.project)?,
        environment: name("--environment", &args.environment)?,
        cluster: cluster("--cluster", &args.cluster)?,
        pipeline_cluster: args
            .pipeline_cluster
            .as_deref()
            .map(|c| cluster("--pipeline-cluster", c))
            .transpose()?,
        provider: provider.as_deref().map(|p| name("--provider", p)).transpose()?,
        language: scalar("--language", &args.language)?,
        repo_url: args
            .repo_url
            .as_deref()
            .map(|u| scalar("--repo-url", u))
            .transpose()?,
        forge: scalar(
            "--forge",
            args.forge.as_deref().unwrap_or("https://gitlab.example.org"),
        )?,
        product,
    })
}

/// Writes a text as a value of YAML.
fn scalar(what: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) || text.len() > 2048 {
        return Err(Failure::usage(format!("{what}: {text:?} is not a plain text")));
    }
    Ok(output::yaml(&text)?.trim_end().to_owned())
}

fn one_file(files: &[(String, String)]) -> String {
    let documents: Vec<&str> = files
        .iter()
        .filter(|(path, _)| path.ends_with(".yaml"))
        .map(|(_, text)| text.as_str())
        .collect();
    documents.join("---\n")
}

/// Writes all files or none.
fn write(files: &[(PathBuf, String)]) -> Result<(), Failure> {
    let there: Vec<String> = files
        .iter()
        .filter(|(path, _)| path.symlink_metadata().is_ok())
        .map(|(path, _)| path.display().to_string())
        .collect();
    if let Some((first, more)) = there.split_first() {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(", and {} more", more.len())
        };
        return Err(Failure::new(
            Exit::Conflict,
            format!("{first} exists already{more}; nothing was written"),
        )
        .hint("choose another place with --dir or --file"));
    }
    let mut written: Vec<&Path> = Vec::new();
    for (path, text) in files {
        if let Err(error) = create(path, text) {
            for path in &written {
                let _ = std::fs::remove_file(path);
            }
            return Err(Failure::usage(format!("{}: {error}", path.display())));
        }
        written.push(path);
    }
    Ok(())
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// Says what to do with what was written.
fn next(args: &Init, names: &Names, place: &str) {
    let mut steps = vec![(format!("nautes validate -f {place}"), "judges it offline")];
    if !args.tenant {
        steps.push((
            format!("nautes graph -f {place} -o svg > {}.svg", names.product),
            "draws it",
        ));
        steps.push((
            format!("nautes plan -f {place}"),
            "asks the server what it would do",
        ));
    }
    steps.push((
        format!("nautes apply -f {place} --wait"),
        "commits it and waits until it works",
    ));
    output::say("next:");
    let widest = steps
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or_default();
    for (command, what) in steps {
        output::say(&format!("  {command:widest$}  {DIM}{what}{DIM:#}"));
    }
}
