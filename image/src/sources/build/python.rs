//! A Python function: `main.py` and `requirements.txt`, served by functions-framework.
//!
//! Dependencies are installed at build into a layer of their own, which is used again as long as
//! requirements, interpreter version and platform stay. Their bytecode is compiled here too, with
//! checks by nothing (`unchecked-hash`), so that a start compiles nothing. Without a base image the
//! interpreter is the host's, and the image says so in a label.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::layer::LayerFiles;
use super::recipe::{APP_DIR, Content, Context, Recipe};

use crate::formats::config::LABEL_HOST_PYTHON;
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::store::Made;

/// Where dependencies are in the image.
const DEPENDENCIES_DIR: &str = "/python";
/// What is installed when requirements do not name the framework, as Google's builders do.
const FRAMEWORK: &str = "functions-framework>=3.8,<4";
/// Part of the reuse key: raise it when the way a layer is made changes.
const LAYER_FORMAT: u32 = 1;

/// Whether functions-framework is added to the requirements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    Ensured,
    AsListed,
}

pub(crate) fn recipe(context: &Context<'_>, source: &Path) -> Result<Recipe, Error> {
    let main = source.join("main.py");
    let text = fs::read_to_string(&main).map_err(Error::io("read", &main))?;
    let target = match &context.options.function {
        Some(name) => named_function(&text, name),
        None => only_function(&text),
    };
    let target = target.map_err(|reason| Error::build(&main, reason))?;
    let mut recipe = Recipe::default();
    let python = add_dependencies(context, source, &mut recipe, Framework::Ensured)?;
    let mut files = LayerFiles::default();
    files.add_tree(Path::new(APP_DIR), source)?;
    recipe.layers.push(("application".to_owned(), Content::Files(files)));
    recipe.entrypoint = [&python, "-m", "functions_framework"].map(str::to_owned).to_vec();
    recipe.env.push(("FUNCTION_TARGET".to_owned(), target));
    Ok(recipe)
}

/// Adds the layer of installed requirements and what makes Python find them. Gives the name of the
/// interpreter to run.
pub(crate) fn add_dependencies(
    context: &Context<'_>,
    source: &Path,
    recipe: &mut Recipe,
    framework: Framework,
) -> Result<String, Error> {
    let host = host_python(source)?;
    let version = match context.base {
        Some(base) => base_version(context, base, source)?,
        None => host.version.clone(),
    };
    let path = source.join("requirements.txt");
    let listed = if path.exists() {
        fs::read_to_string(&path).map_err(Error::io("read", &path))?
    } else {
        String::new()
    };
    let requirements = match framework {
        Framework::Ensured if !names_framework(&listed) => {
            format!("{}\n{FRAMEWORK}\n", listed.trim_end())
        }
        Framework::Ensured | Framework::AsListed => listed,
    };
    let place = if context.base.is_some() { "base" } else { "host" };
    let key =
        format!("{LAYER_FORMAT}\n{version}\n{}\n{place}\n{requirements}", std::env::consts::ARCH);
    let content = match reusable(context, &Digest::of(key.as_bytes())) {
        Some(content) => content,
        None => {
            install(context, source, &host, &version, &requirements, &Digest::of(key.as_bytes()))?
        }
    };
    recipe.layers.push(("dependencies".to_owned(), content));
    for (name, value) in [
        ("PYTHONPATH", DEPENDENCIES_DIR),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ] {
        recipe.env.push((name.to_owned(), value.to_owned()));
    }
    if context.base.is_some() {
        return Ok("python3".to_owned());
    }
    recipe.labels.insert(LABEL_HOST_PYTHON.to_owned(), format!("python{version}"));
    Ok(host.executable)
}

fn reusable(context: &Context<'_>, key: &Digest) -> Option<Content> {
    let made = context.store.made_from(key)?;
    Some(Content::Stored { digest: made.digest, size: made.size, reused: true })
}

