//! Pages that show commands and their output: every ```` ```console ```` block is run, in a folder of the page's own
//! (that of a story begins with the examples), and what it says must be what the page shows. `UPDATE=1` writes it anew.
//!
//! A line `$ nautes ..` runs the program, `$ cat FILE` shows a file, `| nautes ..` takes the output of the command
//! before, `> FILE` keeps it, `&> FILE` keeps what is said beside it as well. Standard output comes first, then standard error, then `exit N` unless it is 0. A block
//! ```` ```yaml FILE ```` writes a file.

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

/// Runs one line.
fn command(line: &str, dir: &Path) -> String {
    let (line, file, all) = match (line.rsplit_once(" &> "), line.rsplit_once(" > ")) {
        (Some((line, file)), _) => (line, Some(file), true),
        (None, Some((line, file))) => (line, Some(file), false),
        (None, None) => (line, None, false),
    };
    let mut said = Run {
        code: 0,
        out: String::new(),
        err: String::new(),
    };
    let mut talk = String::new();
    for part in line.split(" | ") {
        let words = words(part);
        let (name, rest) = words.split_first().unwrap();
        said = match name.as_str() {
            "nautes" => run(program(dir).args(rest).current_dir(dir), &said.out),
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
    let code = if said.code == 0 {
        String::new()
    } else {
        format!("exit {}\n", said.code)
    };
    format!("{}{talk}{code}", said.out)
}

/// Runs the commands of a page and returns it with what they said.
fn replay(page: &str, with_examples: bool) -> String {
    let home = tempfile::tempdir().unwrap();
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
                let said = command(typed, home.path());
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

fn check(path: &Path, with_examples: bool) {
    let page = std::fs::read_to_string(path).unwrap();
    let now = replay(&page, with_examples);
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

#[test]
fn commands_answer_as_their_stories_tell() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut stories: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    stories.sort();
    assert!(!stories.is_empty());
    stories.iter().for_each(|story| check(story, true));
}

#[test]
fn the_guide_of_working_offline_shows_what_the_commands_say() {
    check(&root().join("docs/guide/offline.md"), false);
}
