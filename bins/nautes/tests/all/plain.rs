//! Help, exit codes, and what needs no server.

use crate::kit::{example, nautes};

#[test]
fn help_names_every_command_and_exit_code() {
    let help = nautes(&["--help"], "");
    assert_eq!(help.code, 0);
    for word in [
        "apply",
        "remove",
        "get",
        "delete",
        "validate",
        "plan",
        "status",
        "login",
        "logout",
        "context",
        "whoami",
        "why",
        "impact",
        "access",
        "graph",
        "explain",
        "init",
        "crds",
        "version",
        "completion",
    ] {
        assert!(help.out.contains(&format!("\n  {word} ")), "{word}\n{}", help.out);
    }
    for code in [
        "0 all is well",
        "1 findings",
        "2 usage",
        "3 denied",
        "4 not found",
        "5 conflict",
        "6 partly",
        "7 unav",
        "8 int",
        "130 interrupted",
    ] {
        assert!(help.out.contains(code), "{code}");
    }
    assert!(help.err.is_empty());
}

#[test]
fn wrong_command_lines_end_with_2_and_say_so_on_stderr() {
    for words in [
        &["nonsense"][..],
        &["get"],
        &["get", "nonsense", "-s", "http://127.0.0.1:9", "-t", "t"],
        &["get", "env", "-s", "http://127.0.0.1:9", "-t", "t"],
        &["get", "clusters"],
        &["get", "clusters", "-s", "not a url", "-t", "t"],
        &["apply"],
        &["apply", "-f", "no-such-file.yaml"],
        &["validate", "-f", "nothing-*.yaml"],
        &["apply", "-f", "-", "--timeout", "soon"],
    ] {
        let run = nautes(words, "");
        assert_eq!(run.code, 2, "{words:?}: {}", run.err);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{words:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_ends_with_7_and_the_token_stays_secret() {
    for words in [
        &["get", "clusters"][..],
        &["status"],
        &["plan"],
        &["delete", "cluster", "a"],
        &["apply", "-f", &example("shop.yaml")],
    ] {
        let with = [words, &["-s", "http://127.0.0.1:9", "-t", "canary-token", "-vv"]].concat();
        let run = nautes(&with, "");
        assert_eq!(run.code, 7, "{words:?}: {}", run.err);
        assert!(run.err.contains("hint:"), "{}", run.err);
        assert!(
            !run.err.contains("canary-token") && !run.out.contains("canary-token"),
            "{}",
            run.err
        );
    }
}

#[test]
fn good_manifests_are_valid_offline_and_what_is_elsewhere_is_a_warning() {
    let run = nautes(&["validate", "-f", &example("shop.yaml"), "-o", "json"], "");
    assert_eq!(run.code, 0, "{}", run.err);
    let shown: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(shown["accepted"], true);
    assert_eq!(shown["findings"].as_array().unwrap().len(), 0, "{}", run.out);
    let unchecked: Vec<_> = shown["notChecked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| u["resource"]["kind"].as_str().unwrap())
        .collect();
    assert!(unchecked.contains(&"Cluster"), "{unchecked:?}");
    let text = std::fs::read_to_string(example("shop.yaml")).unwrap();
    assert_eq!(nautes(&["validate", "-f", "-"], &text).code, 0);
}

#[test]
fn every_fault_is_told_with_place_rule_and_hint() {
    let run = nautes(&["validate", "-f", &example("broken.yaml")], "");
    assert_eq!(run.code, 1);
    for part in [
        "error[ManifestFieldUnknown]",
        "broken.yaml:7:3",
        "did you mean cluster?",
        "error[RuntimeNamespaceReserved]",
        "error[ProjectMissing]",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
}

#[test]
fn definitions_and_completions_are_printed() {
    let crds = nautes(&["crds"], "");
    assert_eq!(crds.code, 0);
    assert_eq!(
        crds.out.matches("kind: CustomResourceDefinition").count(),
        nautes_model::kind::KINDS.len()
    );
    for shell in ["bash", "zsh", "fish"] {
        let run = nautes(&["completion", shell], "");
        assert!(run.code == 0 && run.out.contains("nautes"), "{shell}");
    }
}

#[cfg(feature = "local")]
#[test]
fn local_commands_without_a_platform_end_with_4() {
    for words in [
        &["local", "env"][..],
        &["local", "down"],
        &["local", "reset"],
        &["local", "kubeconfig", "live"],
        &["local", "demo", "--attach"],
    ] {
        let run = nautes(words, "");
        assert_eq!(run.code, 4, "{words:?}: {}", run.err);
        assert!(run.err.contains("hint:"), "{}", run.err);
    }
}
