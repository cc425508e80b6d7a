//! The integration tests of nautes-gitops, in one binary.

mod suite {
    mod conformance;
    pub(crate) mod kit;
    mod real_git;
}
