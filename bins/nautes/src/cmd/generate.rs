//! `nautes generate`: platforms of any size, for whoever measures or tries out; hidden, for nobody else needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use nautes_validate::generate::{File, Options, files, joined};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// `nautes generate`.
#[derive(Clone, Debug, Args)]
pub struct Generate {
    /// About how many resources; at least one whole product is made.
    #[arg(value_name = "COUNT", default_value_t = 100)]
    pub count: usize,
    /// The same seed gives the same bytes.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// How many documents are broken: in turn not YAML, an unknown field, an unknown kind, a reference to nothing.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub faults: usize,
    /// How many of a hundred documents are in the form of version 0.3, where it was another.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100))]
    pub old: u64,
    /// The folder to write to, which must be empty or not there: tenant/ and products/PRODUCT/, each laid out as in
    /// Git. Without it everything goes to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Writes one file for each repository instead of one for each resource.
    #[arg(long, requires = "out")]
    pub bundled: bool,
}

/// Runs the command.
///
/// # Errors
/// The folder is not empty, or cannot be written.
pub fn run(args: &Generate) -> Outcome {
    let options = Options {
        count: args.count,
        seed: args.seed,
        faults: args.faults,
        old: args.old,
    };
    let made = files(&options).map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
    let Some(folder) = &args.out else {
        output::data(&joined(&made))?;
        return Ok(Exit::Clean);
    };
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Failure::usage(format!(
            "{}: the folder is not empty",
            folder.display()
        )));
    }
    let mut repositories: BTreeMap<PathBuf, Vec<&File>> = BTreeMap::new();
    for file in &made {
        let repository = match &file.product {
            Some(product) => Path::new("products").join(product.as_str()),
            None => PathBuf::from("tenant"),
        };
        let path = if args.bundled {
            repository.with_extension("yaml")
        } else {
            repository.join(&file.path)
        };
        repositories.entry(path).or_default().push(file);
    }
    for (path, files) in repositories {
        write(&folder.join(path), &joined(files))?;
    }
    output::say(&format!("{} resources in {}", made.len(), folder.display()));
    Ok(Exit::Clean)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, text));
    written.map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_folder_is_valid_and_never_mixed_with_another() {
        let place = tempfile::tempdir().unwrap();
        let args = Generate {
            count: 60,
            seed: 3,
            faults: 0,
            old: 50,
            out: Some(place.path().join("made")),
            bundled: false,
        };
        run(&args).unwrap();
        let made = [place.path().join("made").display().to_string()];
        let read = crate::input::load(&made, None).unwrap();
        let verdict = crate::cmd::validate::Verdict::of(&read, &nautes_validate::RuleSet::standard());
        assert_eq!(verdict.errors(), 0, "{:?}", verdict.findings);
        assert!(read.scopes.iter().count() >= 60);
        assert!(run(&args).is_err());
    }
}
