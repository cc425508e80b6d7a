//! What programs made with kube usually do.
