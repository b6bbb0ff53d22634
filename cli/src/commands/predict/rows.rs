//! The rows of a file that is scored, one at a time: JSON Lines and CSV.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::args::{Instance, RowFormat};
use crate::outcome::{Context, Failure, Result};

/// The longest row.
const ROW_MAX: u64 = 16 << 20;

/// A row, or why it is none.
#[derive(Debug)]
pub(super) struct Row {
    /// From 1. Empty lines and a heading do not count.
    pub(super) number: u64,
    /// Line of the file, from 1.
    pub(super) line: u64,
    /// The value of the field that identifies it.
    pub(super) key: Option<Value>,
    /// As the model is given it.
    pub(super) instance: std::result::Result<Box<RawValue>, String>,
}

/// How rows are read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) format: RowFormat,
    pub(super) instance: Instance,
    /// A field that is not sent, and stands in the scores.
    pub(super) key: Option<String>,
}

/// The rows of one file.
pub(super) struct Rows {
    source: Source,
    reading: Reading,
    number: u64,
}

enum Source {
    Lines { reader: BufReader<File>, line: u64, read: u64 },
    Table { reader: Box<csv::Reader<File>>, names: Vec<String> },
}

impl Rows {
    pub(super) fn open(path: &Path, reading: Reading) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).or_fail(|| format!("cannot read {shown}"))?;
        let source = match reading.format {
            RowFormat::Jsonl => Source::Lines { reader: BufReader::new(file), line: 0, read: 0 },
            RowFormat::Csv => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
                let names = reader.headers().or_fail(|| format!("cannot read {shown}"))?;
                let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
                if let Some(key) = &reading.key
                    && !names.contains(key)
                {
                    let has = names.join(", ");
                    return Err(Failure::usage(format!("{shown} has no column {key:?}"))
                        .because(format!("its first line names {has}")));
                }
                Source::Table { reader: Box::new(reader), names }
            }
        };
        Ok(Self { source, reading, number: 0 })
    }

    /// Bytes of the file that were read.
    pub(super) fn bytes(&self) -> u64 {
        match &self.source {
            Source::Lines { read, .. } => *read,
            Source::Table { reader, .. } => reader.position().byte(),
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// If the file cannot be read on.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        let found = match &mut self.source {
            Source::Lines { reader, line, read } => {
                let Some(text) = next_line(reader, line, read)? else { return Ok(None) };
                (*line, of_json(&text, &self.reading))
            }
            Source::Table { reader, names } => {
                let line = reader.position().line();
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => return Ok(None),
                    Ok(true) => {
                        let line = record.position().map_or(line, csv::Position::line);
                        (line, of_record(&record, names, &self.reading))
                    }
                    Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                        (line, Err("it is not UTF-8".to_owned()))
                    }
                    Err(error) => return Err(error).or_fail(|| format!("cannot read line {line}")),
                }
            }
        };
        self.number += 1;
        let (line, read) = found;
        let (key, instance) = match read {
            Ok((key, instance)) => (key, Ok(instance)),
            Err(why) => (None, Err(why)),
        };
        Ok(Some(Row { number: self.number, line, key, instance }))
    }
}

type Read = std::result::Result<(Option<Value>, Box<RawValue>), String>;

/// The next line that is not empty.
fn next_line(
    reader: &mut BufReader<File>,
    line: &mut u64,
    read: &mut u64,
) -> Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.by_ref().take(ROW_MAX).read_until(b'\n', &mut text);
        let length = length.or_fail(|| format!("cannot read line {}", *line + 1))? as u64;
        if length == 0 {
            return Ok(None);
        }
        (*line, *read) = (*line + 1, *read + length);
        if length == ROW_MAX && text.last() != Some(&b'\n') {
            return Err(Failure::new(format!("line {line} is longer than {} MiB", ROW_MAX >> 20))
                .because("each line of JSON Lines is one row")
                .next("check that the file has a row a line, or name its format with --format"));
        }
        if !text.trim_ascii().is_empty() {
            return Ok(Some(text));
        }
    }
}

