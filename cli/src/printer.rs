//! Output: results on stdout, progress on stderr, tables, and the live line.
//!
//! The one place that prints. Control codes go only to a terminal; with `NO_COLOR` no styles.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use crate::args::Output;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    pub(crate) output: Output,
    /// Lines of results and progress are left out.
    quiet: bool,
    stdout_is_terminal: bool,
    colour: bool,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        let stdout_is_terminal = std::io::stdout().is_terminal();
        let colour =
            stdout_is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { output, quiet: false, stdout_is_terminal, colour }
    }

    /// The same, but lines of results and progress are left out.
    pub(crate) fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Whether programs read the result.
    pub(crate) fn json(&self) -> bool {
        matches!(self.output, Output::Json | Output::Yaml)
    }

    pub(crate) fn interactive(&self) -> bool {
        self.stdout_is_terminal
    }

    /// A line of the result.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.quiet {
            write_to(&mut std::io::stdout().lock(), text.as_ref(), "\n");
        }
    }

    /// Bytes of the result, as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A reader that went away (`| head`) is no error of ours.
        let _gone = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// The whole result as one document: of YAML if that was asked for, else of JSON.
    pub(crate) fn document(&self, value: &impl serde::Serialize) {
        self.line(match self.output {
            Output::Yaml => yaml(value),
            _ => serde_json::to_string_pretty(value).expect("our own types have string keys"),
        });
    }

    /// A line of progress.
    pub(crate) fn progress(&self, text: impl AsRef<str>) {
        if !self.quiet {
            write_to(&mut std::io::stderr().lock(), text.as_ref(), "\n");
        }
    }

    /// A line that replaces itself on a terminal; elsewhere each change is a line.
    pub(crate) fn live(&self, text: impl AsRef<str>) {
        if self.stdout_is_terminal {
            write_to(&mut std::io::stdout().lock(), &format!("\r\x1b[2K{}", text.as_ref()), "");
        } else {
            self.line(text);
        }
    }

    /// Ends a live line.
    pub(crate) fn live_done(&self) {
        if self.stdout_is_terminal {
            self.line("");
        }
    }

    /// Goes back to the line that is `lines` above, and clears from there, on a terminal.
    pub(crate) fn up(&self, lines: usize) {
        if self.stdout_is_terminal {
            write_to(&mut std::io::stdout().lock(), &format!("\x1b[{lines}A\x1b[J"), "");
        }
    }

    /// Bold, where that is possible.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.styled(text, "1")
    }

    /// Dim, where that is possible.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.styled(text, "2")
    }

    fn styled(&self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Rows under headings, columns as wide as their widest cell.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        for line in table(headings, rows) {
            self.line(line);
        }
    }
}

/// A document of YAML, without the last line's end.
pub(crate) fn yaml(value: &impl serde::Serialize) -> String {
    // By way of JSON's own types, as YAML has others too.
    let value = serde_json::to_value(value).expect("our own types have string keys");
    let text = serde_yaml::to_string(&value).expect("a JSON document is a YAML document");
    text.trim_end().to_owned()
}

/// Documents one after another, as they come: those of YAML with `---` between.
#[derive(Debug)]
pub(crate) struct Documents {
    printer: Printer,
    any: Cell<bool>,
}

impl Documents {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer, any: Cell::new(false) }
    }

    pub(crate) fn print(&self, value: &impl serde::Serialize) {
        if self.any.replace(true) && self.printer.output == Output::Yaml {
            self.printer.line("---");
        }
        self.printer.document(value);
    }

    /// The same, but JSON in one line.
    pub(crate) fn print_short(&self, value: &serde_json::Value) {
        match self.printer.output {
            Output::Yaml => self.print(value),
            _ => self.printer.line(value.to_string()),
        }
    }
}

fn write_to(out: &mut impl Write, text: &str, end: &str) {
    // A reader that went away (`| head`) is no error of ours.
    let _gone = write!(out, "{text}{end}").and_then(|()| out.flush());
}

/// The widths of a table's columns, for rows that come one after another.
#[derive(Debug, Default)]
pub(crate) struct Columns(Vec<usize>);

impl Columns {
    /// As wide as the widest cell.
    pub(crate) fn of(headings: &[&str], rows: &[Vec<String>]) -> Self {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count());
            cells.chain([headings[column].len()]).max().unwrap_or(0)
        };
        Self((0..headings.len()).map(width).collect())
    }

    /// One row.
    pub(crate) fn line<T: AsRef<str>>(&self, cells: &[T]) -> String {
        let cells = cells.iter().map(AsRef::as_ref).zip(&self.0);
        let padded: Vec<String> = cells.map(|(cell, &w)| format!("{cell:<w$}")).collect();
        padded.join("   ").trim_end().to_owned()
    }
}

/// The lines of a table, headings first.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let columns = Columns::of(headings, rows);
    let mut lines = vec![columns.line(headings)];
    lines.extend(rows.iter().map(|row| columns.line(row)));
    lines
}

/// A time span in the largest unit of which there are at least two: 45s, 3m, 2h, 5d.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 120 => format!("{s}s"),
        s if s < 7200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}

/// Bytes in the largest unit of which there is at least one: 12.3 MiB.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes >> shift > 0) {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

/// A bar that is `width` wide, of which `share` is full.
pub(crate) fn bar(share: f64, width: usize) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to width")]
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["a".to_owned(), "100%".to_owned()],
            vec!["longer".to_owned(), "5%".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "SHARE"], &rows),
            ["NAME     SHARE", "a        100%", "longer   5%"]
        );
    }

    #[test]
    fn a_document_of_yaml_is_written_as_jsons_types() {
        #[derive(serde::Serialize)]
        struct One {
            name: &'static str,
            none: Option<u8>,
            list: Vec<u8>,
        }
        let text = yaml(&One { name: "a", none: None, list: vec![1, 2] });
        let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read, serde_json::json!({ "name": "a", "none": null, "list": [1, 2] }));
        assert!(!text.ends_with('\n'));
    }

    #[test]
    fn ages_are_in_the_largest_unit_of_which_there_are_two() {
        let rows = [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (31_536_000, "365d"),
        ];
        for (seconds, written) in rows {
            assert_eq!(age(seconds), written, "{seconds}");
        }
    }

    #[test]
    fn sizes_are_in_the_largest_unit_of_which_there_is_one() {
        for (bytes, written) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), written);
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_width_and_as_full_as_its_share() {
        let rows = [
            (-1.0, "░░░░"),
            (0.0, "░░░░"),
            (0.49, "██░░"),
            (0.99, "████"),
            (2.0, "████"),
            (f64::NAN, "░░░░"),
        ];
        for (share, drawn) in rows {
            assert_eq!(bar(share, 4), drawn, "{share}");
        }
    }
}
