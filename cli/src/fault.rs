//! The fault of a user's program, found in its log: the last exception, where it was raised, and what
//! to do about it. Pure.
//!
//! Logs of Python, Node, Go, Rust and Java are understood; of others the last line that names an error.

mod hint;
mod text;

use std::fmt;

pub(crate) use self::text::{readable, shortened};

/// A fault, told in one screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The exception: `ModuleNotFoundError: No module named 'pandas'`.
    pub(crate) what: String,
    /// `main.py, line 3: import pandas`; the file relative to the user's folder.
    pub(crate) place: Option<String>,
    /// What to change.
    pub(crate) hint: Option<String>,
}

/// In one line: `KeyError: 'x' (main.py, line 3: a = b["x"])`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

/// The last fault in a log; `None` if nothing in it looks like one.
pub(crate) fn find(log: &str) -> Option<Fault> {
    let lines: Vec<String> = log.lines().map(readable).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let found = [python(&lines), panic(&lines), go(&lines), node(&lines), java(&lines)];
    let latest = found.into_iter().flatten().max_by_key(|(at, _)| *at);
    let mut fault = latest.map(|(_, fault)| fault).or_else(|| last_error(&lines))?;
    fault.hint = hint::of(&fault.what, fault.place.as_deref(), &lines);
    Some(fault)
}

/// The line at which a fault was found, and the fault.
type Found = Option<(usize, Fault)>;

fn fault(what: &str, place: Option<String>) -> Fault {
    Fault { what: what.trim().to_owned(), place, hint: None }
}

struct Frame<'a> {
    file: &'a str,
    line: &'a str,
    code: Option<&'a str>,
}

impl Frame<'_> {
    fn place(&self) -> String {
        let place = format!("{}, line {}", self.file, self.line);
        match self.code {
            Some(code) => format!("{place}: {code}"),
            None => place,
        }
    }

    /// Not of an interpreter's or a package's own files.
    fn is_users(&self) -> bool {
        !self.file.starts_with('/')
            && !self.file.starts_with('<')
            && !self.file.contains("site-packages")
    }
}

/// The last traceback: its last frame in the user's files, and the exception after it.
fn python(lines: &[&str]) -> Found {
    // A syntax error of the program itself has a frame and no headline.
    let is_frame = |line: &&str| line.trim_start().starts_with("File \"");
    let end = lines.iter().rposition(is_frame)?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = indent(lines[end]);
    let after = lines[end + 1..].iter().position(|line| {
        !line.trim().is_empty() && indent(line) < depth && !line.trim_start().starts_with('^')
    })?;
    let exception = lines[end + 1 + after];
    let start = lines[..end]
        .iter()
        .rposition(|line| line.contains("Traceback (most recent"))
        .unwrap_or(end);
    let frames: Vec<Frame<'_>> =
        (start..=end).filter_map(|at| frame(lines[at], lines.get(at + 1).copied())).collect();
    let users = frames.iter().rev().find(|frame| frame.is_users());
    let place = users.or(frames.last()).map(Frame::place);
    Some((end + 1 + after, fault(without_prefix(exception), place)))
}

fn frame<'a>(line: &'a str, next: Option<&'a str>) -> Option<Frame<'a>> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once('"')?;
    let number = rest.strip_prefix(", line ")?;
    let line = number.split(|c: char| !c.is_ascii_digit()).next()?;
    let code = next.map(str::trim).filter(|code| {
        !code.is_empty() && !code.starts_with("File \"") && !code.starts_with(['^', '~'])
    });
    Some(Frame { file, line, code })
}

/// Without what a log library put before it: `2026-01-01 … [ERROR] `.
fn without_prefix(line: &str) -> &str {
    let is_logged = line.starts_with(|c: char| c == '[' || c.is_ascii_digit());
    line.rsplit_once("] ").filter(|_| is_logged).map_or(line, |(_, rest)| rest)
}