/// A row of JSON Lines: any JSON value, sent as it is, but for the key.
fn of_json(text: &[u8], reading: &Reading) -> Read {
    let wrong = |error: serde_json::Error| format!("it is no JSON: {error}");
    let Some(key) = &reading.key else {
        let raw: Box<RawValue> = serde_json::from_slice(text.trim_ascii()).map_err(wrong)?;
        return Ok((None, raw));
    };
    let mut object: Map<String, Value> = serde_json::from_slice(text)
        .map_err(|error| format!("it is no JSON object, which has the key {key:?}: {error}"))?;
    let value = object.remove(key).ok_or_else(|| format!("it has no field {key:?}"))?;
    Ok((Some(value), raw(&object)))
}

fn of_record(record: &csv::StringRecord, names: &[String], reading: &Reading) -> Read {
    if record.len() != names.len() {
        return Err(format!("it has {} fields, and the heading has {}", record.len(), names.len()));
    }
    let mut key = None;
    let mut fields = Vec::with_capacity(names.len());
    for (name, text) in names.iter().zip(record) {
        if reading.key.as_ref() == Some(name) {
            key = Some(value(text));
        } else {
            fields.push((name, value(text)));
        }
    }
    let instance = match reading.instance {
        Instance::Array => raw(&fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>()),
        Instance::Object => {
            raw(&fields.into_iter().map(|(n, v)| (n.clone(), v)).collect::<Map<_, _>>())
        }
    };
    Ok((key, instance))
}

/// A cell: a number if JSON would read it as one, nothing if it is empty, else text.
fn value(text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() {
        return Value::Null;
    }
    match serde_json::from_str(text) {
        Ok(number @ Value::Number(_)) => number,
        _ => Value::from(text),
    }
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("values that were read can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as `number:line key instance`, or with `!` and why there is none.
    fn rows(text: &[u8], format: RowFormat, instance: Instance, key: Option<&str>) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows");
        std::fs::write(&path, text).unwrap();
        let reading = Reading { format, instance, key: key.map(str::to_owned) };
        let mut rows = Rows::open(&path, reading).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let key = row.key.map(|key| format!("{key} ")).unwrap_or_default();
            let instance = match row.instance {
                Ok(instance) => instance.get().to_owned(),
                Err(why) => format!("!{why}"),
            };
            all.push(format!("{}:{} {key}{instance}", row.number, row.line));
        }
        assert_eq!(rows.bytes(), text.len() as u64);
        all
    }

    #[test]
    fn lines_of_json_are_sent_as_they_are() {
        let text = b"[1, 2.50]\n\n{\"a\": null}\r\n{oops\n\"last\"";
        let found = rows(text, RowFormat::Jsonl, Instance::Array, None);
        assert_eq!(found[..2], ["1:1 [1, 2.50]", "2:3 {\"a\": null}"]);
        assert!(found[2].starts_with("3:4 !it is no JSON: key must be a string"), "{found:?}");
        assert_eq!(found[3..], ["4:5 \"last\""]);
    }

    #[test]
    fn the_key_is_taken_out_and_kept() {
        let text = b"{\"id\": 7, \"x\": 1}\n{\"x\": 1}\n[1]\n";
        let found = rows(text, RowFormat::Jsonl, Instance::Array, Some("id"));
        assert_eq!(found[0], "1:1 7 {\"x\":1}");
        assert_eq!(found[1], "2:2 !it has no field \"id\"");
        assert!(found[2].contains("!it is no JSON object, which has the key \"id\""), "{found:?}");
    }

    #[test]
    fn records_become_arrays_or_objects_of_numbers_and_texts() {
        let text = b"id,age,name\nA1,41.5,\"Smith, J\"\nA2,,1e3\nA3,1\n";
        assert_eq!(
            rows(text, RowFormat::Csv, Instance::Array, Some("id")),
            [
                "1:2 \"A1\" [41.5,\"Smith, J\"]",
                "2:3 \"A2\" [null,1000.0]",
                "3:4 !it has 2 fields, and the heading has 3"
            ]
        );
        assert_eq!(
            rows(b"age, name\n007,NaN\n", RowFormat::Csv, Instance::Object, None),
            ["1:2 {\"age\":\"007\",\"name\":\"NaN\"}"]
        );
    }

    #[test]
    fn text_that_is_not_utf_8_is_one_bad_row() {
        let text = b"a\n\xff\nb\n";
        assert_eq!(
            rows(text, RowFormat::Csv, Instance::Array, None),
            ["1:2 !it is not UTF-8", "2:3 [\"b\"]"]
        );
    }
}
