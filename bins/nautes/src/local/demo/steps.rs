//! The steps, in order.

mod declare;
mod deploy;
mod isolate;
mod pipeline;
mod register;
mod reject;
mod remove;
mod settle;

use super::stage::Stage;
use crate::exit::Failure;

/// The manifests of the first product.
pub(crate) const SHOP: &str = include_str!("../../../../../examples/manifests/shop.yaml");
/// The manifests of the second product.
pub(crate) const BOOKS: &str = include_str!("../../../../../examples/manifests/books.yaml");
/// A file with several faults.
const BROKEN: &str = include_str!("../../../../../examples/manifests/broken.yaml");
/// An environment on a cluster that is registered later.
const LATER: &str = include_str!("../../../../../examples/manifests/later.yaml");
/// What is in the source repository.
const SOURCE: &str = include_str!("../../../../../examples/manifests/repos/source/main.rs");
/// What is in the pipeline repository.
const PIPELINE: &str = include_str!("../../../../../examples/manifests/repos/pipeline/pipelines/main.yaml");
/// What is in the deployment repository.
const WEB: &str = include_str!("../../../../../examples/manifests/repos/deploy/deployments/test/web.yaml");
const SERVICE: &str =
    include_str!("../../../../../examples/manifests/repos/deploy/deployments/test/service.yaml");

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number.
    pub number: usize,
    /// What it does.
    pub title: &'static str,
}

/// All steps.
pub const STEPS: &[Step] = &[
    Step {
        number: 1,
        title: "register clusters: a host, a virtual one on it, one for pipelines",
    },
    Step {
        number: 2,
        title: "declare the product shop: one shuffled file, one commit",
    },
    Step {
        number: 3,
        title: "hand in what is wrong, and what comes too early",
    },
    Step {
        number: 4,
        title: "push source code: a pipeline starts",
    },
    Step {
        number: 5,
        title: "push manifests: they are deployed, followed, pruned and healed",
    },
    Step {
        number: 6,
        title: "declare a second product on the same clusters: it is kept apart",
    },
    Step {
        number: 7,
        title: "look at the whole, and compare everything once more",
    },
    Step {
        number: 8,
        title: "remove everything in reverse order",
    },
];

/// Takes a step; what it observes goes to `saw`.
///
/// # Errors
/// An observation did not hold.
pub async fn take(number: usize, stage: &mut Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    match number {
        1 => register::take(stage, saw).await,
        2 => declare::take(stage, saw).await,
        3 => reject::take(stage, saw).await,
        4 => pipeline::take(stage, saw).await,
        5 => deploy::take(stage, saw).await,
        6 => isolate::take(stage, saw).await,
        7 => settle::take(stage, saw).await,
        8 => remove::take(stage, saw).await,
        _ => Ok(()),
    }
}
