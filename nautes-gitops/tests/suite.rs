//! The integration tests of nautes-gitops, in one binary.

mod suite {
    pub(crate) mod kit;
    mod real_git;
}
