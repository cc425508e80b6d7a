//! `nautes import`: the manifests that would describe a group that is there already.

mod draft;

use std::path::{Path, PathBuf};

use clap::Parser as _;
use nautes_gitops::HostError;
use nautes_gitops::host::Connection;
use nautes_gitops::survey::survey;
use nautes_model::layout::path_of;
use nautes_model::manifest::render;
use nautes_model::name::ResourceName;
use nautes_model::{Finding, Resource, Secret, Severity};
use nautes_validate::RuleSet;

use crate::cli::offline::Import;
use crate::cli::{Cli, Command};
use crate::cmd::apply::{self, Verb};
use crate::cmd::validate::Verdict;
use crate::credential::Source;
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, GREEN};
use crate::settings::Settings;
use draft::{Choices, Draft};

/// A manifest that is to be written.
struct File {
    /// Below the folder: `tenant/..` or `products/PRODUCT/..`.
    path: PathBuf,
    text: String,
    resource: String,
}

/// Runs the command.
///
/// # Errors
/// The forge does not answer, or lets the caller not see the group; or a file exists already. Findings are no error.
pub async fn run(settings: &Settings, args: &Import) -> Outcome {
    let name = |what: &str, error: &dyn std::fmt::Display| Failure::usage(format!("{what}: {error}"));
    let product = settings.product(args.product.as_deref())?;
    let provider = args.provider.as_deref().map(ResourceName::new).transpose();
    let choices = Choices {
        product,
        provider: provider.map_err(|error| name("--provider", &error))?,
    };
    let host = Connection {
        kind: args.forge,
        name: None,
        url: args.forge_url.to_string(),
        token: token(settings, args).await?.into(),
        ca_bundle: certificates(settings.ca_file.as_deref())?,
        proxy: None,
        loopback: args.forge_loopback,
        known: None,
    };
    let host = host.open().map_err(failed)?;
    let session = host.platform().await.map_err(failed)?;
    let found = survey(&*session, &args.group).await.map_err(failed)?;
    let draft = Draft::of(&found, &choices)
        .map_err(|error| name("the product", &error).hint("name the product with -p"))?;

    let files = files(&draft)?;
    let judged = tempfile::tempdir()?;
    write(judged.path(), &files)?;
    let findings = judge(args, &draft, judged.path())?;
    show(&draft, &files)?;
    output::findings(&findings);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        output::say("nothing was written: what was found has to be mended first");
        return Ok(Exit::Findings);
    }
    match (&args.write, args.commit) {
        (Some(folder), _) => {
            vacant(folder)?;
            write(folder, &files)?;
            output::say(&format!("wrote {} files below {}", files.len(), folder.display()));
            let folder = folder.display();
            output::say(&format!(
                "next: nautes plan -f {folder}, then nautes apply -f {folder}"
            ));
            Ok(Exit::Clean)
        }
        (None, true) => commit(settings, judged.path()).await,
        (None, false) => {
            output::say(
                "nothing was written or committed: --write FOLDER writes the files, --commit commits them",
            );
            Ok(Exit::Clean)
        }
    }
}

/// Judges the manifests in a folder, by the rules of `nautes validate`: together with what is given, or each repository by
/// itself, because then nothing is known of the tenant.
fn judge(args: &Import, draft: &Draft, folder: &Path) -> Result<Vec<Finding>, Failure> {
    let word = |path: &Path| path.display().to_string();
    let own = folder.join("products").join(draft.product.as_str());
    let inputs = if args.filename.is_empty() {
        vec![
            input::load(&[word(&folder.join("tenant"))], None)?,
            input::load(&[word(&own)], Some(&draft.product))?,
        ]
    } else {
        let words = args.filename.iter().cloned().chain([word(folder)]);
        vec![input::load(&words.collect::<Vec<_>>(), None)?]
    };
    let rules = RuleSet::standard();
    let mut findings: Vec<Finding> = inputs
        .iter()
        .flat_map(|input| Verdict::of(input, &rules).findings)
        .collect();
    let prefix = format!("{}/", folder.display());
    for finding in &mut findings {
        finding.file = finding.file.replace(&prefix, "").into();
    }
    Ok(findings)
}

/// Finds the token for the forge: that which is given, or in a file. What a context keeps is for its server.
async fn token(settings: &Settings, args: &Import) -> Result<Secret, Failure> {
    match &settings.token {
        Some(source @ (Source::Given { .. } | Source::File(_))) => source.token(&args.forge_url).await,
        Some(Source::Context { .. }) | None => {
            Err(Failure::new(Exit::Denied, "there is no token for the forge")
                .hint("give it with --token-file FILE or NAUTES_TOKEN"))
        }
    }
}

fn certificates(file: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let read = |file: &Path| {
        let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", file.display()));
        std::fs::read(file).map_err(failed)
    };
    file.map(read).transpose()
}

fn failed(error: HostError) -> Failure {
    let (exit, hint) = (Exit::from(error.class()), error.hint());
    let shown = format!("{:#}", anyhow::Error::new(error));
    match hint {
        Some(hint) => Failure::new(exit, shown).hint(hint),
        None => Failure::new(exit, shown),
    }
}

fn files(draft: &Draft) -> Result<Vec<File>, Failure> {
    let product = &draft.product;
    draft
        .resources
        .iter()
        .map(|resource| {
            let repository = match resource {
                Resource::Product(_) => PathBuf::from("tenant"),
                _ => Path::new("products").join(product.as_str()),
            };
            let (kind, name) = (resource.kind().name(), resource.name());
            Ok(File {
                path: repository.join(path_of(resource)),
                text: render(resource)?,
                resource: match resource {
                    Resource::Product(_) => format!("{kind}/{name}"),
                    _ => format!("{kind}/{product}/{name}"),
                },
            })
        })
        .collect()
}

/// Shows what would be declared, and what is worth knowing about it.
fn show(draft: &Draft, files: &[File]) -> Result<(), Failure> {
    let widest = files
        .iter()
        .map(|file| file.resource.len())
        .max()
        .unwrap_or_default();
    for file in files {
        let (resource, path) = (&file.resource, file.path.display());
        output::data(&format!("{GREEN}+{GREEN:#} {resource:widest$}  {path}\n"))?;
    }
    if !draft.remarks.is_empty() {
        output::data("\n")?;
    }
    for (about, text) in &draft.remarks {
        output::data(&format!("{about}: {text}\n"))?;
    }
    Ok(())
}

/// Fails unless a folder is empty, or not there.
fn vacant(folder: &Path) -> Result<(), Failure> {
    let occupied = folder.symlink_metadata().is_ok()
        && !std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if occupied {
        let message = format!(
            "{}: it is not an empty folder; nothing was written",
            folder.display()
        );
        return Err(Failure::new(Exit::Conflict, message).hint("choose another folder"));
    }
    Ok(())
}

fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(&file.path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, &file.text))
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// Commits the manifests as `nautes apply` does.
async fn commit(settings: &Settings, folder: &Path) -> Outcome {
    let words = [
        "nautes".into(),
        "apply".into(),
        "-f".into(),
        folder.as_os_str().to_owned(),
    ];
    match Cli::try_parse_from(words)?.command {
        Command::Apply(args) => apply::run(settings, &args, Verb::Apply).await,
        _ => Err(Failure::new(Exit::Internal, "nautes apply is another command")),
    }
}