fn install(
    context: &Context<'_>,
    source: &Path,
    host: &HostPython,
    version: &str,
    requirements: &str,
    key: &Digest,
) -> Result<Content, Error> {
    context.step(format!("installing requirements.txt for Python {version}"));
    let work = context.store.temp_dir()?;
    let (list, target) = (work.path().join("requirements.txt"), work.path().join("site"));
    fs::write(&list, requirements).map_err(Error::io("write", &list))?;
    fs::create_dir(&target).map_err(Error::io("create", &target))?;
    let mut pip = Command::new(&host.executable);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-compile"])
        .args([
            "--disable-pip-version-check",
            "--no-warn-script-location",
            "--root-user-action=ignore",
        ])
        .arg("--target")
        .arg(&target)
        .arg("--requirement")
        .arg(&list)
        .current_dir(source);
    if context.base.is_some() {
        pip.args(["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]);
        for platform in ["manylinux_2_28", "manylinux_2_17", "manylinux2014", "linux"] {
            pip.arg(format!("--platform={platform}_{}", std::env::consts::ARCH));
        }
    }
    run(pip, source, "installing requirements.txt failed")?;
    if version == host.version {
        compile(host, &target);
    }
    let mut files = LayerFiles::default();
    files.add_whole_tree(Path::new(DEPENDENCIES_DIR), &target)?;
    let (layer, reused) = files.store(context.store)?;
    let made = Made { digest: layer.digest.clone(), size: layer.size };
    context.store.remember(key, &made)?;
    Ok(Content::Stored { digest: layer.digest, size: layer.size, reused })
}

/// Compiles what was installed. Packages ship files that no Python compiles (templates, tests of
/// syntax errors), so a failure only means that those are compiled when imported.
fn compile(host: &HostPython, target: &Path) {
    let mut compile = Command::new(&host.executable);
    compile
        .args(["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"])
        // The layer must not know the folder in which it was made.
        .arg("-s")
        .arg(target)
        .args(["-p", DEPENDENCIES_DIR])
        .arg(target);
    if let Err(error) = compile.output() {
        tracing::warn!(%error, "dependencies were not compiled ahead; the first start will");
    }
}

fn run(mut command: Command, source: &Path, what: &str) -> Result<(), Error> {
    let output = command.output().map_err(|e| Error::build(source, format!("{what}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        let reason = "python3 has no pip; install it (Debian: `apt install python3-pip`)";
        return Err(Error::build(source, reason));
    }
    // pip's last lines hold the cause.
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    Err(Error::build(source, format!("{what}: {last}")))
}

struct HostPython {
    /// What Python calls itself. Not what PATH has, which may be a script of a version manager that
    /// costs more than the start of Python.
    executable: String,
    /// `3.11`.
    version: String,
}

fn host_python(source: &Path) -> Result<HostPython, Error> {
    let missing = || {
        let reason = "it needs python3, which is not on PATH; install it (Debian: `apt install python3 python3-pip`)";
        Error::build(source, reason)
    };
    let script = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)";
    let output =
        Command::new("python3").args(["-c", script]).output().map_err(|_absent| missing())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().split_once('\n') {
        Some((version, executable)) if version.starts_with("3.") && executable.starts_with('/') => {
            Ok(HostPython { executable: executable.to_owned(), version: version.to_owned() })
        }
        Some(_) | None => Err(missing()),
    }
}

/// The minor version of the base's Python: what official images say, else what is in it.
fn base_version(
    context: &Context<'_>,
    base: &crate::Image,
    source: &Path,
) -> Result<String, Error> {
    let minor = |version: &str| {
        let mut parts = version.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    };
    let said = base.env.iter().find(|(name, _)| name == "PYTHON_VERSION");
    if let Some(version) = said.and_then(|(_, version)| minor(version)) {
        return Ok(version);
    }
    let rootfs = context.store.rootfs(&base.digest)?;
    for dir in ["usr/local/lib", "usr/lib"] {
        for entry in fs::read_dir(rootfs.join(dir)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) =
                name.strip_prefix("python3.").filter(|rest| rest.parse::<u32>().is_ok())
            {
                return Ok(format!("3.{version}"));
            }
        }
    }
    Err(Error::build(
        source,
        "there is no Python 3 in the base image; use one such as python:3.11-slim",
    ))
}

/// Whether a requirements file names functions-framework, under any spelling that pip takes.
fn names_framework(requirements: &str) -> bool {
    requirements.lines().any(|line| {
        let name: String = line
            .trim()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() })
            .collect();
        name == "functions-framework"
    })
}

