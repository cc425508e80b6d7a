//! Pages that show commands and their output: every ```` ```console ```` block is run, in a folder of the page's own
//! (that of a story begins with the examples), and what it says must be what the page shows. `UPDATE=1` writes it anew.
//!
//! A line `$ nautes ..` runs the program, `$ cat FILE` shows a file, `| nautes ..` takes the output of the command
//! before, `< FILE` gives it a file, `> FILE` keeps what it prints, `&> FILE` keeps what is said beside it as well, `2> FILE`
//! only that. Standard output comes first, then standard error, then `exit N` unless it is 0. A block
//! ```` ```yaml FILE ```` writes a file.
//!
//! A story that begins with `<!-- platform -->` has a platform of its own: `$SERVER` is its API, and `USER.token` files hold
//! the tokens of its users. Addresses, commits and times are written as words.

use std::path::{Path, PathBuf};

use crate::kit::{Run, program, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Copies the examples to where the commands of a page find them.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Splits a command line at spaces, except within '' and "".
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut word, mut quote, mut any) = (String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, any) = (Some(c), true),
            (None, ' ') if !word.is_empty() || any => {
                all.push(std::mem::take(&mut word));
                any = false;
            }
            (None, ' ') => {}
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() || any {
        all.push(word);
    }
    all
}

