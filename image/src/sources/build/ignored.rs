//! Files of a source folder that stay out of its image.
//!
//! | file | form | read |
//! |---|---|---|
//! | `.gcloudignore` | gitignore, and lines `#!include:FILE` | if it is there |
//! | `.gitignore` | gitignore | without a `.gcloudignore`, as gcloud does |
//! | `.dockerignore` | Docker's | besides: what it names stays out, too |

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::formats::error::Error;

const GCLOUD: &str = ".gcloudignore";
const GIT: &str = ".gitignore";
const DOCKER: &str = ".dockerignore";
/// The files of gcloud's rules, and git's: what gcloud leaves out where the folder says nothing itself.
pub(super) const RULES: [&str; 3] = [GCLOUD, ".git", GIT];
const INCLUDE: &str = "#!include:";

/// The rules of one folder.
#[derive(Debug)]
pub(crate) struct Ignored {
    root: PathBuf,
    git: Option<(&'static str, Gitignore)>,
    docker: Vec<Pattern>,
}

/// One line of a `.dockerignore`.
#[derive(Debug)]
struct Pattern {
    glob: GlobMatcher,
    /// The line begins with `!`: what it matches stays in after all.
    keeps: bool,
}

impl Ignored {
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        let git = match read(&root.join(GCLOUD))? {
            Some(text) => Some((GCLOUD, gitignore(root, GCLOUD, &included(root, &text)?)?)),
            None => match read(&root.join(GIT))? {
                Some(text) => {
                    let lines = RULES.into_iter().chain(text.lines());
                    let lines: Vec<String> = lines.map(str::to_owned).collect();
                    Some((GIT, gitignore(root, GIT, &lines)?))
                }
                None => None,
            },
        };
        let docker = match read(&root.join(DOCKER))? {
            Some(text) => patterns(root, &text)?,
            None => Vec::new(),
        };
        Ok(Self { root: root.to_owned(), git, docker })
    }

    /// The file whose rule keeps a file or folder out.
    pub(crate) fn by(&self, path: &Path, is_dir: bool) -> Option<&'static str> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        if let Some((name, rules)) = &self.git
            && rules.matched_path_or_any_parents(relative, is_dir).is_ignore()
        {
            return Some(name);
        }
        let fits = |pattern: &&Pattern| {
            let mut above = relative.ancestors().filter(|path| !path.as_os_str().is_empty());
            above.any(|path| pattern.glob.is_match(path))
        };
        let last = self.docker.iter().rev().find(fits);
        last.is_some_and(|pattern| !pattern.keeps).then_some(DOCKER)
    }

    /// Whether nothing in a folder that stays out may stay in.
    pub(crate) fn prunes(&self, by: &str) -> bool {
        by != DOCKER || !self.docker.iter().any(|pattern| pattern.keeps)
    }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// The lines of a `.gcloudignore`, with those of the files that it includes.
fn included(root: &Path, text: &str) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some(name) = line.strip_prefix(INCLUDE).map(str::trim) else {
            lines.push(line.to_owned());
            continue;
        };
        let refused = |why: &str| Error::build(root.join(GCLOUD), format!("{line}: {why}"));
        if name.contains('/') {
            return Err(refused("a file of the same folder is included by its name"));
        }
        let text = read(&root.join(name))?;
        let text = text.ok_or_else(|| refused("there is no such file"))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(lines)
}

fn gitignore(root: &Path, name: &str, lines: &[String]) -> Result<Gitignore, Error> {
    let mut rules = GitignoreBuilder::new(root);
    let refused = |error: ignore::Error| Error::build(root.join(name), error.to_string());
    for line in lines {
        rules.add_line(None, line).map_err(refused)?;
    }
    rules.build().map_err(refused)
}

fn patterns(root: &Path, text: &str) -> Result<Vec<Pattern>, Error> {
    let mut patterns = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (keeps, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, line),
        };
        let parts = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
        let pattern = parts.collect::<Vec<_>>().join("/");
        // All of the folder.
        let pattern = if pattern.is_empty() { "**".to_owned() } else { pattern };
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| Error::build(root.join(DOCKER), error.to_string()))?;
        patterns.push(Pattern { glob: glob.compile_matcher(), keeps });
    }
    Ok(patterns)
}
