//! One module's source: the names that it defines, what it imports, and every path that its code writes.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

use crate::syntax::only_for_tests;

/// A path as it is written, and where.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// A name that a `use` brings into the module.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Written,
    /// `pub use`, or `pub(crate) use` and the like.
    pub(super) public: bool,
}

/// The contents of one module, without its child modules.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) items: BTreeSet<String>,
    pub(super) macros: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// `use x::*`: the path without the star.
    pub(super) globs: Vec<(Written, bool)>,
    pub(super) paths: Vec<Written>,
}

/// Reads a module's items. Child modules are left out: each is read for itself.
pub(super) fn contents(items: &[Item]) -> Contents {
    let mut reader = Reader { out: Contents::default() };
    for item in items {
        if let Some(name) = defined(item) {
            reader.out.items.insert(name);
        }
        reader.visit_item(item);
    }
    reader.out
}

fn defined(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(i) => i.ident.to_string(),
        Item::Enum(i) => i.ident.to_string(),
        Item::Fn(i) => i.sig.ident.to_string(),
        Item::Static(i) => i.ident.to_string(),
        Item::Struct(i) => i.ident.to_string(),
        Item::Trait(i) => i.ident.to_string(),
        Item::TraitAlias(i) => i.ident.to_string(),
        Item::Type(i) => i.ident.to_string(),
        Item::Union(i) => i.ident.to_string(),
        Item::Macro(i) => i.ident.as_ref()?.to_string(),
        _ => return None,
    })
}

struct Reader {
    out: Contents,
}

impl Reader {
    fn import(&mut self, prefix: &[String], tree: &UseTree, public: bool) {
        let with = |name: &str| [prefix, &[name.to_owned()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident.to_string()), &path.tree, public),
            UseTree::Group(group) => {
                group.items.iter().for_each(|t| self.import(prefix, t, public));
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let path = Written { segments: prefix.to_vec(), line };
                self.out.globs.push((path, public));
            }
            UseTree::Name(name) => {
                let line = name.ident.span().start().line;
                let called = name.ident.to_string();
                let (name, segments) = if called == "self" {
                    (prefix.last().cloned().unwrap_or_default(), prefix.to_vec())
                } else {
                    (called.clone(), with(&called))
                };
                self.out.imports.push(Import { name, path: Written { segments, line }, public });
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                let called = rename.ident.to_string();
                let segments = if called == "self" { prefix.to_vec() } else { with(&called) };
                let name = rename.rename.to_string();
                self.out.imports.push(Import { name, path: Written { segments, line }, public });
            }
        }
    }

    /// Paths among the tokens of a macro call or an attribute, which `syn` does not parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 || segments.is_empty() {
                        self.written(&mut segments, line);
                        line = word.span().start().line;
                        // `::name` is an external crate.
                        if colons == 2 {
                            segments.push(String::new());
                        }
                    }
                    segments.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.written(&mut segments, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.written(&mut segments, line);
    }

    fn written(&mut self, segments: &mut Vec<String>, line: usize) {
        if !segments.is_empty() {
            self.out.paths.push(Written { segments: std::mem::take(segments), line });
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(_) => return,
            Item::Const(i) => &i.attrs,
            Item::Enum(i) => &i.attrs,
            Item::Fn(i) => &i.attrs,
            Item::Impl(i) => &i.attrs,
            Item::Macro(i) => &i.attrs,
            Item::Static(i) => &i.attrs,
            Item::Struct(i) => &i.attrs,
            Item::Trait(i) => &i.attrs,
            Item::Type(i) => &i.attrs,
            Item::Use(i) => &i.attrs,
            _ => &[],
        };
        if !only_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let only = matches!(item, syn::ImplItem::Fn(f) if only_for_tests(&f.attrs));
        if !only {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let public = !matches!(item.vis, Visibility::Inherited);
            self.import(&[], &item.tree, public);
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident {
            self.out.macros.insert(name.to_string());
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.out.paths.push(Written { segments, line: first.ident.span().start().line });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    /// `#[serde(with = "crate::form")]` is a use; documentation is not.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let syn::Meta::List(list) = &attribute.meta else { return };
        for token in list.tokens.clone() {
            let TokenTree::Literal(literal) = token else { continue };
            let line = literal.span().start().line;
            let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { continue };
            let Ok(path) = text.parse::<syn::Path>() else { continue };
            let segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.out.paths.push(Written { segments, line });
        }
    }
}
