//! The real git, as a user has it on his machine: over HTTP, with a token, and with no configuration but its own.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// A user with git and a folder for work trees.
#[derive(Clone, Debug)]
pub struct Git {
    forge: String,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

/// A work tree.
#[derive(Clone, Debug)]
pub struct WorkTree {
    git: Git,
    dir: PathBuf,
}

impl Git {
    /// Makes a user. `exports` are what `nautes local env` prints for him; `path` is where programs are found.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn new(
        folder: &Path,
        forge: &str,
        user: &str,
        exports: &[(&'static str, String)],
        path: &str,
    ) -> Result<Self, Failure> {
        let folder = folder.join(user);
        std::fs::create_dir_all(&folder)?;
        let mut environment: Vec<(String, String)> = exports
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let mail = format!("{user}@localhost");
        let none = if cfg!(windows) { "NUL" } else { "/dev/null" };
        for (name, value) in [
            ("PATH", path),
            ("HOME", &folder.display().to_string()),
            ("GIT_CONFIG_GLOBAL", none),
            ("GIT_CONFIG_SYSTEM", none),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_AUTHOR_NAME", user),
            ("GIT_AUTHOR_EMAIL", &mail),
            ("GIT_COMMITTER_NAME", user),
            ("GIT_COMMITTER_EMAIL", &mail),
            ("LC_ALL", "C"),
        ] {
            environment.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self {
            forge: forge.to_owned(),
            folder,
            environment,
        })
    }

    /// Runs git in a folder and returns what it printed.
    ///
    /// # Errors
    /// There is no git, or it says no.
    pub async fn run(&self, dir: &Path, args: &[&str]) -> Result<String, Failure> {
        let output = self.output(dir, args).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    async fn output(&self, dir: &Path, args: &[&str]) -> Result<Vec<u8>, Failure> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a user of the demo works with the real git"
        )]
        let mut command = std::process::Command::new("git");
        command
            .args(args)
            .current_dir(dir)
            .env_clear()
            .stdin(std::process::Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|e| Failure::new(Exit::Unavailable, format!("git cannot be run: {e}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().lines().last().unwrap_or_default().to_owned();
        Err(Failure::new(
            Exit::Findings,
            format!("git {} failed: {said}", args.first().unwrap_or(&"")),
        ))
    }

    fn url(&self, repository: &str) -> String {
        format!("{}/{repository}.git", self.forge)
    }

    /// Returns the commit at the tip of a branch on the forge, `None` where there is no such branch.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub async fn tip(&self, repository: &str, branch: &str) -> Result<Option<String>, Failure> {
        let reference = format!("refs/heads/{branch}");
        let text = self
            .run(&self.folder, &["ls-remote", &self.url(repository), &reference])
            .await?;
        Ok(text.split_whitespace().next().map(str::to_owned))
    }

    /// Clones a repository into a new work tree.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub async fn clone_of(&self, repository: &str) -> Result<WorkTree, Failure> {
        let dir = self.folder.join(repository.replace('/', "-"));
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        let shown = dir.display().to_string();
        self.run(
            &self.folder,
            &[
                "clone",
                "--quiet",
                "-c",
                "init.defaultBranch=main",
                &self.url(repository),
                &shown,
            ],
        )
        .await?;
        Ok(WorkTree {
            git: self.clone(),
            dir,
        })
    }
}

impl WorkTree {
    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let file = self.dir.join(path);
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        Ok(std::fs::write(file, text)?)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove(&self, path: &str) -> Result<(), Failure> {
        Ok(std::fs::remove_file(self.dir.join(path))?)
    }

    /// Runs git in it.
    ///
    /// # Errors
    /// Git says no.
    pub async fn run(&self, args: &[&str]) -> Result<String, Failure> {
        self.git.run(&self.dir, args).await
    }

    /// Commits everything, pushes it to a branch, and returns the commit.
    ///
    /// # Errors
    /// Git or the forge says no.
    pub async fn push(&self, branch: &str, message: &str) -> Result<String, Failure> {
        self.run(&["add", "--all"]).await?;
        self.run(&["commit", "--quiet", "--message", message]).await?;
        self.run(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")])
            .await?;
        Ok(self.run(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// Returns everything that is in the repository: all objects of all revisions.
    ///
    /// # Errors
    /// Git says no.
    pub async fn everything(&self) -> Result<Vec<u8>, Failure> {
        self.git
            .output(&self.dir, &["cat-file", "--batch-all-objects", "--batch"])
            .await
    }

    /// Returns the message of the commit at the tip.
    ///
    /// # Errors
    /// Git says no.
    pub async fn message(&self) -> Result<String, Failure> {
        self.run(&["log", "-1", "--format=%B"]).await
    }

    /// Returns the number of commits, and whether each but the first has exactly one parent.
    ///
    /// # Errors
    /// Git says no.
    pub async fn history(&self) -> Result<(usize, bool), Failure> {
        let text = self.run(&["rev-list", "--parents", "HEAD"]).await?;
        let count = text.lines().count();
        let linear = text.lines().all(|line| line.split_whitespace().count() <= 2);
        Ok((count, linear))
    }
}
