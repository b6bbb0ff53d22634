use super::{Source, check, problems};

/// The problems of a file, without its path.
fn told(path: &str, text: &str) -> Vec<String> {
    let found = problems(&Source::parse(path, text).expect("Rust"));
    found
        .iter()
        .map(|line| line.strip_prefix(path).expect("begins with the path").to_owned())
        .collect()
}

/// A file of tests with this function in it.
fn test_file(function: &str) -> String {
    format!("//! Tests.\n{function}\n")
}

#[test]
fn every_file_of_the_workspace_is_tidy() {
    assert_eq!(check(&crate::root()).expect("the workspace can be read").join("\n"), "");
}

#[test]
fn a_header_is_asked_for_but_not_of_unit_tests() {
    let missing = [": begins with no `//!` line that says what it is for"];
    assert_eq!(told("a/src/x.rs", "fn main() {}\n"), missing);
    assert_eq!(told("a/src/x.rs", "// A comment.\n"), missing);
    assert_eq!(told("a/tests/x.rs", "fn main() {}\n"), missing);
    assert_eq!(told("a/src/x.rs", "//! A file.\n"), [""; 0]);
    assert_eq!(told("a/src/x/tests.rs", "fn one() {}\n"), [""; 0]);
}

#[test]
fn a_header_names_the_thing() {
    let question = [": the header opens with a question word; name the thing"];
    assert_eq!(told("a/src/x.rs", "//! What a pod is.\n"), question);
    assert_eq!(told("a/src/x.rs", "//! Who may go where.\n"), question);
    assert_eq!(told("a/src/x.rs", "//! Whatever a pod is.\n//! What it is.\n"), [""; 0]);
}

#[test]
fn files_end_where_they_are_too_long_to_be_read() {
    let lines = |count: usize| format!("//! A file.\n{}", "\n".repeat(count - 1));
    assert_eq!(told("a/src/x.rs", &lines(600)), [""; 0]);
    assert_eq!(told("a/src/x.rs", &lines(601)), [": 601 lines, and 600 are the most"]);
    assert_eq!(told("a/src/x/tests.rs", &lines(800)), [""; 0]);
    assert_eq!(told("a/tests/x.rs", &lines(801)), [": 801 lines, and 800 are the most"]);
}

#[test]
fn tests_live_in_one_place() {
    let elsewhere = [": the tests of foo.rs stand in foo/tests.rs"];
    assert_eq!(told("a/src/x_tests.rs", "//! Tests.\n"), elsewhere);
    assert_eq!(
        told("a/src/tests/x.rs", "//! Tests.\n"),
        [": tests stand beside their module, or in the crate's tests/"]
    );
    assert_eq!(
        told("a/src/x.rs", "//! A file.\n#[cfg(test)]\n#[path = \"y.rs\"]\nmod tests;\n"),
        [": `tests` stands elsewhere than its name says"]
    );
    let inline =
        |lines: usize| format!("//! A file.\n#[cfg(test)]\nmod tests {{{}}}\n", "\n".repeat(lines));
    assert_eq!(told("a/src/x.rs", &inline(100)), [""; 0]);
    assert_eq!(
        told("a/src/x.rs", &inline(101)),
        [": 101 lines of tests; more than 100 are a tests.rs"]
    );
}

#[test]
fn words_that_have_no_place_are_named_with_their_line() {
    let later = ["//! A file.\n// TO", "DO: later\n"].concat();
    assert_eq!(told("a/src/x.rs", &later), [[":2: \"TO", "DO\" has no place here"].concat()]);
    let glob = ["use super", "::*;"].concat();
    let product = format!("//! A file.\n{glob}\n");
    assert_eq!(told("a/src/x.rs", &product), [format!(":2: {glob:?} has no place here")]);
    assert_eq!(told("a/src/x/tests.rs", &product), [""; 0]);
    let within = format!("//! A file.\n#[cfg(test)]\nmod tests {{\n    {glob}\n}}\n");
    assert_eq!(told("a/src/x.rs", &within), [""; 0]);
    let blocks = ["//! A file.\nfn f() { std::thread::sl", "eep(D) }\n"].concat();
    assert_eq!(told("cli/src/platform/detach.rs", &blocks), [""; 0]);
    assert_eq!(told("cli/src/platform/other.rs", &blocks).len(), 1);
}

#[test]
fn a_test_sleeps_on_paused_time_alone() {
    let sleeps = "async fn waits() { tokio::time::sleep(D).await; }";
    let in_macro = "async fn waits() { tokio::select! { () = sleep(D) => {} } }";
    for code in [sleeps, in_macro] {
        let test = |attribute: &str| test_file(&format!("#[tokio::test{attribute}]\n{code}"));
        let told_of = [":3: sleeps on the wall clock"];
        assert_eq!(told("a/src/x/tests.rs", &test("")), told_of, "{code}");
        assert_eq!(told("a/tests/x.rs", &test("")), told_of, "{code}");
        assert_eq!(told("tests/harness/wait.rs", &test("")), [""; 0]);
        assert_eq!(told("a/src/x/tests.rs", &test("(start_paused = true)")), [""; 0]);
        assert_eq!(told("a/src/x.rs", &test_file(code)), [""; 0], "the product may sleep");
        let inline = format!("#[cfg(test)]\nmod tests {{\n{code}\n}}");
        assert_eq!(told("a/src/x.rs", &test_file(&inline)), [":4: sleeps on the wall clock"]);
    }
    let helper = format!("{sleeps}\n#[tokio::test(start_paused = true)]\nasync fn one() {{}}");
    assert_eq!(told("a/src/x/tests.rs", &test_file(&helper)), [""; 0]);
}

#[test]
fn a_loop_of_a_test_that_waits_ends() {
    let told_of = [":2: a loop that waits has a deadline, so that a failure is told"];
    for body in ["loop { yield_now().await }", "while !done() {}", "while !done() { advance(D) }"] {
        let endless = test_file(&format!("async fn waits() {{ {body} }}"));
        assert_eq!(told("a/src/x/tests.rs", &endless), told_of, "{body}");
        assert_eq!(told("a/src/x.rs", &endless), [""; 0], "{body}");
        let ends = test_file(&format!("async fn waits() {{ timeout(D, async {{ {body} }}) }}"));
        assert_eq!(told("a/src/x/tests.rs", &ends), [""; 0], "{body}");
    }
    for body in
        ["loop { read() }", "while let Some(one) = next() {}", "for _ in 0..9 { yield_now() }"]
    {
        let reads = test_file(&format!("async fn reads() {{ {body} }}"));
        assert_eq!(told("a/src/x/tests.rs", &reads), [""; 0], "{body}");
    }
}
