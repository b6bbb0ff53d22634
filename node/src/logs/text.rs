//! Reading log files: the selection of lines, and their format.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use super::files::rotated;
use super::line::parse_line;

/// The options of `kubectl logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<usize>,
    pub since: Option<Timestamp>,
    pub limit_bytes: Option<u64>,
}

pub(super) fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

pub(super) fn render(stored: &[u8], timestamps: bool, out: &mut Vec<u8>) {
    let Some(line) = parse_line(stored) else { return };
    if timestamps {
        out.extend_from_slice(line.time.as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(line.text);
    if line.whole {
        out.push(b'\n');
    }
}

/// The selected lines among those already written, and the offset after them.
pub(super) fn beginning(path: &Path, options: &LogOptions) -> (Vec<Vec<u8>>, u64) {
    let mut lines = VecDeque::new();
    let mut offset = 0;
    for part in [rotated(path), path.to_owned()] {
        let Ok(file) = fs::File::open(&part) else { continue };
        offset = 0;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if line.last() != Some(&b'\n') {
                break;
            }
            offset += line.len() as u64;
            line.pop();
            if is_wanted(&line, options.since) {
                lines.push_back(std::mem::take(&mut line));
            }
            if options.tail_lines.is_some_and(|tail| lines.len() > tail) {
                lines.pop_front();
            }
            line.clear();
        }
    }
    (lines.into(), offset)
}

fn is_wanted(line: &[u8], since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return true };
    let time = parse_line(line).and_then(|line| line.time.parse::<Timestamp>().ok());
    time.is_none_or(|time| time >= since)
}

/// Whole lines after `offset`. A file shorter than `offset` was rotated and is read from its start.
pub(super) fn new_lines(path: &Path, offset: &mut u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(mut file) = fs::File::open(path) else { return bytes };
    if file.metadata().is_ok_and(|meta| meta.len() < *offset) {
        *offset = 0;
    }
    if file.seek(SeekFrom::Start(*offset)).is_err() || file.read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(whole);
    *offset += whole as u64;
    bytes
}

/// The end of a log as plain text, at most so many lines and bytes.
pub(super) fn tail_text(path: &Path, lines: usize, bytes: usize) -> String {
    let options = LogOptions { tail_lines: Some(lines), ..LogOptions::default() };
    let mut text = Vec::new();
    for line in beginning(path, &options).0 {
        render(&line, false, &mut text);
    }
    let start = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(&text[start..]).into_owned()
}
