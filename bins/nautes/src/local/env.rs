//! `nautes local env`: what a terminal needs so that nautes, git and kubectl just work.

use super::cli::Shell;
use super::data::{Data, Remembered};
use super::ports::{API, FORGE};
use crate::exit::{Exit, Failure};

/// Returns the variables, in order.
///
/// # Errors
/// The platform has never run, or there is no such user.
pub fn variables(
    data: &Data,
    remembered: &Remembered,
    user: &str,
    cluster: &str,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let port = |name: &str| {
        remembered.ports.get(name).copied().ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                format!("the platform in {} has never run", data.dir().display()),
            )
            .hint("start it with `nautes local up`")
        })
    };
    let token = remembered.users.get(user).ok_or_else(|| {
        let known: Vec<&str> = remembered.users.keys().map(String::as_str).collect();
        Failure::new(Exit::NotFound, format!("there is no user {user:?}"))
            .hint(format!("the users are {}", known.join(", ")))
    })?;
    let kubeconfig = data.kubeconfig(cluster);
    if !kubeconfig.is_file() {
        return Err(
            Failure::new(Exit::NotFound, format!("there is no cluster {cluster:?}"))
                .hint(format!("the clusters are {}", super::clusters::ALL.join(", "))),
        );
    }
    let forge = format!("http://127.0.0.1:{}", port(FORGE)?);
    // Git asks the helper for the forge of this platform only, and the helper takes the token from the environment.
    let helper = r#"!f() { test "$1" = get && echo "username=token" && echo "password=$NAUTES_TOKEN"; }; f"#;
    Ok(vec![
        ("NAUTES_SERVER", format!("http://127.0.0.1:{}", port(API)?)),
        ("NAUTES_TOKEN", token.clone()),
        ("NAUTES_FORGE", forge.clone()),
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("GIT_CONFIG_COUNT", "2".to_owned()),
        // An empty helper first: those of the user's own configuration are not asked, and learn nothing.
        ("GIT_CONFIG_KEY_0", format!("credential.{forge}.helper")),
        ("GIT_CONFIG_VALUE_0", String::new()),
        ("GIT_CONFIG_KEY_1", format!("credential.{forge}.helper")),
        ("GIT_CONFIG_VALUE_1", helper.to_owned()),
    ])
}

/// Writes variables as commands of a shell.
#[must_use]
pub fn script(variables: &[(&'static str, String)], shell: Shell) -> String {
    let line = |(name, value): &(&str, String)| match shell {
        Shell::Sh => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
        Shell::Fish => format!(
            "set -gx {name} '{}'\n",
            value.replace('\\', r"\\").replace('\'', r"\'")
        ),
    };
    variables.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_the_shell() {
        let one = [("A", r"it's \ $HOME".to_owned())];
        assert_eq!(script(&one, Shell::Sh), "export A='it'\\''s \\ $HOME'\n");
        assert_eq!(script(&one, Shell::Fish), "set -gx A 'it\\'s \\\\ $HOME'\n");
    }
}
