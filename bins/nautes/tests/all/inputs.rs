//! What the offline commands look at: a folder, a revision, standard input, and several of them laid over each other.

use crate::kit::Run;
use crate::validate::Desk;

const BASE: &str = include_str!("../../../../nautes-validate/tests/cases/base.yaml");

/// Takes the cluster from under a deployment runtime of the base.
const OVER: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: test}
spec: {product: demo, cluster: ghost, envType: test}
";

/// Questions about a tree, and how each ends for the base and with [`OVER`] laid over it.
const QUESTIONS: &[(&[&str], i32, i32)] = &[
    (&["validate"], 0, 1),
    (&["validate", "-o", "json"], 0, 1),
    (&["validate", "-o", "sarif"], 0, 1),
    (&["why", "dr/demo/web"], 0, 1),
    (&["why", "dr/demo/web", "-o", "json"], 0, 1),
    (&["impact", "cluster/host-1"], 1, 1),
    (&["impact", "cluster/host-1", "-o", "json"], 1, 1),
    (&["access", "who-can", "read", "demo/deploy"], 0, 0),
    (&["access", "can", "demo/app", "read", "demo/deploy"], 0, 0),
    (&["access", "explain", "demo/app"], 0, 0),
    (&["graph"], 0, 0),
    (&["graph", "-o", "json"], 0, 0),
    (&["graph", "-o", "svg"], 0, 0),
    (&["graph", "env/demo/test", "-o", "mermaid"], 0, 0),
];

/// A repository with the base in a commit, and a work tree of which nothing is left.
fn committed() -> Desk {
    let desk = Desk::new();
    desk.write("all/platform.yaml", BASE);
    desk.commit();
    std::fs::remove_dir_all(desk.path().join("all")).unwrap();
    desk
}

fn ask(desk: &Desk, question: &[&str], inputs: &[&str], input: &str) -> Run {
    let mut words = question.to_vec();
    for input in inputs {
        words.extend(["-f", input]);
    }
    desk.nautes(&words, input)
}

