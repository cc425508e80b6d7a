//! Folders of this machine and of revisions are read as a repository is.

use std::path::Path;

use nautes_gitops::folder::Found;
use nautes_gitops::repo::Limits;
use nautes_gitops::{Folder, FolderError, Mirror, Paths, RepoRef, TreeReader};
use tempfile::TempDir;

use super::kit::environment_text;

/// A work tree with commits, made by libgit2 alone.
struct Work {
    dir: TempDir,
    repo: git2::Repository,
}

impl Work {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.external_template(false).initial_head("main");
        let repo = git2::Repository::init_opts(dir.path(), &options).unwrap();
        Self { dir, repo }
    }

    fn write(&self, path: &str, text: &[u8]) {
        let file = self.dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn commit(&self) -> git2::Oid {
        let mut index = self.repo.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        let tree = self.repo.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::new("a", "a@b", &git2::Time::new(0, 0)).unwrap();
        let parent = self.repo.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        self.repo
            .commit(Some("HEAD"), &who, &who, "x", &tree, &parents)
            .unwrap()
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn product() -> RepoRef {
    RepoRef::Product("demo".parse().unwrap())
}

fn at(path: &Path, revision: &str, inner: &str) -> Folder {
    match Folder::at_revision(path, revision, inner).unwrap() {
        Found::Folder(folder) => folder,
        Found::File(_) => panic!("a file"),
    }
}

/// A product with good files, and with every kind of bad one.
fn fill(work: &Work) {
    work.write("envs/dev.yaml", environment_text("dev").as_bytes());
    work.write("envs/twice.yaml", environment_text("dev").as_bytes());
    work.write("envs/lost.yaml", environment_text("lost").as_bytes());
    work.write("projects/loose.yaml", b"kind: Project\n");
    work.write("envs/utf.yaml", b"kind: \xff\n");
    work.write("envs/empty.yaml", b"");
    work.write("envs/large.yaml", &vec![b'#'; (1 << 20) + 1]);
    work.write("README.md", b"read me\n");
    work.write("templates/other.yaml", b"a: [\n");
    std::os::unix::fs::symlink("dev.yaml", work.path().join("envs/link.yaml")).unwrap();
}

#[tokio::test]
async fn the_same_tree_gives_the_same_reading_on_disk_in_a_revision_and_in_a_mirror() {
    let work = Work::new();
    fill(&work);
    work.commit();
    work.write("envs/lost.yaml", b"kind: Environment\nspec: [\n");
    let tip = work.commit();
    let mirror = Mirror::open_or_create(work.path().join(".git/mirror"))
        .await
        .unwrap();
    let git = git2::Repository::open_bare(mirror.dir()).unwrap();
    let from = format!("file://{}", work.path().display());
    git.remote_anonymous(&from)
        .unwrap()
        .fetch(&["refs/heads/main:refs/heads/main"], None, None)
        .unwrap();
    let pushed = TreeReader::new(product())
        .read(&mirror, tip.to_string().parse().unwrap(), &Paths::new())
        .await
        .unwrap();
    assert!(pushed.findings.len() >= 6, "{:?}", pushed.findings);
    let held: Vec<_> = pushed.scope.broken().iter().flat_map(|b| &b.identities).collect();
    assert!(held.iter().any(|i| i.name.as_str() == "lost"), "{held:?}");

    let (revision, _) = TreeReader::new(product())
        .read_folder(&at(work.path(), "main", ""))
        .unwrap();
    assert_eq!(revision, pushed);
    let (disk, _) = TreeReader::new(product())
        .read_folder(&Folder::on_disk(work.path()).unwrap())
        .unwrap();
    assert_eq!(disk.findings, pushed.findings);
    assert_eq!(disk.paths, pushed.paths);
    assert_eq!(disk.scope.resources(), pushed.scope.resources());
    assert_eq!(disk.scope.broken(), pushed.scope.broken());
    assert_eq!(disk.revision, None);
}

#[test]
fn a_folder_of_a_work_tree_is_found_in_its_revisions_even_when_it_is_gone() {
    let work = Work::new();
    work.write("shop/envs/dev.yaml", environment_text("dev").as_bytes());
    work.commit();
    std::fs::remove_dir_all(work.path().join("shop")).unwrap();
    work.write("x", b"");
    work.commit();
    let shop = work.path().join("shop");
    let files = |folder: &Folder| folder.list(Limits::default()).unwrap().files;
    assert_eq!(files(&at(&shop, "HEAD~1", "")), ["envs/dev.yaml"]);
    assert_eq!(files(&at(work.path(), "HEAD~1", "shop/envs")), ["dev.yaml"]);
    assert!(matches!(
        Folder::at_revision(&shop, "HEAD", ""),
        Err(FolderError::NoPath { .. })
    ));
    assert!(matches!(
        Folder::at_revision(work.path(), "HEAD~1", "shop/envs/dev.yaml"),
        Ok(Found::File(_))
    ));
}

#[test]
fn what_is_not_there_is_named_with_what_is_near() {
    let work = Work::new();
    work.write("envs/dev.yaml", b"a");
    let first = work.commit();
    let commit = work.repo.find_commit(first).unwrap();
    work.repo.branch("release", &commit, false).unwrap();
    let hint = |path: &Path, revision: &str, inner: &str| {
        let error = Folder::at_revision(path, revision, inner).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (message, way_out) = hint(work.path(), "relaese", "");
    assert!(message.contains("no revision \"relaese\""), "{message}");
    assert_eq!(way_out, "did you mean release?");
    let (_, way_out) = hint(work.path(), "HEAD", "env");
    assert_eq!(way_out, "did you mean envs?");
    let tree = commit.tree_id().to_string();
    assert!(hint(work.path(), &tree, "").0.contains("no commit"));
    let elsewhere = TempDir::new().unwrap();
    assert!(
        hint(elsewhere.path(), "HEAD", "")
            .0
            .contains("not in a Git repository")
    );
    assert!(matches!(
        Folder::on_disk(&elsewhere.path().join("no")),
        Err(FolderError::Read { .. })
    ));
}

#[test]
fn the_names_of_files_are_shown_below_what_the_caller_says() {
    let work = Work::new();
    work.write("envs/dev.yaml", b"kind: [\n");
    let reader = TreeReader::new(product()).shown_below("shop/");
    let (reading, _) = reader
        .read_folder(&Folder::on_disk(work.path()).unwrap())
        .unwrap();
    assert_eq!(&*reading.findings[0].file, "shop/envs/dev.yaml");
    assert_eq!(reading.scope.broken()[0].path, "envs/dev.yaml");
}

#[test]
fn a_branch_is_compared_with_where_it_left_the_other() {
    let work = Work::new();
    work.write("a.yaml", b"1");
    let first = work.commit();
    let commit = work.repo.find_commit(first).unwrap();
    work.repo.branch("side", &commit, false).unwrap();
    work.write("b.yaml", b"2");
    work.commit();
    let main = at(work.path(), "main", "").revision();
    work.repo.set_head("refs/heads/side").unwrap();
    let Found::Folder(since) = Folder::since(work.path(), "main").unwrap() else {
        panic!("a file");
    };
    assert_eq!(since.revision().unwrap().to_string(), first.to_string());
    assert_ne!(since.revision(), main);
    assert_eq!(since.list(Limits::default()).unwrap().files, ["a.yaml"]);
}
