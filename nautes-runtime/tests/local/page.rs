//! The page of the local cluster.
