//! Price books, and what usage costs by them.
//!
//! A price book is data with a date and a source for each row, which a user can replace. A bill is a
//! pure function of usage and a book.

mod bill;
mod book;
#[cfg(test)]
mod tests;

pub use bill::{Bill, Line, MEMORY_DEFAULT, VCPU_DEFAULT, bill, crossover};
pub use book::{Basis, BookError, Class, Free, Idle, Node, PriceBook, PriceBooks, Rates};

/// The price books that come with Rouse.
pub const DEFAULT_BOOKS: &str = include_str!("prices.yaml");
