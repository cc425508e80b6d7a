//! Asking somebody for a token on the terminal, without showing what is typed.

use std::io::IsTerminal as _;

use nautes_model::Secret;

use crate::exit::{Exit, Failure};

/// Whether there is somebody to ask.
#[must_use]
pub fn can_ask() -> bool {
    cfg!(unix) && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a token. Ctrl-C leaves the terminal as it was.
///
/// # Errors
/// Nobody answers, or what is typed is no token.
#[cfg(unix)]
pub async fn ask(question: &str) -> Result<Secret, Failure> {
    let quiet = Quiet::begin().map_err(|e| unreadable(&e))?;
    anstream::eprint!("{question}: ");
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: nobody waits for it when the program ends before something is typed.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).map(|_| Secret::from(line));
        let _ = tell.send(read);
    });
    let typed = tokio::select! {
        typed = told => typed.ok(),
        _ = tokio::signal::ctrl_c() => None,
    };
    drop(quiet);
    anstream::eprintln!();
    match typed {
        Some(Ok(line)) => super::clean(&line, "what was typed"),
        Some(Err(e)) => Err(unreadable(&e)),
        None => Err(Failure::new(Exit::Interrupted, "nothing was typed")),
    }
}

/// Asks for a token.
///
/// # Errors
/// There is no terminal that can be asked here.
#[cfg(not(unix))]
pub async fn ask(_question: &str) -> Result<Secret, Failure> {
    Err(Failure::usage("a token cannot be asked for here").hint("give it on standard input"))
}

#[cfg(unix)]
fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("the terminal cannot be read: {error}"))
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Quiet(rustix::termios::Termios);

#[cfg(unix)]
impl Quiet {
    fn begin() -> std::io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let was = tcgetattr(std::io::stdin())?;
        let mut quiet = was.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        quiet.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(was))
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
