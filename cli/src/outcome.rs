//! Outcomes of commands: exit codes, and errors that say what happened, why, and what to run next.

use std::fmt;

/// The exit codes of commands, besides 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Failed = 1,
    Usage = 2,
    NotReady = 3,
}

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// What happened, one sentence without a full stop.
    what: String,
    /// The causes, outermost first.
    why: Vec<String>,
    /// What to do now: a command, or a sentence.
    next: Option<String>,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { code: Code::Failed, what: what.into(), why: Vec::new(), next: None }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { code: Code::Usage, ..Self::new(what) }
    }

    pub(crate) fn not_ready(what: impl Into<String>) -> Self {
        Self { code: Code::NotReady, ..Self::new(what) }
    }

    pub(crate) fn because(mut self, why: impl fmt::Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for why in &self.why {
            write!(f, "\n  why: {why}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  try: {next}")?;
        }
        Ok(())
    }
}

/// Adds a description of the failed step to an error.
pub(crate) trait Context<T> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> Context<T> for std::result::Result<T, E> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let error: anyhow::Error = error.into();
            let mut failure = Failure::new(what());
            let mut last = String::new();
            for cause in error.chain() {
                let text = cause.to_string();
                // A source that its error already quotes is left out.
                if !last.contains(&text) {
                    failure.why.push(text.clone());
                }
                last = text;
            }
            failure
        })
    }
}

/// The failure of a request to the cluster, with the server's message.
pub(crate) fn refused(error: &kube::Error, doing: &str) -> Failure {
    match error {
        kube::Error::Api(status) => {
            Failure::new(format!("the cluster refused to {doing}")).because(&status.message)
        }
        other => Failure::new(format!("could not {doing}")).because(chain(other)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let failure =
            Failure::usage("port 7443 is taken").because("in use").next("rouse up --api-port 0");
        assert_eq!(
            failure.to_string(),
            "error: port 7443 is taken\n  why: in use\n  try: rouse up --api-port 0"
        );
        assert_eq!(failure.code as u8, 2);
    }
}
