//! How the demo tells what it does: a spinner and lines on a terminal, plain lines elsewhere, or JSON.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::exit::Failure;
use crate::local::cli::Form;
use crate::output::{self, BOLD, DIM, GREEN, RED};

/// Tells the steps.
#[derive(Debug)]
pub struct Teller {
    form: Form,
    current: (usize, String),
    spinner: Option<ProgressBar>,
    quiet: bool,
    /// Everything that was told, for those who listen in process.
    pub told: Vec<String>,
}

impl Teller {
    /// Makes it; the spinner shows on a terminal only.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self {
            form,
            current: (0, String::new()),
            spinner: None,
            quiet: false,
            told: Vec::new(),
        }
    }

    /// Tells nothing aloud: what was told is in [`Teller::told`].
    #[must_use]
    pub fn silent() -> Self {
        let mut teller = Self::new(Form::Text);
        teller.quiet = true;
        teller
    }

    /// A step begins.
    pub fn begin(&mut self, number: usize, title: &str) {
        self.current = (number, title.to_owned());
        if self.form == Form::Text && !self.quiet && std::io::stderr().is_terminal() {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
                spinner.set_style(style);
            }
            spinner.set_message(self.head());
            spinner.enable_steady_tick(Duration::from_millis(80));
            self.spinner = Some(spinner);
        }
    }

    fn head(&self) -> String {
        let (number, title) = &self.current;
        if *number == 0 {
            title.clone()
        } else {
            format!("{number}. {title}")
        }
    }

    /// A step has ended, and what was observed.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end(&mut self, took: Duration, saw: &[String]) -> Result<(), Failure> {
        self.clear();
        let text = match self.form {
            Form::Json => self.json(took, saw, None),
            Form::Text => {
                let mut text = format!(
                    "{GREEN}✔{GREEN:#} {BOLD}{}{BOLD:#} {DIM}({} ms){DIM:#}\n",
                    self.head(),
                    took.as_millis()
                );
                for line in saw {
                    text.push_str(&format!("    {DIM}saw{DIM:#} {line}\n"));
                }
                text
            }
        };
        self.tell(&text)
    }

    /// A step has failed.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn failed(&mut self, took: Duration, saw: &[String], failure: &Failure) -> Result<(), Failure> {
        self.clear();
        let text = match self.form {
            Form::Json => self.json(took, saw, Some(&failure.message)),
            Form::Text => {
                let mut text = format!(
                    "{RED}✘{RED:#} {BOLD}{}{BOLD:#} {DIM}({} ms){DIM:#}\n",
                    self.head(),
                    took.as_millis()
                );
                for line in saw {
                    text.push_str(&format!("    {DIM}saw{DIM:#} {line}\n"));
                }
                text
            }
        };
        self.tell(&text)
    }

    /// All steps are done.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn done(&mut self, took: Duration) -> Result<(), Failure> {
        let text = match self.form {
            Form::Json => format!("{}\n", json!({ "held": true, "milliseconds": took.as_millis() })),
            Form::Text => format!(
                "{GREEN}every observation held{GREEN:#} {DIM}({}.{} s){DIM:#}\n",
                took.as_secs(),
                took.subsec_millis() / 100
            ),
        };
        self.tell(&text)
    }

    fn json(&self, took: Duration, saw: &[String], failed: Option<&str>) -> String {
        let (number, title) = &self.current;
        let mut line = json!({
            "step": number, "does": title, "observed": saw, "held": failed.is_none(),
            "milliseconds": took.as_millis(),
        });
        if let Some(failed) = failed {
            line["error"] = json!(failed);
        }
        format!("{line}\n")
    }

    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        self.told.push(text.to_owned());
        if self.quiet { Ok(()) } else { output::data(text) }
    }

    fn clear(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.clear();
    }
}
