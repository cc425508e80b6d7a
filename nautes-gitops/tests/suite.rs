//! The integration tests of nautes-gitops, in one binary.

#[cfg(test)]
mod suite {
    pub(crate) mod kit;

    mod canary;
    mod checkup;
    mod conformance;
    mod feed;
    mod folder;
    mod git;
    mod gitea;
    mod gitea_api;
    mod gitlab;
    mod gitlab_api;
    mod gitlab_git;
    mod gitlab_openapi;
    mod gitlab_rounds;
    mod gitlab_tls;
    mod hooks;
    mod openapi;
    mod publish;
    mod real_git;
    mod restart;
    mod tree;

    #[test]
    fn no_file_is_forgotten() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let listed = std::fs::read_to_string(here.join("suite.rs")).unwrap();
        for entry in std::fs::read_dir(here.join("suite")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let module = name.trim_end_matches(".rs");
            assert!(
                listed.contains(&format!("mod {module};")),
                "{name} is not compiled"
            );
        }
    }
}
