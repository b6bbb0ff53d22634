//! Every command has examples, every example parses, and so does every command in the documentation.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};

use super::Cli;

/// The words of the commands `rouse …` in a line of a shell.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in segments(line) {
        let part = part.trim();
        let part =
            ["$ ", "do ", "then ", "sudo "].iter().fold(part, |p, word| p.trim_start_matches(word));
        if part == "rouse" || part.starts_with("rouse ") {
            found.push(words(part));
        }
    }
    found
}

/// A line, cut where a shell begins another command; not within quotes.
fn segments(line: &str) -> Vec<String> {
    let (mut segments, mut quote) = (vec![String::new()], None);
    let mut before = ' ';
    for c in line.chars() {
        let inside = quote.is_some_and(|quote| quote == '\'');
        match c {
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ => {}
        }
        let cut = matches!(c, '|' | ';' | '&') && quote.is_none();
        let nested = c == '(' && matches!(before, '$' | '<') && !inside;
        let ends = c == ')' && !inside;
        if cut || nested || ends {
            if nested {
                // A command within double quotes has quotes of its own.
                quote = None;
            }
            segments.push(String::new());
        } else if let Some(last) = segments.last_mut() {
            last.push(c);
        }
        before = c;
    }
    segments
}

/// The words up to a comment or a redirection.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#' | '>', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Why the words are no command, if they are none.
fn refused(words: &[String]) -> Option<clap::Error> {
    let error = Cli::try_parse_from(words).err()?;
    (!matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)).then_some(error)
}

fn each(command: &Command, path: &str, visit: &mut impl FnMut(&Command, &str)) {
    visit(command, path);
    for sub in
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        each(sub, &format!("{path} {}", sub.get_name()), visit);
    }
}

#[test]
fn every_command_has_examples_that_parse() {
    let mut command = Cli::command();
    command.build();
    let (mut seen, mut faults) = (0, Vec::new());
    each(&command, "rouse", &mut |command, path| {
        seen += 1;
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let Some(lines) = text.strip_prefix("Examples:\n") else {
            return faults.push(format!("{path} has no examples"));
        };
        let mut own = 0;
        for line in lines.lines() {
            // What follows after several spaces is a comment.
            let line = line.trim();
            let line = line.split("  ").next().unwrap_or(line);
            let found = commands(line);
            if found.is_empty() {
                faults.push(format!("{path}: {line:?} is no command"));
            }
            own += found
                .iter()
                .filter(|words| format!("{} ", words.join(" ")).starts_with(&format!("{path} ")))
                .count();
            faults.extend(
                found
                    .iter()
                    .filter_map(|words| Some(format!("{path}: {line}: {}", refused(words)?))),
            );
        }
        if own == 0 {
            faults.push(format!("{path}: no example is of this command"));
        }
    });
    assert!(seen > 25, "{seen} commands");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn options_of_all_commands_come_last_in_the_help() {
    let mut command = Cli::command();
    command.build();
    each(&command, "rouse", &mut |command, path| {
        let help = command.clone().render_long_help().to_string();
        let last = help.lines().rfind(|line| line.ends_with(':') && !line.starts_with(' '));
        let before_examples = help.split("Examples:").next().unwrap_or_default();
        let heading =
            before_examples.lines().rfind(|line| line.ends_with(':') && !line.starts_with(' '));
        assert_eq!(last, Some("Examples:"), "{path}");
        assert_eq!(heading, Some("Global options:"), "{path}");
    });
}

/// Every page of the documentation.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The commands in a page: of its blocks, whole; and those within its text, which may name a command alone.
fn of_page(text: &str) -> Vec<(String, bool)> {
    let (mut found, mut in_block) = (Vec::new(), false);
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.push((line.to_owned(), true));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|span| (span.to_owned(), false)));
        }
    }
    found
}

#[test]
fn every_command_in_the_documentation_parses() {
    let (mut seen, mut faults) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (line, whole) in of_page(&text) {
            for words in commands(&line) {
                seen += 1;
                let Some(error) = refused(&words) else { continue };
                // `rouse deploy --source` names an option.
                let names_option = words.len() == 3 && words[2].starts_with('-');
                let is_name = !whole
                    && words.len() <= 3
                    && match error.kind() {
                        ErrorKind::MissingRequiredArgument
                        | ErrorKind::MissingSubcommand
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
                        ErrorKind::InvalidValue => names_option,
                        _ => false,
                    };
                if !is_name {
                    faults.push(format!("{}: {line}\n{error}", page.display()));
                }
            }
        }
    }
    assert!(seen > 100, "{seen} commands");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_shells_line_is_cut_into_its_commands() {
    let found = |line: &str| commands(line).iter().map(|words| words.join("|")).collect::<Vec<_>>();
    for (line, expected) in [
        ("rouse call a -d '{\"x\": 1; 2}'  # why", vec!["rouse|call|a|-d|{\"x\": 1; 2}"]),
        ("eval \"$(rouse env)\"", vec!["rouse|env"]),
        ("for i in $(seq 9); do rouse call a; done", vec!["rouse|call|a"]),
        ("rouse list; rouse describe shop", vec!["rouse|list", "rouse|describe|shop"]),
        ("docker save x | rouse images import - > out", vec!["rouse|images|import|-"]),
        ("$ rouse up", vec!["rouse|up"]),
        ("the rouse binary", vec![]),
    ] {
        assert_eq!(found(line), expected, "{line}");
    }
}
