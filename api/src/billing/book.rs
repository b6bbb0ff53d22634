//! The price book as a file.

use serde::{Deserialize, Serialize};

/// Several books of one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceBooks {
    pub currency: String,
    pub books: Vec<PriceBook>,
}

/// What time is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Basis {
    /// Each request's time, by memory class.
    Invocation,
    /// An instance's time while it starts or has at least one request.
    Request,
    /// An instance's whole life.
    Instance,
    /// Machines.
    Node,
}

/// The prices of one offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceBook {
    /// A word, for flags and programs.
    pub name: String,
    pub title: String,
    pub basis: Basis,
    /// Where the prices were published.
    pub source: String,
    /// The day on which they were read there, `YYYY-MM-DD`.
    pub as_of: String,
    pub rates: Rates,
    /// The cheaper rates of instances that are kept without a request; without them such time is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// The least time of an instance's life that is paid for.
    #[serde(default)]
    pub minimum_seconds: f64,
    /// What a month includes.
    #[serde(default)]
    pub free: Free,
    /// Memory with its clock, ascending; the smallest that is large enough counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
}

/// Prices, each of one unit. Absent is not offered, which is an error only where it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rates {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_million_requests: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_vcpu_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gib_second: Option<f64>,
    /// GB as functions count it: 1,024 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gb_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_ghz_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gpu_second: Option<f64>,
    /// Bytes of answers, by 1e9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_sent_gb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_node_hour: Option<f64>,
}

/// Rates of kept instances without a request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idle {
    pub per_vcpu_second: f64,
    pub per_gib_second: f64,
}

/// What a month includes; 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Free {
    pub requests: f64,
    pub vcpu_seconds: f64,
    pub gib_seconds: f64,
    pub gb_seconds: f64,
    pub ghz_seconds: f64,
    pub sent_gb: f64,
}

/// A memory class, and the clock that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Class {
    pub memory_mb: u32,
    pub mhz: u32,
}

/// One machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    pub vcpu: f64,
    pub memory_gib: f64,
    #[serde(default)]
    pub gpus: u32,
}

/// What is wrong with a file of price books.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("it is no file of price books: {0}")]
    Malformed(String),
    #[error("it has no book")]
    Empty,
    #[error("two books have the name {0:?}")]
    Twice(String),
    #[error("book {book:?} lacks {what}, which its basis needs")]
    Missing { book: String, what: &'static str },
    #[error("book {book:?}: {what} is {value}; it must be a number of at least 0")]
    Negative { book: String, what: &'static str, value: f64 },
    #[error("book {0:?}: its classes must ascend by memory")]
    Classes(String),
}

impl PriceBooks {
    /// Reads a file, in YAML or JSON, and checks it.
    ///
    /// # Errors
    /// If it is not in the form, or a price is missing or negative.
    pub fn read(text: &str) -> Result<Self, BookError> {
        let books: Self =
            serde_yaml::from_str(text).map_err(|error| BookError::Malformed(error.to_string()))?;
        if books.books.is_empty() {
            return Err(BookError::Empty);
        }
        let mut names = std::collections::BTreeSet::new();
        for book in &books.books {
            if !names.insert(&book.name) {
                return Err(BookError::Twice(book.name.clone()));
            }
            book.check()?;
        }
        Ok(books)
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<&PriceBook> {
        self.books.iter().find(|book| book.name == name)
    }
}

impl PriceBook {
    fn check(&self) -> Result<(), BookError> {
        let Rates {
            per_million_requests,
            per_vcpu_second,
            per_gib_second,
            per_gb_second,
            per_ghz_second,
            per_gpu_second,
            per_sent_gb,
            per_node_hour,
        } = self.rates;
        let rates = [
            ("rates.perMillionRequests", per_million_requests),
            ("rates.perVcpuSecond", per_vcpu_second),
            ("rates.perGibSecond", per_gib_second),
            ("rates.perGbSecond", per_gb_second),
            ("rates.perGhzSecond", per_ghz_second),
            ("rates.perGpuSecond", per_gpu_second),
            ("rates.perSentGb", per_sent_gb),
            ("rates.perNodeHour", per_node_hour),
        ];
        let needed: &[&str] = match self.basis {
            Basis::Invocation => {
                &["rates.perMillionRequests", "rates.perGbSecond", "rates.perGhzSecond"]
            }
            Basis::Request => {
                &["rates.perMillionRequests", "rates.perVcpuSecond", "rates.perGibSecond"]
            }
            Basis::Instance => &["rates.perVcpuSecond", "rates.perGibSecond"],
            Basis::Node => &["rates.perNodeHour"],
        };
        let missing = |what| BookError::Missing { book: self.name.clone(), what };
        for (what, rate) in rates {
            if rate.is_none() && needed.contains(&what) {
                return Err(missing(what));
            }
        }
        if self.basis == Basis::Invocation && self.classes.is_empty() {
            return Err(missing("classes"));
        }
        if self.basis == Basis::Node && self.node.is_none() {
            return Err(missing("node"));
        }
        let idle = self.idle.map_or([0.0; 2], |idle| [idle.per_vcpu_second, idle.per_gib_second]);
        let free = &self.free;
        let others = [
            ("idle.perVcpuSecond", idle[0]),
            ("idle.perGibSecond", idle[1]),
            ("minimumSeconds", self.minimum_seconds),
            ("free.requests", free.requests),
            ("free.vcpuSeconds", free.vcpu_seconds),
            ("free.gibSeconds", free.gib_seconds),
            ("free.gbSeconds", free.gb_seconds),
            ("free.ghzSeconds", free.ghz_seconds),
            ("free.sentGb", free.sent_gb),
        ];
        let rates = rates.into_iter().filter_map(|(what, rate)| Some((what, rate?)));
        for (what, value) in rates.chain(others) {
            if !(value.is_finite() && value >= 0.0) {
                return Err(BookError::Negative { book: self.name.clone(), what, value });
            }
        }
        if !self.classes.is_sorted_by(|a, b| a.memory_mb < b.memory_mb) {
            return Err(BookError::Classes(self.name.clone()));
        }
        Ok(())
    }

    /// The class of a function with so much memory; the largest if none is large enough.
    #[must_use]
    pub fn class(&self, memory_mb: f64) -> Option<Class> {
        let fits = self.classes.iter().find(|class| f64::from(class.memory_mb) >= memory_mb);
        fits.or(self.classes.last()).copied()
    }
}
