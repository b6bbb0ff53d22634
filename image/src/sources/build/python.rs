//! A folder with `main.py` or `app.py`, and its dependencies by `requirements.txt` or `pyproject.toml`.
//!
//! `entry` decides how it is served. Dependencies are installed at build into a layer of their own,
//! which is reused while requirements, interpreter version and platform stay the same. Their
//! bytecode is compiled at build, never checked against the source (`unchecked-hash`), so that a start
//! compiles nothing. Without a base image the interpreter is the host's, and the image says so in a
//! label.

mod entry;
mod host;
mod module;
mod requirement;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use self::entry::{Entry, Server, Signature};
use self::host::HostPython;
use super::detect::{Kind, MODULES};
use super::layer::{LayerFiles, Source};
use super::recipe::{APP_DIR, Content, Context, Recipe};
use super::tree::Tree;

use crate::formats::config::{DEFAULT_PATH, LABEL_HOST_PYTHON};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::store::Made;

/// Where dependencies are in the image, and their programs.
const DEPENDENCIES_DIR: &str = "/python";
const PROGRAMS_DIR: &str = "/python/bin";
/// Part of the reuse key: raise it when the way a layer is made changes.
const LAYER_FORMAT: u32 = 2;
/// Servers: package and requirement, installed when the requirements do not name them, as Google's builders do.
const FRAMEWORK: (&str, &str) = ("functions-framework", "functions-framework>=3.8,<4");
const GUNICORN: (&str, &str) = ("gunicorn", "gunicorn>=22");
const UVICORN: (&str, &str) = ("uvicorn", "uvicorn>=0.30");

/// Listens on `PORT`.
const UVICORN_SCRIPT: &str =
    "import os, uvicorn; uvicorn.run('{app}', host='0.0.0.0', port=int(os.environ['PORT']))";
const STREAMLIT_SCRIPT: &str = "import os, sys; from streamlit.web import cli; sys.argv = ['streamlit', 'run', '{file}', '--server.port', os.environ['PORT'], '--server.address', '0.0.0.0', '--server.headless', 'true', '--browser.gatherUsageStats', 'false']; sys.exit(cli.main())";
const GRADIO_SCRIPT: &str = "import os, runpy; os.environ['GRADIO_SERVER_NAME'] = '0.0.0.0'; os.environ['GRADIO_SERVER_PORT'] = os.environ['PORT']; runpy.run_path('{file}', run_name='__main__')";

/// Calls a function that takes a dictionary with the JSON of a request.
const JSON_FUNCTION: &str = "import {module} as module


def serve(request):
    body = request.get_json(silent=True)
    return module.{function}({} if body is None else body)
";
/// Its path in the image.
const JSON_FUNCTION_FILE: &str = "/rouse/function.py";

