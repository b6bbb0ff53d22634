//! How tests wait: on paused time or for an event, and never without an end.
//!
//! A sleep on the wall clock makes a test slow where it passes and wrong where the machine is slower. A loop that
//! waits for a condition without a deadline makes a failure a hang without a message.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLoop, ExprWhile, Ident, ImplItemFn, ItemFn, ItemMod, Macro};

use super::source::Source;
use crate::syntax::only_for_tests;

/// The file that polls processes from outside, with a deadline, and programs whose purpose is to wait.
const MAY_SLEEP: [&str; 3] = ["tests/harness/wait.rs", "tests/server/", "tests/bench/"];

/// Words of a function that bounds its loops.
const BOUNDS: [&str; 5] = ["timeout", "deadline", "Instant", "elapsed", "WAIT_MAX"];

/// Words of a loop that waits.
const WAITING: [&str; 4] = ["yield_now", "sleep", "advance", "spin_loop"];

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    if MAY_SLEEP.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let paused = words_of(|words| words.visit_file(&source.parsed)).contains("start_paused");
    let mut tests = Tests {
        path: source.path,
        within_tests: source.is_test(),
        file_is_paused: paused,
        found: Vec::new(),
    };
    tests.visit_file(&source.parsed);
    tests.found
}

struct Tests<'a> {
    path: &'a str,
    within_tests: bool,
    /// Some test of the file runs on paused time, and so its helpers may sleep.
    file_is_paused: bool,
    found: Vec<String>,
}

impl Tests<'_> {
    fn function(&mut self, attributes: &[Attribute], block: &syn::Block) {
        if !self.within_tests && !only_for_tests(attributes) {
            return;
        }
        let words = words_of(|words| words.visit_block(block));
        let is_test =
            attributes.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "test"));
        let attribute = words_of(|words| attributes.iter().for_each(|a| words.visit_attribute(a)));
        let paused = attribute.contains("start_paused")
            || words.contains("pause")
            || (!is_test && self.file_is_paused);
        let bounded = paused && is_test || BOUNDS.iter().any(|word| words.contains(*word));
        let mut waits = Waits { bounded, found: Vec::new() };
        waits.visit_block(block);
        self.found.extend(waits.found.into_iter().map(|line| {
            format!(
                "{}:{line}: a loop that waits has a deadline, so that a failure is told",
                self.path
            )
        }));
        if words.contains("sleep") && !paused {
            let line = block.brace_token.span.open().start().line;
            self.found.push(format!("{}:{line}: sleeps on the wall clock", self.path));
        }
    }
}

impl<'ast> Visit<'ast> for Tests<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let before = self.within_tests;
        self.within_tests |= only_for_tests(&module.attrs);
        visit::visit_item_mod(self, module);
        self.within_tests = before;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.attrs, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.attrs, &function.block);
    }
}

/// Lines of loops that wait without a bound.
struct Waits {
    bounded: bool,
    found: Vec<usize>,
}

impl Waits {
    fn a_loop(&mut self, line: usize, body: &syn::Block) {
        let words = words_of(|words| words.visit_block(body));
        let waits = body.stmts.is_empty() || WAITING.iter().any(|word| words.contains(*word));
        if waits && !self.bounded {
            self.found.push(line);
        }
    }
}

impl<'ast> Visit<'ast> for Waits {
    fn visit_expr_loop(&mut self, one: &'ast ExprLoop) {
        self.a_loop(one.loop_token.span.start().line, &one.body);
        visit::visit_expr_loop(self, one);
    }

    fn visit_expr_while(&mut self, one: &'ast ExprWhile) {
        // `while let` ends with what it reads.
        if !matches!(*one.cond, Expr::Let(_)) {
            self.a_loop(one.while_token.span.start().line, &one.body);
        }
        visit::visit_expr_while(self, one);
    }
}

/// Every identifier of a piece of code, in macro calls too.
#[derive(Default)]
struct Words(BTreeSet<String>);

fn words_of(read: impl FnOnce(&mut Words)) -> BTreeSet<String> {
    let mut words = Words::default();
    read(&mut words);
    words.0
}

impl Words {
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    self.0.insert(word.to_string());
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Words {
    fn visit_ident(&mut self, word: &'ast Ident) {
        self.0.insert(word.to_string());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}
