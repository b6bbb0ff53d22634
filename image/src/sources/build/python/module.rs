//! The definitions of a Python module, read by Python's own parser without running it.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::formats::error::Error;

const SCRIPT: &str = include_str!("module.py");

/// The top level of a module, and the dependencies of its project.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Module {
    pub(super) functions: Vec<Function>,
    /// Assignments of a call or an attribute: `app = Flask(__name__)`.
    pub(super) apps: Vec<Assigned>,
    /// Everything that it defines or imports by name.
    pub(super) names: Vec<String>,
    /// Packages that it imports.
    pub(super) packages: Vec<String>,
    /// Calls that are statements of their own.
    pub(super) calls: Vec<String>,
    /// It has an `if __name__ == "__main__":`.
    pub(super) guard: bool,
    /// Names that its functions use.
    pub(super) used: Vec<String>,
    /// `app` or `application`, if it imports one.
    pub(super) imported: Vec<String>,
    /// The syntax error, with its line.
    syntax: Option<String>,
    dependencies: Option<Vec<String>>,
    problem: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    /// The number of parameters without a default.
    pub(super) required: usize,
    /// `*args`.
    pub(super) takes_more: bool,
    /// With imports resolved: `functions_framework.http`.
    pub(super) decorators: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// The name in its annotation, without arguments in brackets.
    pub(super) kind: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Assigned {
    pub(super) name: String,
    /// With imports resolved: `flask.Flask`.
    pub(super) call: String,
}

/// Parses `source` with the interpreter `python`.
pub(super) fn read(python: &str, source: &Path) -> Result<Module, Error> {
    let module = run_script(python, source, source, Path::new(""))?;
    match &module.syntax {
        Some(why) => {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            Err(Error::build(
                source,
                format!("it is no Python that {python} can read: {name}{why}"),
            ))
        }
        None => Ok(module),
    }
}

/// The dependencies that `pyproject.toml` in a folder lists; `None` without the file or a project in it.
pub(super) fn dependencies(python: &str, folder: &Path) -> Result<Option<Vec<String>>, Error> {
    let project = folder.join("pyproject.toml");
    if !project.is_file() {
        return Ok(None);
    }
    let said = run_script(python, folder, Path::new(""), &project)?;
    match said.problem {
        Some(why) => Err(Error::build(&project, why)),
        None => Ok(said.dependencies),
    }
}

fn run_script(python: &str, of: &Path, source: &Path, project: &Path) -> Result<Module, Error> {
    let output = Command::new(python).args(["-I", "-c", SCRIPT]).args([source, project]).output();
    let failed = |why: String| Error::build(of, format!("{python} cannot read it: {why}"));
    let output = output.map_err(|e| failed(e.to_string()))?;
    serde_json::from_slice(&output.stdout).map_err(|_no_json| {
        let said = String::from_utf8_lossy(&output.stderr);
        failed(said.lines().last().unwrap_or("it says nothing").to_owned())
    })
}