/// `thread 'main' panicked at src/main.rs:12:5:` and the message on the next line.
fn panic(lines: &[&str]) -> Found {
    let at = lines.iter().rposition(|line| line.contains("panicked at "))?;
    let place = lines[at].split_once("panicked at ")?.1;
    // Before Rust 1.73: `panicked at 'message', src/main.rs:12:5`.
    if let Some((message, place)) =
        place.strip_prefix('\'').and_then(|rest| rest.rsplit_once("', "))
    {
        return Some((at, fault(&format!("panic: {message}"), Some(file_and_line(place)))));
    }
    let message = lines.get(at + 1).copied().unwrap_or("it says nothing");
    Some((at + 1, fault(&format!("panic: {message}"), Some(file_and_line(place)))))
}

/// `panic: message`, and the first frame that is not of the runtime: a tab, a file, a line.
fn go(lines: &[&str]) -> Found {
    let at = lines.iter().rposition(|line| line.starts_with("panic: "))?;
    let frames = lines[at..].iter().filter_map(|line| line.strip_prefix('\t'));
    let mut files = frames.filter_map(|frame| frame.split_whitespace().next());
    let users = files.find(|file| file.contains(".go:") && !file.contains("/src/runtime/"));
    Some((at, fault(lines[at], users.map(file_and_line))))
}

/// `Error: Cannot find module 'x'`, and the frames `at NAME (FILE:LINE:COLUMN)` below it.
fn node(lines: &[&str]) -> Found {
    let is_frame = |line: &str| line.trim_start().starts_with("at ") && line.contains(':');
    let first =
        (1..lines.len()).rev().find(|&at| is_frame(lines[at]) && !is_frame(lines[at - 1]))?;
    let name = |line: &str| {
        let word = line.trim_start_matches("Uncaught ").split(':').next().unwrap_or_default();
        word.ends_with("Error") && !word.contains(' ')
    };
    let at = (0..first).rev().take(8).find(|&at| name(lines[at]))?;
    let place = |line: &&str| {
        let inside =
            line.rsplit_once('(').map_or(line.trim_start().trim_start_matches("at "), |(_, p)| p);
        let inside = inside.trim_end_matches(')').trim_start_matches("file://");
        let is_users = !inside.starts_with("node:") && !inside.contains("node_modules/");
        is_users.then(|| file_and_line(inside))
    };
    let users = lines[first..].iter().take_while(|line| is_frame(line)).find_map(place);
    Some((at, fault(lines[at].trim_start_matches("Uncaught "), users)))
}

/// `Exception in thread "main" java.lang.X: message`, or `Caused by: …`, and `at a.B.c(B.java:12)`.
fn java(lines: &[&str]) -> Found {
    let starts =
        |line: &&str| line.starts_with("Exception in thread ") || line.starts_with("Caused by: ");
    let at = lines.iter().rposition(starts)?;
    let what = lines[at].strip_prefix("Caused by: ").unwrap_or_else(|| {
        lines[at].split_once("\" ").map_or(lines[at], |(_, exception)| exception)
    });
    let frame = lines[at + 1..].iter().find_map(|line| line.trim_start().strip_prefix("at "));
    let place = frame
        .and_then(|frame| frame.split_once('('))
        .map(|(_, place)| file_and_line(place.trim_end_matches(')')));
    Some((at, fault(what, place)))
}

/// `FILE:LINE:COLUMN:` for people.
fn file_and_line(place: &str) -> String {
    let place = place.trim_end_matches(':');
    let mut parts = place.split(':');
    match (parts.next(), parts.next().filter(|line| line.bytes().all(|b| b.is_ascii_digit()))) {
        (Some(file), Some(line)) => format!("{file}, line {line}"),
        _ => place.to_owned(),
    }
}

/// The last line that names an error.
fn last_error(lines: &[&str]) -> Option<Fault> {
    let names_one = |line: &&&str| {
        let line = line.to_lowercase();
        [
            "error",
            "fatal",
            "exception",
            "not found",
            "cannot ",
            "failed",
            "no such file",
            "permission denied",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    lines.iter().rev().find(names_one).map(|line| fault(without_prefix(line), None))
}

#[cfg(test)]
mod tests;