/// What a page has besides its text.
#[derive(Default)]
struct World {
    /// Words of commands, and what they stand for.
    words: Vec<(&'static str, String)>,
    /// Files that are there.
    files: Vec<(String, String)>,
    /// What is different each time, and what is written for it.
    filters: Vec<(regex::Regex, &'static str)>,
}

/// Runs one line.
fn command(line: &str, dir: &Path) -> String {
    let (line, file, all) = match (line.rsplit_once(" &> "), line.rsplit_once(" > ")) {
        (Some((line, file)), _) => (line, Some(file), true),
        (None, Some((line, file))) => (line, Some(file), false),
        (None, None) => (line, None, false),
    };
    let (line, talk_file) = line
        .rsplit_once(" 2> ")
        .map_or((line, None), |(l, f)| (l, Some(f)));
    let (line, input) = line
        .rsplit_once(" < ")
        .map_or((line, None), |(l, f)| (l, Some(f)));
    let mut said = Run {
        code: 0,
        out: input.map_or_else(String::new, |f| std::fs::read_to_string(dir.join(f)).unwrap()),
        err: String::new(),
    };
    let mut talk = String::new();
    for part in line.split(" | ") {
        let words = words(part);
        let (name, rest) = words.split_first().unwrap();
        said = match name.as_str() {
            "nautes" => {
                let mut command = program(dir);
                command.args(rest).env("NAUTES_CONFIG", dir.join("config.yaml"));
                run(command.current_dir(dir), &said.out)
            }
            "cat" => {
                let text = rest
                    .iter()
                    .map(|f| std::fs::read_to_string(dir.join(f)).unwrap())
                    .collect();
                Run {
                    code: 0,
                    out: text,
                    err: String::new(),
                }
            }
            "head" => {
                let lines = rest[0].trim_start_matches('-').parse().unwrap();
                Run {
                    out: said.out.lines().take(lines).map(|l| format!("{l}\n")).collect(),
                    ..said
                }
            }
            other => panic!("{other} is not known here"),
        };
        talk.push_str(&said.err);
    }
    if let Some(file) = file {
        std::fs::write(dir.join(file.trim()), std::mem::take(&mut said.out)).unwrap();
        if all {
            talk.clear();
        }
    }
    if let Some(file) = talk_file {
        std::fs::write(dir.join(file.trim()), std::mem::take(&mut talk)).unwrap();
    }
    let code = if said.code == 0 {
        String::new()
    } else {
        format!("exit {}\n", said.code)
    };
    format!("{}{talk}{code}", said.out)
}

/// Runs the commands of a page and returns it with what they said.
fn replay(page: &str, with_examples: bool, world: &World) -> String {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in &world.files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    if with_examples {
        copy(&root().join("examples/manifests"), home.path());
    }
    let mut out = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(&format!("{line}\n"));
        if let Some(file) = line.strip_prefix("```yaml ") {
            let mut text = String::new();
            for line in lines.by_ref() {
                out.push_str(&format!("{line}\n"));
                if line == "```" {
                    break;
                }
                text.push_str(&format!("{line}\n"));
            }
            let path = home.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        } else if line == "```console" {
            let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            for typed in block.iter().filter_map(|l| l.strip_prefix("$ ")) {
                let run = world
                    .words
                    .iter()
                    .fold(typed.to_owned(), |line, (word, is)| line.replace(word, is));
                let said = command(&run, home.path());
                let said = world.filters.iter().fold(said, |said, (seen, word)| {
                    seen.replace_all(&said, *word).into_owned()
                });
                let said: String = said.lines().map(|l| format!("{}\n", l.trim_end())).collect();
                out.push_str(&format!("$ {typed}\n{said}"));
            }
            out.push_str("```\n");
        }
    }
    out
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment")]
fn is_update() -> bool {
    std::env::var("UPDATE").is_ok_and(|v| v == "1")
}

fn check(path: &Path, with_examples: bool, world: &World) {
    let page = std::fs::read_to_string(path).unwrap();
    let now = replay(&page, with_examples, world);
    if is_update() {
        std::fs::write(path, &now).unwrap();
        return;
    }
    for (number, (was, is)) in page.lines().zip(now.lines()).enumerate() {
        assert_eq!(was, is, "{}:{} (UPDATE=1 writes it)", path.display(), number + 1);
    }
    assert_eq!(
        page.lines().count(),
        now.lines().count(),
        "{} (UPDATE=1 writes it)",
        path.display()
    );
}

/// The stories that need a platform, or the others.
fn stories(on_platform: bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let is = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.starts_with("<!-- platform -->") == on_platform
    };
    let mut stories: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(is)
        .collect();
    stories.sort();
    assert!(!stories.is_empty());
    stories
}

#[test]
fn commands_answer_as_their_stories_tell() {
    let nothing = World::default();
    stories(false)
        .iter()
        .for_each(|story| check(story, true, &nothing));
}

#[cfg(feature = "local")]
#[tokio::test(flavor = "multi_thread")]
async fn commands_answer_on_a_platform_as_their_stories_tell() {
    let _one = crate::kit::ONE_PLATFORM.lock().await;
    for story in stories(true) {
        let dir = tempfile::tempdir().unwrap();
        let instance = crate::kit::platform(dir.path().join("platform")).await;
        let server = instance.url("api").unwrap();
        let users = &instance.remembered().users;
        let filter = |seen: &str, word| (regex::Regex::new(seen).unwrap(), word);
        let mut files: Vec<(String, String)> = users
            .iter()
            .map(|(name, token)| (format!("{name}.token"), format!("{token}\n")))
            .collect();
        let clusters = dir.path().join("platform/manifests/clusters");
        for entry in std::fs::read_dir(clusters).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            files.push((
                format!("cluster-{name}.yaml"),
                std::fs::read_to_string(&path).unwrap(),
            ));
        }
        let world = World {
            words: vec![("$SERVER", server.clone())],
            files,
            filters: vec![
                filter(&regex::escape(&server), "http://nautes.local"),
                filter(r"127\.0\.0\.1:\d+", "nautes.local"),
                filter(r"/\S*/(config\.yaml|[a-z]+\.token)", "~/$1"),
                filter(
                    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?",
                    "<time>",
                ),
                filter(
                    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                    "<id>",
                ),
                filter(r"\b([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{12})\b", "<commit>"),
            ],
        };
        tokio::task::block_in_place(|| check(&story, true, &world));
        instance.stop().await.unwrap();
    }
}

#[test]
fn the_guide_of_working_offline_shows_what_the_commands_say() {
    check(&root().join("docs/guide/offline.md"), false, &World::default());
}