/// What was said, without the names of files.
fn plain(run: &Run) -> String {
    let mut text = format!("{}\n{}", run.out, run.err);
    for name in [
        "@HEAD:all/platform.yaml",
        "%40HEAD%3Aall/platform.yaml",
        "all/platform.yaml",
        "platform.yaml",
        "stdin",
    ] {
        text = text.replace(name, "NAME");
    }
    let lines = text.lines().map(|line| {
        let line = line.trim_end();
        // How files are drawn beside excerpts, and fingerprints, follow from their names.
        if line.contains("nautes/v1") { "" } else { line }
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace(" -:", " NAME:")
        .replace("(-:", "(NAME:")
        .replace("\"-\"", "\"NAME\"")
}

#[test]
fn a_folder_a_revision_and_standard_input_are_answered_alike() {
    let clean = Desk::new();
    clean.write("all/platform.yaml", BASE);
    let desk = committed();
    for (question, code, _) in QUESTIONS {
        let on_disk = ask(&clean, question, &["all"], "");
        assert_eq!(
            on_disk.code, *code,
            "{question:?}: {}{}",
            on_disk.out, on_disk.err
        );
        assert!(
            !on_disk.out.is_empty() || question.contains(&"validate"),
            "{question:?}"
        );
        for (inputs, input) in [
            (&["@HEAD"][..], ""),
            (&[".@HEAD:all"], ""),
            (&[".@HEAD:all/platform.yaml"], ""),
            (&["-"], BASE),
        ] {
            let other = ask(&desk, question, inputs, input);
            assert_eq!(
                other.code, *code,
                "{question:?} {inputs:?}: {}{}",
                other.out, other.err
            );
            assert_eq!(plain(&other), plain(&on_disk), "{question:?} of {inputs:?}");
        }
    }
}

#[test]
fn what_comes_later_is_laid_over_what_came_before() {
    let desk = committed();
    desk.write("over/env.yaml", OVER);
    for (question, alone, with) in QUESTIONS {
        for (inputs, input, is_over) in [
            (&["@HEAD", "-"][..], OVER, true),
            (&["@HEAD", "over"], "", true),
            (&["@HEAD", "over/env.yaml"], "", true),
            // In the other order what lies on top is the base.
            (&["over", "@HEAD"], "", false),
            (&["-", "@HEAD"], OVER, false),
        ] {
            let run = ask(&desk, question, inputs, input);
            let code = if is_over { with } else { alone };
            assert_eq!(run.code, *code, "{question:?} {inputs:?}: {}{}", run.out, run.err);
            let shows_it = matches!(question[0], "validate" | "why") || question.starts_with(&["graph"]);
            assert_eq!(
                run.out.contains("ghost"),
                is_over && shows_it,
                "{question:?} {inputs:?}: {}",
                run.out
            );
        }
    }
}

#[test]
fn a_plan_leads_from_and_to_whatever_can_be_named() {
    let desk = committed();
    desk.write("over/env.yaml", OVER);
    for (words, input, code) in [
        (&["--from", "@HEAD", "--to", ".@HEAD:all"][..], "", 0),
        (&["--from", "@HEAD", "--to", "-"], BASE, 0),
        (&["--from", "-", "--to", "@HEAD"], BASE, 0),
        (&["--from", "@HEAD", "--to", "@HEAD", "--to", "-"], OVER, 1),
        (&["--from", "@HEAD", "--to", "@HEAD", "--to", "over"], "", 1),
        (&["--from", "@HEAD", "--from", "over", "--to", "@HEAD"], "", 1),
    ] {
        let run = desk.nautes(&[&["plan", "-o", "name"], words].concat(), input);
        assert_eq!(run.code, code, "{words:?}: {}{}", run.out, run.err);
        let changed = run.out.lines().any(|line| line == "Environment/demo/test");
        assert_eq!(changed, code == 1, "{words:?}: {}", run.out);
    }
}

#[test]
fn standard_input_is_read_once() {
    let desk = committed();
    for words in [
        &["validate", "-f", "-", "-f", "-"][..],
        &["plan", "--from", "-", "--to", "-"],
        &["impact", "-f", "-", "--change", "-"],
    ] {
        let run = desk.nautes(words, BASE);
        assert_eq!(run.code, 2, "{words:?}: {}{}", run.out, run.err);
        assert!(run.err.contains("standard input"), "{words:?}: {}", run.err);
    }
}

#[test]
fn the_impact_of_a_change_is_that_on_what_it_is_laid_over() {
    let desk = committed();
    desk.write("over/env.yaml", OVER);
    for change in ["-", "over", "over/env.yaml"] {
        let run = desk.nautes(&["impact", "-f", "@HEAD", "--change", change], OVER);
        assert_eq!(run.code, 1, "{change}: {}{}", run.out, run.err);
        assert!(run.out.contains("ghost"), "{change}: {}", run.out);
    }
}

#[test]
fn what_writes_or_sends_files_takes_no_revision_and_says_so() {
    let desk = committed();
    for words in [
        &["convert", "-f", "@HEAD", "--check"][..],
        &["convert", "-f", ".@HEAD:all/platform.yaml"],
        &["apply", "-f", "@HEAD", "-s", "http://127.0.0.1:9", "-t", "t"],
    ] {
        let run = desk.nautes(words, "");
        assert_eq!(run.code, 2, "{words:?}: {}{}", run.out, run.err);
        assert!(
            run.err
                .contains("revisions are for the commands that only look at trees"),
            "{words:?}: {}",
            run.err
        );
    }
}

#[test]
fn code_scanning_is_told_where_the_other_members_of_a_circle_are() {
    let cluster = |name: &str, host: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec: {{apiServer: 'https://{name}.example.org', clusterType: virtual, usage: worker, workerType: pipeline, hostCluster: {host}, componentsList: {{}}}}
"
        )
    };
    let desk = Desk::new();
    desk.write("a.yaml", cluster("v-1", "v-2"));
    desk.write("b.yaml", format!("# first\n{}", cluster("v-2", "v-1")));
    let run = desk.nautes(&["validate", "-f", ".", "-o", "sarif"], "");
    let log: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let cycles: Vec<_> = results
        .iter()
        .filter(|r| r["ruleId"] == "ReferenceCycle")
        .collect();
    assert_eq!(cycles.len(), 1, "{}", run.out);
    let at = |place: &serde_json::Value| {
        let place = &place["physicalLocation"];
        (
            place["artifactLocation"]["uri"].clone(),
            place["region"]["startLine"].clone(),
        )
    };
    assert_eq!(at(&cycles[0]["locations"][0]), ("a.yaml".into(), 4.into()));
    assert_eq!(at(&cycles[0]["relatedLocations"][0]), ("b.yaml".into(), 2.into()));
    let text = desk.nautes(&["validate", "-f", "."], "").out;
    assert!(text.contains("see Cluster/v-2 (b.yaml:2)"), "{text}");
}
