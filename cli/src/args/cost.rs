//! Flags of `rouse cost`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::examples;

/// The price book where none is named.
pub(crate) const BOOK: &str = "run-request";

#[derive(Clone, Debug, Args)]
#[command(after_help = examples::COST)]
pub(crate) struct Cost {
    #[command(subcommand)]
    pub(crate) command: Option<CostCommand>,
    #[command(flatten)]
    pub(crate) of: CostOf,
    /// Price book, by its name
    #[arg(long, value_name = "NAME", default_value = BOOK)]
    pub(crate) book: String,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CostCommand {
    /// What the same use costs by each price book, and where they meet
    #[command(after_help = examples::COST_COMPARE)]
    Compare(CostOf),
    /// Print the price books: a file to change and to give to --prices
    #[command(after_help = examples::COST_PRICES)]
    Prices,
}

/// Whose use, and by which prices.
#[derive(Clone, Debug, Args)]
pub(crate) struct CostOf {
    /// Service; all of the namespace without it
    pub(crate) name: Option<String>,
    /// Month of UTC, as 2026-11; the present one without it
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Option<String>,
    /// File of price books instead of those that come with Rouse
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}
