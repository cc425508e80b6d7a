//! The caller himself.

use axum::Json;

use super::operation::{Needs, Operation, Tag};
use crate::auth::Caller;
use crate::wire::User;

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/whoami", "whoami", Needs::Caller, whoami)
            .says(
                Tag::Caller,
                "Who the caller is",
                "Clients ask it to see whether a token is any good, before they keep it.",
            )
            .replies::<User>(200, "The user of the forge whose token was sent."),
    ]
}

/// `GET /api/v1/whoami`.
pub(crate) async fn whoami(caller: Caller) -> Json<User> {
    Json(User {
        forge: caller.session.host().to_owned(),
        name: caller.user.name,
        email: caller.user.email,
    })
}
