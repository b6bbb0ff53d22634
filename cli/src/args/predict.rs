//! Options of `predict`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::examples;
use super::output::Output;

#[derive(Clone, Debug, Args)]
#[command(after_help = examples::PREDICT)]
pub(crate) struct Predict {
    /// Name of the service
    pub(crate) name: String,
    /// File of rows: JSON Lines (.jsonl) or CSV with a heading (.csv)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// File for the scores, a JSON line for each row; --output FILE means the same
    /// [default: the input's name, ending in .scores.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Format of the rows, if the name of their file does not say it
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<RowFormat>,
    /// Protocol that the model speaks
    #[arg(long, value_name = "PROTOCOL", default_value = "v1")]
    pub(crate) protocol: Protocol,
    /// Name of the model in the path, if it is not the service's
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Path of the requests, instead of the protocol's
    #[arg(long, value_name = "PATH", conflicts_with = "model")]
    pub(crate) path: Option<String>,
    /// What a row of CSV is sent as
    #[arg(long, value_name = "TYPE", default_value = "array")]
    pub(crate) instances: Instance,
    /// Field that identifies a row: it is not sent, and stands in the scores
    #[arg(long, value_name = "FIELD")]
    pub(crate) key: Option<String>,
    /// Rows in one request
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) batch: NonZeroU32,
    /// Requests in flight [default: as many as all pods of the service take, or 32]
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<NonZeroU32>,
    /// How often a request is sent again that the service could not answer
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) retries: u32,
    /// Score the revision behind this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Begin anew, whatever scores there are
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Do not wait for the meter to say what it cost
    #[arg(long)]
    pub(crate) no_cost: bool,
}

/// Formats of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A JSON value a line
    Jsonl,
    /// Comma-separated, the first line names the columns
    Csv,
}

/// Forms of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instance {
    /// [1, 2]
    Array,
    /// {"a": 1, "b": 2}
    Object,
}

/// Protocols of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// TensorFlow Serving's and KServe's: instances, predictions
    V1,
    /// The Open Inference Protocol: tensors
    V2,
    /// Each row is the body of a request
    Row,
}

/// `--output FILE` of `predict` names the file of scores, though elsewhere it names a format.
pub(crate) fn output_is_a_file(words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_none_or(|word| word != "predict") {
        return words;
    }
    let is_format = |text: &str| Output::from_str(text, true).is_ok();
    let mut words = words.into_iter().peekable();
    let mut all = Vec::new();
    while let Some(word) = words.next() {
        let next = words.peek().and_then(|next| next.to_str());
        let text = word.to_str().unwrap_or_default();
        let file = match text.strip_prefix("--output") {
            Some("") => next.is_some_and(|next| !is_format(next)),
            Some(rest) => rest.strip_prefix('=').is_some_and(|value| !is_format(value)),
            None => false,
        };
        if file {
            all.push(OsString::from(text.replacen("--output", "--out", 1)));
        } else {
            all.push(word);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_names_a_file_unless_it_names_a_format() {
        let of = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let words = output_is_a_file(words);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for (line, meant) in [
            ("rouse predict m --output s.jsonl", "rouse predict m --out s.jsonl"),
            ("rouse predict m --output=s.jsonl -o json", "rouse predict m --out=s.jsonl -o json"),
            ("rouse predict m --output json", "rouse predict m --output json"),
            ("rouse predict m --output", "rouse predict m --output"),
            ("rouse list --output s.jsonl", "rouse list --output s.jsonl"),
        ] {
            assert_eq!(of(line), meant);
        }
    }
}
