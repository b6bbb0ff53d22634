//! One line of the table: what was tried, its bound, and what came of it.

use std::fmt;

pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) bound: String,
    pub(crate) measured: String,
    pub(crate) held: bool,
}

impl Row {
    /// A figure that may be no more than its bound, both in `unit`.
    pub(crate) fn at_most(what: &str, bound: f64, measured: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            bound: format!("{bound:.0} {unit}"),
            measured: format!("{measured:.1} {unit}"),
            held: measured <= bound,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bound, measured, held } = self;
        let verdict = if *held { "held" } else { "NOT HELD" };
        write!(f, "  {what:<58} at most {bound:>10}   {measured:>12}   {verdict}")
    }
}