/// A public function at the top level of a module, and whether functions-framework decorates it.
struct Function<'a> {
    name: &'a str,
    decorated: bool,
}

fn functions(text: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    let mut decorated = false;
    for line in text.lines() {
        let definition = line.strip_prefix("def ").or_else(|| line.strip_prefix("async def "));
        if let Some(rest) = definition {
            let name = rest.split('(').next().unwrap_or_default().trim();
            if !name.starts_with('_') {
                found.push(Function { name, decorated });
            }
            decorated = false;
        } else if let Some(decorator) = line.strip_prefix('@') {
            let name = decorator.trim_start_matches("functions_framework.");
            let is_ours =
                ["http", "cloud_event", "typed"].iter().any(|kind| name.starts_with(kind));
            decorated |= is_ours;
        } else if !line.is_empty() && !line.starts_with([' ', '\t', '#', ')']) {
            decorated = false;
        }
    }
    found
}

fn named_function(text: &str, name: &str) -> Result<String, String> {
    let found = functions(text);
    if found.iter().any(|function| function.name == name) || text.contains(&format!("{name} =")) {
        return Ok(name.to_owned());
    }
    Err(format!("it defines no function {name:?}; it defines: {}", names(&found)))
}

/// The function to serve when nobody said: the one that is decorated, or the only one, or `main`.
fn only_function(text: &str) -> Result<String, String> {
    let found = functions(text);
    let decorated: Vec<&Function<'_>> =
        found.iter().filter(|function| function.decorated).collect();
    match (decorated.as_slice(), found.as_slice()) {
        ([one], _) => Ok(one.name.to_owned()),
        ([], [one]) => Ok(one.name.to_owned()),
        _several if found.iter().any(|function| function.name == "main") => Ok("main".to_owned()),
        _several => {
            let names = names(&found);
            Err(format!(
                "which function to serve is not clear (it defines: {names}); name it with --function"
            ))
        }
    }
}

fn names(found: &[Function<'_>]) -> String {
    if found.is_empty() {
        return "none".to_owned();
    }
    found.iter().map(|function| function.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_to_serve_is_found_as_people_mean_it() {
        let two = "import x\n\ndef load():\n    pass\n\n@functions_framework.http\ndef digits(request):\n    pass\n";
        assert_eq!(only_function(two).unwrap(), "digits");
        assert_eq!(only_function("def hello(request):\n  return 1\n").unwrap(), "hello");
        assert_eq!(only_function("def a(r): ...\ndef main(r): ...\n").unwrap(), "main");
        assert_eq!(
            only_function("def _hidden(): ...\nclass C:\n    def m(self): ...\ndef f(r): ...\n")
                .unwrap(),
            "f"
        );
        let error = only_function("def a(r): ...\ndef b(r): ...\n").unwrap_err();
        assert!(error.contains("a, b") && error.contains("--function"), "{error}");
    }

    #[test]
    fn a_function_that_is_named_must_be_there() {
        assert_eq!(named_function("def a(r): ...\n", "a").unwrap(), "a");
        assert!(named_function("def a(r): ...\n", "b").unwrap_err().contains("it defines: a"));
    }

    #[test]
    fn the_framework_is_recognised_in_any_spelling() {
        for line in ["functions-framework==3.9.2", "Functions_Framework", " functions.framework>=3"]
        {
            assert!(names_framework(line), "{line}");
        }
        for line in ["", "# functions-framework", "functions-framework-extra", "flask"] {
            assert!(!names_framework(line), "{line}");
        }
    }
}
