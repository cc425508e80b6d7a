//! What a deployment runtime has deployed, and what differs.

use axum::Json;
use axum::extract::State;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Class, Kind};
use nautes_runtime::deploy::{DeploymentReport, InspectError, inspect};

use super::gate::Named;
use super::live::report_error;
use super::operation::{Access, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::scopes;
use crate::error::{ApiError, chain, internal};

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/v1/products/{product}/deploymentruntimes/{name}/deployment",
            "deploymentOfRuntime",
            Needs::Resource(Kind::DeploymentRuntime, Access::Read),
            deployment,
        )
        .with(Parameter::path::<ProductName>(
            "product",
            "The name of the product.",
            "shop",
        ))
        .with(Parameter::path::<ResourceName>(
            "name",
            "The name of the deployment runtime.",
            "live",
        ))
        .says(
            Tag::Live,
            "What a deployment runtime has deployed, and what differs",
            "Looks at the repository and at the cluster now, and changes nothing: the commit that is wanted, the last one \
             of which every object was deployed (`actual`) and the one that is being deployed (`deploying`), whether it \
             works, when something was changed last, and object by object what would be done: of an object that is there, \
             field by field what it is and what it shall be. Values of Secrets, and of whatever else looks secret, are \
             hidden; that they differ is told. What cannot be reached is named in `unknown`, and `inSync` is not said \
             then.",
        )
        .replies::<DeploymentReport>(200, "What is known of the deployment."),
    ]
}

async fn deployment(
    State(app): State<App>,
    Named(runtime): Named,
) -> Result<Json<DeploymentReport>, ApiError> {
    let scopes = scopes(&app).await?;
    let found = inspect(app.platform(), &scopes, &runtime).await;
    found.map(Json).map_err(|error| match &error {
        InspectError::Status(source) => report_error(source),
        _ if error.class() == Class::Bug => internal("the deployment cannot be looked at", &error),
        _ => ApiError::of_class(error.class(), chain(&error)),
    })
}
