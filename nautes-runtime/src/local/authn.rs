//! Who asks: bearer tokens, service account tokens, impersonation.

mod issuer;
mod signing;
mod tokens;

use http::HeaderMap;

pub(crate) use self::issuer::{CONFIGURATION, KEYS, serve as serve_issuer};
pub(crate) use self::signing::SigningKey;
pub(crate) use self::tokens::token_request;
use super::{
    authz::{self, Attributes},
    call::User,
    server::Server,
    status::Status,
};

/// Who issues tokens, and whom they are meant for where nothing else is said.
const ISSUER: &str = "https://kubernetes.default.svc";
fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}

/// The user of a request, by its bearer token.
///
/// # Errors
/// 401 where there is no token, or nobody knows it.
pub(crate) fn authenticate(server: &Server, headers: &HeaderMap) -> Result<User, Status> {
    let header = headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .ok_or_else(unauthorized)?;
    let (scheme, token) = header.split_once(' ').ok_or_else(unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthorized());
    }
    let (user, _) = user_of(server, token.trim(), &[]).ok_or_else(unauthorized)?;
    Ok(user)
}

/// The user that a token stands for, and for which of the audiences it is meant; without audiences it has to be
/// meant for this server.
pub(crate) fn user_of(server: &Server, token: &str, audiences: &[&str]) -> Option<(User, Vec<String>)> {
    let wanted = if audiences.is_empty() {
        &[ISSUER]
    } else {
        audiences
    };
    let known = server
        .tokens
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get(token)
        .cloned();
    let (user, meant) = match known {
        Some(user) => (user, vec![ISSUER.to_owned()]),
        None => tokens::user_of(server, token)?,
    };
    let meant: Vec<String> = meant
        .into_iter()
        .filter(|m| wanted.contains(&m.as_str()))
        .collect();
    (!meant.is_empty()).then_some((user, meant))
}

fn account_user(namespace: &str, name: &str, uid: &str) -> User {
    let all = "system:serviceaccounts";
    let mut user = User::new(
        &format!("system:serviceaccount:{namespace}:{name}"),
        &[all, &format!("{all}:{namespace}")],
    );
    user.uid = uid.to_owned();
    user
}

/// The user that a request acts as: impersonation headers are honoured for who may use them.
///
/// # Errors
/// Forbidden where the user may not impersonate what is asked.
pub(crate) fn impersonate(server: &Server, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    let all = |name: &str| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let (name, uid, mut groups) = (
        text("impersonate-user"),
        text("impersonate-uid"),
        all("impersonate-group"),
    );
    let extra: Vec<(String, Vec<String>)> = headers
        .keys()
        .filter_map(|k| k.as_str().strip_prefix("impersonate-extra-"))
        .map(|key| (key.to_owned(), all(&format!("impersonate-extra-{key}"))))
        .collect();
    if name.is_empty() {
        if !uid.is_empty() || !groups.is_empty() || !extra.is_empty() {
            let shown: Vec<String> = groups.iter().map(|g| format!("{g:?}")).collect();
            let shown = shown.join(", ");
            return Err(Status::bad_request(format!(
                "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:[]string{{{shown}}}, \
                 Extra:map[string][]string(nil)}} without impersonating a user name"
            )));
        }
        return Ok(user);
    }
    let state = server.state();
    let may = |group: &str, resource: &str, namespace: &str, name: &str, sub: &str| {
        let attributes = Attributes {
            verb: "impersonate",
            group,
            resource,
            subresource: sub,
            namespace,
            name,
            path: "",
        };
        authz::require(&state, &user, &attributes)
    };
    let authentication = "authentication.k8s.io";
    let mut acting = match name
        .strip_prefix("system:serviceaccount:")
        .and_then(|r| r.split_once(':'))
    {
        Some((namespace, account)) => {
            may("", "serviceaccounts", namespace, account, "")?;
            let implied = groups.is_empty();
            let acting = account_user(namespace, account, "");
            if implied {
                groups.clone_from(&acting.groups);
            }
            acting
        }
        None => {
            may("", "users", "", name, "")?;
            User::new(name, &[])
        }
    };
    for group in all("impersonate-group") {
        may("", "groups", "", &group, "")?;
    }
    if !uid.is_empty() {
        may(authentication, "uids", "", uid, "")?;
        acting.uid = uid.to_owned();
    }
    for (key, values) in &extra {
        for value in values {
            may(authentication, "userextras", "", value, key)?;
        }
    }
    let known = if name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        "system:authenticated"
    };
    if !groups.iter().any(|g| g == known) {
        groups.push(known.to_owned());
    }
    acting.groups = groups;
    acting.extra = extra;
    Ok(acting)
}
