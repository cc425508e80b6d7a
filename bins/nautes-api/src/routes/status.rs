//! The status of one resource.

use axum::Json;
use axum::extract::State;
use nautes_model::Kind;
use nautes_model::name::ResourceName;
use nautes_runtime::status_report::{ResourceStatus, report_one};

use super::live::report_error;
use super::operation::{Needs, Operation, Parameter, Tag};
use super::path::OfKind;
use crate::app::App;
use crate::error::ApiError;
use crate::policy::Action;

const DESCRIPTION: &str = "The resource counts as ready only if its status speaks of what is declared now. Beside the \
                           conditions stand the revision that they speak of, when one of them changed last, the rules \
                           that are broken and what to do about them.";

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let name = |example| Parameter::path::<ResourceName>("name", "The name of the resource.", example);
    let kind = |example| {
        Parameter::path::<String>("kind", "The kind: its name, its plural or a short name.", example)
    };
    vec![
        Operation::get(
            "/api/v1/status/{product}/{kind}/{name}",
            "statusOfResource",
            Needs::Product(Action::Read),
            status,
        )
        .with(Parameter::product())
        .with(kind("environments"))
        .with(name("dev"))
        .says(
            Tag::Live,
            "Whether one resource of a product works, and why not",
            DESCRIPTION,
        )
        .replies::<ResourceStatus>(200, "The state of the resource."),
        Operation::get(
            "/api/v1/status/{kind}/{name}",
            "statusOfTenantResource",
            Needs::Tenant(Action::Read),
            status_of_tenant,
        )
        .with(kind("clusters"))
        .with(name("pipelines"))
        .says(
            Tag::Live,
            "Whether one resource of the tenant works, and why not",
            format!("{DESCRIPTION} The status of a product stands at `/api/v1/status/{{product}}`."),
        )
        .replies::<ResourceStatus>(200, "The state of the resource."),
    ]
}

/// `GET /api/v1/status/{product}/{kind}/{name}`.
async fn status(State(app): State<App>, OfKind(identity): OfKind) -> Result<Json<ResourceStatus>, ApiError> {
    report_one(app.platform(), &identity)
        .await
        .map(Json)
        .map_err(|error| report_error(&error))
}

/// `GET /api/v1/status/{kind}/{name}`.
async fn status_of_tenant(
    state: State<App>,
    OfKind(identity): OfKind,
) -> Result<Json<ResourceStatus>, ApiError> {
    if identity.kind == Kind::Product {
        return Err(
            ApiError::malformed("the status of a product has a path of its own")
                .hint(format!("ask /api/v1/status/{}", identity.name)),
        );
    }
    status(state, OfKind(identity)).await
}
