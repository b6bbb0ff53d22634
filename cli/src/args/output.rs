//! The formats of results.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON document on stdout
    Json,
    /// One YAML document on stdout
    Yaml,
    /// For people, with more columns (list, get)
    Wide,
    /// Only names (list, get, apply)
    Name,
}
