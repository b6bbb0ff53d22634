//! Rules of gcloud's and of Docker's form, each with the files that it keeps out.

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// What is left out of these files, besides the files with the rules.
fn told(files: &[(&str, &str)]) -> Option<String> {
    Tree::of_source(folder(files).path()).unwrap().told()
}

#[test]
fn gcloudignore_is_of_the_form_of_gitignore_and_includes_others() {
    let files = |rules| {
        [
            (".gcloudignore", rules),
            (".gitignore", "*.log\n/only-here\n"),
            ("main.py", ""),
            ("a.log", ""),
            ("sub/b.log", ""),
            ("sub/only-here", ""),
            ("data/big", ""),
            ("data/small", ""),
        ]
    };
    for (rules, out) in [
        ("", None),
        ("# data\n", None),
        ("data/\n", Some(".gcloudignore: data/")),
        ("data/*\n!data/small\n", Some(".gcloudignore: data/big")),
        ("#!include:.gitignore\n", Some(".gcloudignore: a.log, sub/b.log")),
        ("#!include:.gitignore\n!a.log\n", Some(".gcloudignore: sub/b.log")),
    ] {
        let expected = out.map(|out| format!("left out by {out}"));
        assert_eq!(told(&files(rules)), expected, "{rules}");
    }
    for (rules, says) in [
        ("#!include:none\n", "no such file"),
        ("#!include:sub/b.log\n", "same folder"),
        ("a{b\n", "a{b"),
    ] {
        let dir = folder(&files(rules));
        let error = Tree::of_source(dir.path()).unwrap_err().to_string();
        assert!(error.contains(says), "{rules}: {error}");
    }
}

#[test]
fn without_a_gcloudignore_the_gitignore_decides() {
    let files = [(".gitignore", "*.log\n"), (".git/config", ""), ("a.log", ""), ("main.py", "")];
    assert_eq!(told(&files).as_deref(), Some("left out by .gitignore: a.log"));
    let dir = folder(&files);
    let tree = Tree::of_source(dir.path()).unwrap();
    let git = Some(".gitignore");
    for (path, by) in [("a.log", git), (".gitignore", git), ("main.py", None)] {
        assert_eq!(tree.left_out_by(Path::new(path)), by, "{path}");
    }
    assert_eq!(told(&[("a.log", ""), (".git/config", "")]), None);
}

#[test]
fn an_environment_is_neither_packed_nor_told() {
    let files = [
        (".gitignore", "*.log\nenv/\n"),
        (".dockerignore", "data\n!data/kept\n"),
        ("main.py", ""),
        ("a.log", ""),
        ("data/big", ""),
        ("data/kept", ""),
        ("env/pyvenv.cfg", ""),
        ("env/x.log", ""),
        ("sub/venv/pyvenv.cfg", ""),
        ("sub/venv/x.log", ""),
        (".venv/y.log", ""),
    ];
    let dir = folder(&files);
    let tree = Tree::of_source(dir.path()).unwrap();
    let told = "left out by .gitignore and .dockerignore: a.log, data/big";
    let other = "left out by .dockerignore and .gitignore: a.log, data/big";
    assert!([told, other].contains(&tree.told().unwrap().as_str()), "{:?}", tree.told());
    assert_eq!(tree.left_out_by(Path::new("data/big")), Some(".dockerignore"));
    let packed = |tree: &Tree| {
        let mut paths: Vec<String> =
            tree.packed.iter().map(|found| found.relative.display().to_string()).collect();
        paths.sort();
        paths
    };
    assert_eq!(packed(&tree), [".dockerignore", "data/kept", "main.py", "sub"]);
    let whole = packed(&Tree::whole(dir.path()).unwrap());
    assert!(whole.contains(&"a.log".to_owned()) && whole.contains(&".venv/y.log".to_owned()));
    assert!(!whole.iter().any(|path| path.contains("pyvenv.cfg")), "{whole:?}");
}

#[test]
fn dockerignore_counts_from_the_root_and_its_last_line_wins() {
    let files = |rules| {
        [
            (".dockerignore", rules),
            ("a.md", ""),
            ("sub/b.md", ""),
            ("sub/deep/c.txt", ""),
            ("d.txt", ""),
        ]
    };
    for (rules, out) in [
        ("*.md\n", Some("a.md")),
        ("/sub\n", Some("sub/")),
        ("./sub/\n", Some("sub/")),
        ("**/*.md\n", Some("a.md, sub/b.md")),
        ("*/*.md\n", Some("sub/b.md")),
        ("sub\n!sub/deep\n", Some("sub/b.md")),
        ("**\n!d.txt\n!*.md\n!.dockerignore\n", Some("sub/b.md, sub/deep/c.txt")),
        ("# a.md\n\n?.txt\n", Some("d.txt")),
        ("!a.md\n", None),
    ] {
        let expected = out.map(|out| format!("left out by .dockerignore: {out}"));
        assert_eq!(told(&files(rules)), expected, "{rules}");
    }
}

#[test]
fn both_kinds_of_rules_apply_and_long_lists_are_cut() {
    let mut files = vec![(".gcloudignore", "*.log"), (".dockerignore", "*.txt"), ("x.txt", "")];
    files.extend(["a.log", "b.log", "c.log", "d.log", "e.log", "f.log"].map(|name| (name, "")));
    let told = told(&files).unwrap();
    assert!(told.ends_with(": a.log, b.log, c.log, d.log, e.log and 2 more"), "{told}");
    assert!(told.contains(".gcloudignore") && told.contains(".dockerignore"), "{told}");
}
