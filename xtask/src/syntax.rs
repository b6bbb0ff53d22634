//! Attributes of Rust source that the checks read.

use proc_macro2::{TokenStream, TokenTree};
use syn::Attribute;

/// Whether an item is compiled for tests alone: `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
pub(crate) fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.segments.last().is_some_and(|s| s.ident == "test") {
            return true;
        }
        let syn::Meta::List(list) = &attribute.meta else { return false };
        path.is_ident("cfg") && requires_test(&list.tokens)
    })
}

/// Whether a `cfg` predicate says `test`, outside `not(…)` and `any(…)`.
fn requires_test(predicate: &TokenStream) -> bool {
    let mut within_all = true;
    for token in predicate.clone() {
        match token {
            TokenTree::Ident(word) if word == "test" => return true,
            TokenTree::Ident(word) => within_all = word == "all",
            TokenTree::Group(group) if within_all && requires_test(&group.stream()) => return true,
            _ => {}
        }
    }
    false
}

/// The value of `#[path = "…"]`.
pub(crate) fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|a| a.path().is_ident("path")).and_then(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(literal) = &pair.value else { return None };
        let syn::Lit::Str(text) = &literal.lit else { return None };
        Some(text.value())
    })
}
