//! Standard input, which can be read once.

use std::io::Stdin;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Failure;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes standard input. Whoever comes second would find it empty, and take that for what is declared.
pub(super) fn take() -> Result<Stdin, Failure> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Failure::usage("standard input (-) is named more than once")
            .hint("name it once; keep what is needed again in a file"));
    }
    Ok(std::io::stdin())
}
