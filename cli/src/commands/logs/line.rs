//! One line of a log, and how lines are printed.

use std::cell::RefCell;
use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::source::Source;
use crate::printer::{Documents, Printer};

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    source: &'a Source,
    pub(super) time: Option<Timestamp>,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// A line as the API sends it, with its time before it.
    pub(super) fn of(source: &'a Source, line: &'a str) -> Self {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        match time.parse() {
            Ok(time) => Self { source, time: Some(time), text },
            Err(_) => Self { source, time: None, text: line },
        }
    }
}

/// Prints lines, with what tells several logs apart.
pub(super) struct Lines {
    printer: Printer,
    documents: Documents,
    timestamps: bool,
    named: RefCell<Named>,
}

/// The pods whose logs are printed, and their containers.
#[derive(Default)]
struct Named {
    pods: HashSet<String>,
    containers: HashSet<String>,
}

impl Lines {
    pub(super) fn new(printer: Printer, timestamps: bool) -> Self {
        let documents = Documents::new(printer);
        Self { printer, documents, timestamps, named: RefCell::default() }
    }

    /// From the second pod on, lines begin with the pod's name; with the container's, where there are
    /// several.
    pub(super) fn announce(&self, source: &Source) {
        let mut named = self.named.borrow_mut();
        named.pods.insert(source.pod.clone());
        named.containers.insert(source.container.clone());
    }

    pub(super) fn print(&self, line: &Line<'_>) {
        if self.printer.json() {
            self.documents.print_short(&document(line));
        } else {
            self.printer.line(self.text(line));
        }
    }

    fn text(&self, line: &Line<'_>) -> String {
        let named = self.named.borrow();
        let (pod, container) = (&line.source.pod, &line.source.container);
        let prefix = match (named.pods.len() > 1, named.containers.len() > 1) {
            (false, false) => String::new(),
            (true, false) => format!("[{pod}] "),
            (false, true) => format!("[{container}] "),
            (true, true) => format!("[{pod}/{container}] "),
        };
        let time = line.time.filter(|_| self.timestamps).map(|time| format!("{time} "));
        format!("{prefix}{}{}", time.unwrap_or_default(), line.text)
    }
}

/// A line as one object.
fn document(line: &Line<'_>) -> Value {
    json!({
        "time": line.time.map(|time| time.to_string()), "pod": line.source.pod,
        "container": line.source.container, "line": line.text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_apart_only_where_there_are_several() {
        let (pc, qc, pd) =
            (Source::of_last("p", "c"), Source::of_last("q", "c"), Source::of_last("p", "d"));
        let line = Line::of(&pc, "2026-01-01T00:00:00.5Z hello world");
        let lines = |timestamps, sources: &[&Source]| {
            let lines = Lines::new(Printer::new(crate::args::Output::Text), timestamps);
            sources.iter().for_each(|source| lines.announce(source));
            lines.text(&line)
        };
        assert_eq!(lines(false, &[&pc]), "hello world");
        assert_eq!(lines(false, &[&pc, &qc]), "[p] hello world");
        assert_eq!(lines(false, &[&pc, &pd]), "[c] hello world");
        assert_eq!(lines(false, &[&pc, &qc, &pd]), "[p/c] hello world");
        assert_eq!(lines(true, &[&pc]), "2026-01-01T00:00:00.5Z hello world");
        assert_eq!(
            document(&line).to_string(),
            r#"{"container":"c","line":"hello world","pod":"p","time":"2026-01-01T00:00:00.5Z"}"#
        );
    }

    #[test]
    fn empty_lines_and_lines_without_a_time_stay_as_they_are() {
        let source = Source::of_last("p", "c");
        let empty = Line::of(&source, "2026-01-01T00:00:00Z ");
        assert_eq!((empty.text, empty.time.is_some()), ("", true));
        let bare = Line::of(&source, "no time here");
        assert_eq!((bare.text, bare.time), ("no time here", None));
    }
}
