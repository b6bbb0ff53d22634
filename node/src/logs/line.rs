//! A line of a log: cut from a container's output, and in the stored format.

/// Longer lines are written in parts, as container runtimes do.
pub(super) const LINE_MAX_BYTES: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

impl LogStream {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a log file.
#[derive(Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    pub time: &'a str,
    pub stream: &'a str,
    pub whole: bool,
    pub text: &'a [u8],
}

/// Parses a stored line (without its newline).
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<LogLine<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = std::str::from_utf8(parts.next()?).ok()?;
    let whole = parts.next()? == b"F";
    Some(LogLine { time, stream, whole, text: parts.next().unwrap_or_default() })
}

/// Cuts bytes into lines.
#[derive(Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    pub(crate) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(bool, &[u8])) {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let rest = &self.rest[start..];
            let end = rest.iter().take(LINE_MAX_BYTES).position(|byte| *byte == b'\n');
            match end {
                Some(end) => {
                    each(true, &rest[..end]);
                    start += end + 1;
                }
                None if rest.len() >= LINE_MAX_BYTES => {
                    each(false, &rest[..LINE_MAX_BYTES]);
                    start += LINE_MAX_BYTES;
                }
                None => break,
            }
        }
        self.rest.drain(..start);
    }

    pub(crate) fn finish(&mut self, mut each: impl FnMut(bool, &[u8])) {
        if !self.rest.is_empty() {
            each(true, &std::mem::take(&mut self.rest));
        }
    }
}