pub(crate) fn recipe(context: &Context<'_>, source: &Path) -> Result<(Kind, Recipe), Error> {
    let file = MODULES.into_iter().find(|file| source.join(file).is_file()).unwrap_or(MODULES[0]);
    let main = source.join(file);
    let host = host::find(context.store, source)?;
    let module = module::read(&host.executable, &main)?;
    let requirements = requirements(&host, source)?;
    let function = context.options.function.as_deref();
    let entry = entry::entry(&module, file, &requirements, function);
    let entry = entry.map_err(|reason| Error::build(&main, reason))?;
    let mut recipe = Recipe::default();
    let needed = match &entry {
        Entry::Function { .. } => Some(FRAMEWORK),
        Entry::App { server: Server::Gunicorn, .. } => Some(GUNICORN),
        Entry::App { server: Server::Uvicorn, .. } => Some(UVICORN),
        Entry::Streamlit | Entry::Gradio | Entry::Script => None,
    };
    let wanted = (requirements, needed);
    let python = add_requirements(context, source, host, wanted, &mut recipe)?.python;
    let mut files = LayerFiles::default();
    files.add_tree(Path::new(APP_DIR), context.tree)?;
    // What is served stays in, whatever the rules say.
    let served = Path::new(APP_DIR).join(file);
    if !files.contains(&served) {
        files.add_file(served, Source::File(main), false);
    }
    let name = file.trim_end_matches(".py");
    let start: Vec<String> = match &entry {
        Entry::Function { name: function, signature } => {
            let mut env = vec![("FUNCTION_SIGNATURE_TYPE", signature.word().to_owned())];
            if *signature == Signature::Json {
                let text = JSON_FUNCTION.replace("{module}", name).replace("{function}", function);
                files.add_file(JSON_FUNCTION_FILE, Source::Bytes(text.into_bytes()), false);
                env.push(("FUNCTION_SOURCE", JSON_FUNCTION_FILE.to_owned()));
                env.push(("FUNCTION_TARGET", "serve".to_owned()));
            } else {
                env.push(("FUNCTION_SOURCE", file.to_owned()));
                env.push(("FUNCTION_TARGET", function.clone()));
            }
            recipe.env.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value)));
            words(&["-m", "functions_framework"])
        }
        Entry::App { name: app, server: Server::Gunicorn } => {
            // gunicorn reads `PORT` itself.
            let threads = ["-m", "gunicorn", "--workers", "1", "--threads", "8", "--timeout", "0"];
            let mut start = words(&threads);
            start.push(format!("{name}:{app}"));
            start
        }
        Entry::App { name: app, server: Server::Uvicorn } => {
            words(&["-c", &UVICORN_SCRIPT.replace("{app}", &format!("{name}:{app}"))])
        }
        Entry::Streamlit => words(&["-c", &STREAMLIT_SCRIPT.replace("{file}", file)]),
        Entry::Gradio => words(&["-c", &GRADIO_SCRIPT.replace("{file}", file)]),
        Entry::Script => words(&[file]),
    };
    recipe.layers.push(("application".to_owned(), Content::Files(files)));
    recipe.entrypoint = std::iter::once(python).chain(start).collect();
    let kind = match entry {
        Entry::Function { .. } => Kind::PythonFunction,
        Entry::App { .. } | Entry::Streamlit | Entry::Gradio | Entry::Script => Kind::PythonApp,
    };
    Ok((kind, recipe))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The dependencies of a source, a line each, as pip takes them.
fn requirements(host: &HostPython, source: &Path) -> Result<String, Error> {
    let path = source.join("requirements.txt");
    if path.is_file() {
        return fs::read_to_string(&path).map_err(Error::io("read", &path));
    }
    let listed = module::dependencies(&host.executable, source)?;
    Ok(listed.unwrap_or_default().join("\n"))
}

/// The result of installing dependencies.
pub(crate) struct Installed {
    /// The interpreter to run.
    pub(crate) python: String,
    /// Names of the programs that packages installed.
    pub(crate) programs: Vec<String>,
}

/// Whether a source lists Python dependencies.
pub(crate) fn has_dependencies(source: &Path) -> bool {
    ["requirements.txt", "pyproject.toml"].iter().any(|file| source.join(file).is_file())
}

/// Adds the layer of installed requirements, and sets `PYTHONPATH` and `PATH` for them. `needed` is
/// installed too, unless it is listed.
pub(crate) fn add_dependencies(
    context: &Context<'_>,
    source: &Path,
    recipe: &mut Recipe,
    needed: Option<(&str, &str)>,
) -> Result<Installed, Error> {
    let host = host::find(context.store, source)?;
    let listed = requirements(&host, source)?;
    add_requirements(context, source, host, (listed, needed), recipe)
}

