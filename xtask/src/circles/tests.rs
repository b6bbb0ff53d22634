//! Circles of crates that are written here, and of the workspace.

use std::fs;

use super::{Tree, check, report};

/// Writes the files of a crate, and finds its circles: `folder: members`, and the edges of the example.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = root.path().join("src").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    let tree = Tree::read(root.path(), &root.path().join("src/lib.rs"), "lib").expect("parsed");
    report(&tree).circles.iter().map(ToString::to_string).collect()
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    assert_eq!(check().expect("the workspace can be read").join("\n"), "");
}

#[test]
fn two_files_that_use_one_another_are_a_circle_with_both_places() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "use crate::b::B;\nuse crate::c::C;\npub struct A(B, C);\n"),
        ("b.rs", "pub struct B;\n\nfn f() -> super::a::A { todo() }\n"),
        ("c.rs", "pub struct C;\n"),
    ]);
    assert_eq!(
        found,
        ["src: circle of a, b\n    a -> b (src/a.rs:1)\n    b -> a (src/b.rs:3)"],
        "c uses nobody, and is in no circle"
    );
}

#[test]
fn a_folder_counts_as_one_module_beside_other_folders() {
    let found = circles(&[
        ("lib.rs", "mod low;\nmod high;\n"),
        ("low/mod.rs", "mod one;\nmod two;\npub use self::one::One;\n"),
        ("low/one.rs", "pub struct One;\n"),
        ("low/two.rs", "use crate::high::top::Top;\n"),
        ("high/mod.rs", "pub mod top;\n"),
        ("high/top.rs", "use crate::low;\npub struct Top(low::One);\n"),
    ]);
    assert_eq!(
        found,
        [
            "src: circle of high, low\n    high -> low (src/high/top.rs:2)\n    low -> high (src/low/two.rs:1)"
        ],
        "one.rs and two.rs do not use one another, but their folders do"
    );
}

#[test]
fn a_parent_that_declares_and_reexports_uses_nothing() {
    let child = "use super::Shared;\npub struct Child(Shared);\n";
    let one_way = circles(&[
        ("lib.rs", "mod child;\npub use self::child::Child;\npub struct Shared;\n"),
        ("child.rs", child),
    ]);
    assert_eq!(one_way, Vec::<String>::new());

    for uses in [
        "pub fn f(_: Child) {}\n",
        "pub fn f() { child::g() }\n",
        "pub fn f() { println!(\"{}\", child::G) }\n",
        "#[serde(with = \"child\")]\nstruct F;\n#[serde(with = \"child::form\")]\nstruct G;\n",
    ] {
        let both = circles(&[
            (
                "lib.rs",
                &format!("mod child;\npub use self::child::Child;\npub struct Shared;\n{uses}"),
            ),
            ("child.rs", child),
        ]);
        assert_eq!(both.len(), 1, "{uses}");
        assert!(both[0].starts_with("src: circle of child, lib\n"), "{}", both[0]);
    }
}

#[test]
fn a_name_that_a_parent_reexports_belongs_to_the_module_that_defines_it() {
    let found = circles(&[
        ("lib.rs", "mod all;\n"),
        ("all/mod.rs", "mod a;\nmod b;\npub(crate) use self::{a::*, b::B};\n"),
        ("all/a.rs", "use super::B;\npub struct A(B);\n"),
        ("all/b.rs", "pub struct B(crate::all::A);\n"),
    ]);
    assert_eq!(
        found,
        ["src/all: circle of a, b\n    a -> b (src/all/a.rs:1)\n    b -> a (src/all/b.rs:1)"]
    );
}

#[test]
fn what_is_compiled_for_tests_does_not_count() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod testing;\n"),
        ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        (
            "b.rs",
            "//! Not [`crate::a::A`].\npub struct B;\n#[cfg(test)]\nuse crate::a::A;\n\
             #[cfg(all(unix, test))]\nmod tests { use crate::a::A; }\n\
             #[cfg(test)]\nimpl B { fn f() { crate::a::f() } }\n",
        ),
    ]);
    assert_eq!(found, Vec::<String>::new());

    let negated = circles(&[
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        ("b.rs", "pub struct B;\n#[cfg(not(test))]\nuse crate::a::A;\n"),
    ]);
    assert_eq!(negated.len(), 1, "this is compiled into the product");
}

#[test]
fn macros_and_inline_modules_count_as_the_file_they_stand_in() {
    let found = circles(&[
        ("lib.rs", "#[macro_use]\nmod a;\nmod b;\n"),
        ("a.rs", "macro_rules! make { () => { $crate::b::B } }\npub mod inner { pub struct I; }\n"),
        ("b.rs", "use crate::a::inner::I;\npub struct B;\n"),
    ]);
    assert_eq!(found, ["src: circle of a, b\n    a -> b (src/a.rs:1)\n    b -> a (src/b.rs:1)"]);
}

#[test]
fn names_of_other_crates_are_not_taken_for_modules() {
    let found = circles(&[
        ("lib.rs", "mod http;\nmod serve;\n"),
        ("http.rs", "use crate::serve::S;\n"),
        (
            "serve.rs",
            "use http::Request;\nuse ::http::Response;\npub struct S;\nfn f() -> http::Uri {}\n",
        ),
    ]);
    assert_eq!(found, Vec::<String>::new());
}
