//! A folder with a `Procfile`: its `web` line says what to run.

use std::fs;
use std::path::{Path, PathBuf};

use super::executable::libraries;
use super::layer::{LayerFiles, Source};
use super::python;
use super::recipe::{APP_DIR, Content, Context, Recipe};
use super::tree::Tree;
use crate::files::elf;

use crate::files::program::is_executable;
use crate::formats::config::LABEL_HOST_PROGRAM;
use crate::formats::error::Error;

/// Characters that need a shell.
const SHELL: &[char] = &[
    '$', '\'', '"', '\\', '`', ';', '|', '&', '<', '>', '*', '?', '(', ')', '[', ']', '{', '}',
    '~', '#',
];
/// Characters that join commands; with `exec` before them, only the first would run.
const SEPARATORS: &[char] = &[';', '|', '&'];

/// The entrypoint of a `web` line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Web {
    Words(Vec<String>),
    /// Through `/bin/sh -c`.
    Shell(String),
}

pub(crate) fn recipe(context: &Context<'_>, source: &Path) -> Result<Recipe, Error> {
    let path = source.join("Procfile");
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let line = web_line(&text).map_err(|reason| Error::build(&path, reason))?;
    let web = web(line);
    let program = program(line);
    let mut recipe = Recipe::default();
    let mut files = LayerFiles::default();
    files.add_tree(Path::new(APP_DIR), context.tree)?;
    if program.contains('/') && !program.starts_with('/') && !is_executable(&source.join(program)) {
        let reason =
            format!("its web command runs {program}, which is no executable file in the folder");
        return Err(Error::build(&path, reason));
    }
    if program.contains('/')
        && !program.starts_with('/')
        && let Some(by) = context.tree.left_out_by(Path::new(program.trim_start_matches("./")))
    {
        let reason = format!("its web command runs {program}, which {by} leaves out");
        return Err(Error::build(&path, reason));
    }
    let mut programs = Vec::new();
    recipe.entrypoint = match web {
        Web::Words(mut words) => {
            // Absolute, so that neither a working directory nor a lookup can change it.
            if program.contains('/') && !program.starts_with('/') {
                words[0] = format!("{APP_DIR}/{}", program.trim_start_matches("./"));
            }
            words
        }
        Web::Shell(script) => {
            if context.base.is_none() {
                programs.push(PathBuf::from("/bin/sh"));
                files.add_file("/bin/sh", Source::File("/bin/sh".into()), true);
            }
            vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
        }
    };
    if context.base.is_none() {
        let linked = linked_programs(context.tree)?;
        programs.extend(linked);
        recipe.layers.extend(libraries(&programs)?);
    }
    let mut installed = Vec::new();
    if python::has_dependencies(source) {
        installed = python::add_dependencies(context, source, &mut recipe, None)?.programs;
    }
    let is_installed = installed.iter().any(|name| name == program);
    if context.base.is_none() && !program.contains('/') && !is_installed {
        recipe.labels.insert(LABEL_HOST_PROGRAM.to_owned(), program.to_owned());
    }
    recipe.layers.push(("application".to_owned(), Content::Files(files)));
    Ok(recipe)
}

/// The command of the `web` process.
fn web_line(text: &str) -> Result<&str, String> {
    let mut others = Vec::new();
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let Some((name, command)) = line.split_once(':') else {
            return Err(format!("the line {line:?} is not of the form NAME: COMMAND"));
        };
        match (name.trim(), command.trim()) {
            ("web", "") => return Err("its web line names no command".to_owned()),
            ("web", command) => return Ok(command),
            (other, _) => others.push(other),
        }
    }
    let have = if others.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it has only: {}", others.join(", "))
    };
    Err(format!("it has no line `web: COMMAND` ({have})"))
}

fn web(line: &str) -> Web {
    let assigns = line.split_whitespace().next().is_some_and(is_assignment);
    if !assigns && !line.contains(SHELL) {
        return Web::Words(line.split_whitespace().map(str::to_owned).collect());
    }
    // `exec` so that the program, not a shell, gets the signal to end.
    let several = line.contains(SEPARATORS) || assigns || line.starts_with("exec ");
    Web::Shell(if several { line.to_owned() } else { format!("exec {line}") })
}

/// The first word that is neither an assignment nor `exec`.
fn program(line: &str) -> &str {
    let mut words = line.split_whitespace().filter(|word| !is_assignment(word) && *word != "exec");
    words.next().unwrap_or_default()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Every dynamically linked program in a folder, at any depth, in order.
fn linked_programs(tree: &Tree) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let files = tree.packed.iter().filter(|found| found.metadata.is_file());
    for path in files.map(|found| &found.path).filter(|path| is_executable(path)) {
        let elf = elf::read(path).map_err(Error::io("read", path))?;
        found.extend(elf.and_then(|elf| elf.interpreter).map(|_| path.clone()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_commands_are_run_without_a_shell() {
        let words = |line: &str| Web::Words(line.split(' ').map(str::to_owned).collect());
        let shell = |line: &str| Web::Shell(line.to_owned());
        for (line, expected) in [
            ("./serve --model m.json", words("./serve --model m.json")),
            ("./serve --port $PORT", shell("exec ./serve --port $PORT")),
            ("exec ./serve $PORT", shell("exec ./serve $PORT")),
            ("LEVEL=2 ./serve", shell("LEVEL=2 ./serve")),
            ("./migrate && ./serve", shell("./migrate && ./serve")),
        ] {
            assert_eq!(web(line), expected, "{line}");
        }
    }

    #[test]
    fn the_program_is_the_first_word_that_is_no_variable() {
        assert_eq!(program("LEVEL=2 exec ./serve --port=$PORT"), "./serve");
        assert_eq!(program("python3 app.py"), "python3");
    }

    #[test]
    fn only_the_web_line_counts() {
        assert_eq!(web_line("# c\n\nworker: ./work\nweb:  ./serve a:b \n"), Ok("./serve a:b"));
        assert!(web_line("worker: ./work").unwrap_err().contains("only: worker"));
        assert!(web_line("web:").unwrap_err().contains("names no command"));
        assert!(web_line("./serve").unwrap_err().contains("NAME: COMMAND"));
    }
}