fn add_requirements(
    context: &Context<'_>,
    source: &Path,
    host: HostPython,
    (listed, needed): (String, Option<(&str, &str)>),
    recipe: &mut Recipe,
) -> Result<Installed, Error> {
    let version = match context.base {
        Some(base) => base_version(context, base, source)?,
        None => host.version.clone(),
    };
    let requirements = match needed {
        Some((name, line)) if !listed.lines().any(|line| requirement::name(line) == name) => {
            format!("{}\n{line}\n", listed.trim_end())
        }
        Some(_) | None => listed,
    };
    let place = if context.base.is_some() { "base" } else { "host" };
    let key =
        format!("{LAYER_FORMAT}\n{version}\n{}\n{place}\n{requirements}", std::env::consts::ARCH);
    let key = Digest::of(key.as_bytes());
    let (content, programs) = match reusable(context, &key) {
        Some(reusable) => reusable,
        None => install(context, source, &host, &version, &requirements, &key)?,
    };
    recipe.layers.push(("dependencies".to_owned(), content));
    let of_base = context.base.and_then(|base| base.env.iter().find(|(name, _)| name == "PATH"));
    let path = of_base.map_or(DEFAULT_PATH, |(_, path)| path);
    for (name, value) in [
        ("PATH", format!("{PROGRAMS_DIR}:{path}")),
        ("PYTHONPATH", DEPENDENCIES_DIR.to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ] {
        recipe.env.push((name.to_owned(), value));
    }
    if context.base.is_some() {
        return Ok(Installed { python: "python3".to_owned(), programs });
    }
    recipe.labels.insert(LABEL_HOST_PYTHON.to_owned(), format!("python{version}"));
    Ok(Installed { python: host.executable, programs })
}

fn reusable(context: &Context<'_>, key: &Digest) -> Option<(Content, Vec<String>)> {
    let made = context.store.made_from(key)?;
    let content = Content::Stored { digest: made.digest, size: made.size, reused: true };
    Some((content, made.programs))
}

fn install(
    context: &Context<'_>,
    source: &Path,
    host: &HostPython,
    version: &str,
    requirements: &str,
    key: &Digest,
) -> Result<(Content, Vec<String>), Error> {
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
    let programs = programs(&target.join("bin"), context.base.is_some())?;
    if version == host.version {
        compile(host, &target);
    }
    let mut files = LayerFiles::default();
    files.add_tree(Path::new(DEPENDENCIES_DIR), &Tree::whole(&target)?)?;
    let (layer, reused) = files.store(context.store)?;
    let made = Made { digest: layer.digest.clone(), size: layer.size, programs };
    context.store.remember(key, &made)?;
    let content = Content::Stored { digest: layer.digest, size: layer.size, reused };
    Ok((content, made.programs))
}

/// The programs that packages installed. With a base image, its Python runs them, not the one that installed them.
fn programs(dir: &Path, has_base: bool) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let executable = path.metadata().is_ok_and(|found| found.permissions().mode() & 0o111 != 0);
        let (true, Some(name)) = (executable, path.file_name().and_then(|name| name.to_str()))
        else {
            continue;
        };
        names.push(name.to_owned());
        // A file that is not text is a binary.
        let Some(text) = fs::read_to_string(&path).ok().filter(|_| has_base) else { continue };
        if let Some(script) = on_any_python(&text) {
            fs::write(&path, script).map_err(Error::io("write", &path))?;
        }
    }
    names.sort();
    Ok(names)
}

/// A Python script rewritten to run by the `python3` on `PATH`; `None` for any other script. pip writes the interpreter
/// in the first line or, where that would be too long, in a shell command after it.
fn on_any_python(script: &str) -> Option<String> {
    let (first, rest) = script.split_once('\n')?;
    let rest = match first.strip_prefix("#!")? {
        "/bin/sh" => rest.strip_prefix("\'\'\'exec\' ")?.split_once("\n\' \'\'\'\n")?.1,
        interpreter if interpreter.contains("python") => rest,
        _ => return None,
    };
    Some(format!("#!/usr/bin/env python3\n{rest}"))
}

/// Compiles the installed packages. They ship files that no Python compiles (templates, tests of syntax
/// errors), so a failure only means that those are compiled when imported.
fn compile(host: &HostPython, target: &Path) {
    let mut compile = Command::new(&host.executable);
    compile
        .args(["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"])
        // Keeps the path of the build folder out of the layer.
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

/// The minor version of the base's Python: `PYTHON_VERSION`, as official images set it, else its library folder.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_packages_are_run_by_the_python_of_their_image() {
        let any = "#!/usr/bin/env python3\nimport sys\n";
        let long =
            "#!/bin/sh\n\'\'\'exec\' /a/very/long/python3 \"$0\" \"$@\"\n\' \'\'\'\nimport sys\n";
        for script in ["#!/opt/python3.11\nimport sys\n", long] {
            assert_eq!(on_any_python(script).as_deref(), Some(any), "{script}");
        }
        for script in ["#!/bin/sh\necho\n", "#!/usr/bin/perl\n", "import sys\n"] {
            assert_eq!(on_any_python(script), None, "{script}");
        }
    }
}
