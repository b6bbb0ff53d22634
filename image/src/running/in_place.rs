//! Starting an image's program from its unpacked folder, without `chroot`.
//!
//! The `process` runtime has no privilege and so cannot `chroot`. Absolute paths are translated into
//! the unpacked folder instead: the program, its interpreter, and every argument or variable that
//! names a file of the image.
//!
//! A dynamically linked program is started through the image's own loader with the image's own
//! libraries (`ld.so --library-path … program`), never the host's: so it runs the same on any host
//! of the same architecture, and the libraries, unlike with `LD_LIBRARY_PATH`, are not forced on
//! the host programs that it may start. Its price: `/proc/self/exe` is the loader.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::files::paths::resolve_in_rootfs;
use crate::files::program::{is_executable, shebang};
use crate::files::{elf, libraries};
use crate::formats::config::{DEFAULT_PATH, Image, host_architecture};
use crate::formats::error::Error;

/// As many `#!` lines in a row as Linux follows.
const INTERPRETERS_MAX: usize = 4;

/// The fields of a pod's container that override the image. Empty means "as the image says".
#[derive(Clone, Debug, Default)]
pub struct Overrides<'a> {
    pub command: &'a [String],
    pub args: &'a [String],
    pub env: &'a [(String, String)],
    pub working_dir: Option<&'a str>,
}

/// A command line ready for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPlace {
    /// Absolute path on the host.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// The whole environment, each name once, in order of first mention. Of the
    /// host's it holds only the folders of `PATH`.
    pub env: Vec<(String, String)>,
    /// A folder of the host.
    pub working_dir: PathBuf,
}

/// The command that runs `image`, unpacked at `rootfs`, on this host.
pub fn command_in_place(
    image: &Image,
    rootfs: &Path,
    overrides: &Overrides<'_>,
) -> Result<InPlace, Error> {
    let host = host_architecture();
    if image.architecture != host {
        let reason = format!("it is for {} and this machine is {host}", image.architecture);
        return Err(not_in_place(image, reason));
    }
    let mut argv = image.argv(overrides.command, overrides.args);
    if argv.is_empty() {
        let reason = "neither the image nor the container names a command; set one with --command";
        return Err(not_in_place(image, reason));
    }
    let env = environment(image, rootfs, overrides);
    let working_dir =
        overrides.working_dir.filter(|dir| !dir.is_empty()).unwrap_or(&image.working_dir);
    let working_dir = find_folder(rootfs, Path::new(working_dir));
    for arg in argv.iter_mut().skip(1) {
        *arg = argument(rootfs, arg);
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
    // The host's interpreter may be elsewhere than where the image was built.
    let elsewhere = image.needs_host().filter(|_| overrides.command.is_empty());
    let found = find_program(rootfs, &argv[0], &working_dir, path)
        .or_else(|| find_program(rootfs, elsewhere?, &working_dir, path));
    let found = found.ok_or_else(|| {
        let reason = match elsewhere {
            Some(program) => {
                format!("it needs {program} of this machine, which is not on PATH; install it")
            }
            None => format!("{:?} is neither in the image nor on this machine", argv[0]),
        };
        not_in_place(image, reason)
    })?;
    let args = argv.split_off(1);
    let (program, args) = runnable(image, rootfs, found, args, path)?;
    Ok(InPlace { program, args, env, working_dir })
}

fn not_in_place(image: &Image, reason: impl Into<String>) -> Error {
    Error::NotInPlace { digest: image.digest.clone(), reason: reason.into() }
}

/// The image's variables, then the container's over them, then `PATH`.
fn environment(image: &Image, rootfs: &Path, overrides: &Overrides<'_>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::new();
    for (name, value) in image.env.iter().chain(overrides.env) {
        let value = path_list(rootfs, value);
        match env.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => env.push((name.clone(), value)),
        }
    }
    // The host's programs come after the image's: an image that runs the host's interpreter, or a
    // script that calls `cat`, finds them there.
    let host_path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    match env.iter_mut().find(|(name, _)| name == "PATH") {
        Some((_, value)) => *value = format!("{value}:{host_path}"),
        None => {
            let image_path = path_list(rootfs, DEFAULT_PATH);
            let inside = image_path.split(':').filter(|dir| Path::new(dir).starts_with(rootfs));
            let dirs: Vec<&str> = inside.chain([host_path.as_str()]).collect();
            env.push(("PATH".to_owned(), dirs.join(":")));
        }
    }
    env
}

/// A path of the image as a path of the host; `None` for any other text.
fn translated(rootfs: &Path, text: &str) -> Option<String> {
    if !text.starts_with('/')
        || text.starts_with("//")
        || text == "/"
        || Path::new(text).starts_with(rootfs)
    {
        return None;
    }
    let path = resolve_in_rootfs(rootfs, Path::new(text)).filter(|path| path.exists())?;
    path.into_os_string().into_string().ok()
}

/// A colon-separated list with each path of the image translated.
fn path_list(rootfs: &Path, value: &str) -> String {
    if !value.contains('/') {
        return value.to_owned();
    }
    let parts =
        value.split(':').map(|part| translated(rootfs, part).unwrap_or_else(|| part.to_owned()));
    parts.collect::<Vec<_>>().join(":")
}

/// Translates `/path` and `--flag=/path`.
fn argument(rootfs: &Path, arg: &str) -> String {
    if let Some(path) = translated(rootfs, arg) {
        return path;
    }
    match arg.split_once('=') {
        Some((flag, value)) if flag.starts_with('-') => match translated(rootfs, value) {
            Some(path) => format!("{flag}={path}"),
            None => arg.to_owned(),
        },
        Some(_) | None => arg.to_owned(),
    }
}

/// The folder that `path` means: in the image first, then on the host, as for programs. One that is nowhere
/// is where the image would have it.
fn find_folder(rootfs: &Path, path: &Path) -> PathBuf {
    let inside = resolve_in_rootfs(rootfs, path).unwrap_or_else(|| rootfs.to_owned());
    let is_the_hosts = !inside.is_dir() && path.is_absolute() && path.is_dir();
    if is_the_hosts { path.to_owned() } else { inside }
}

/// The file that `program` means: in the image first, then on the host.
fn find_program(rootfs: &Path, program: &str, working_dir: &Path, path: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        let inside =
            resolve_in_rootfs(rootfs, Path::new(program)).filter(|file| is_executable(file));
        return inside.or_else(|| Some(PathBuf::from(program)).filter(|file| is_executable(file)));
    }
    if program.contains('/') {
        return Some(working_dir.join(program)).filter(|file| is_executable(file));
    }
    path.split(':').map(|dir| Path::new(dir).join(program)).find(|file| is_executable(file))
}

/// Prepends the `#!` interpreter or the loader of an image's program, which the kernel would look for
/// on the host. Programs of the host are started as they are.
fn runnable(
    image: &Image,
    rootfs: &Path,
    program: PathBuf,
    args: Vec<String>,
    path: &str,
) -> Result<(PathBuf, Vec<String>), Error> {
    let (mut program, mut args) = (program, args);
    for _ in 0..INTERPRETERS_MAX {
        if !program.starts_with(rootfs) {
            return Ok((program, args));
        }
        let Some((interpreter, argument)) = shebang(&program) else { break };
        // `#!/usr/bin/env NAME` searches PATH; done here so that the image's program wins.
        let (interpreter, argument) = match argument {
            Some(name) if interpreter.ends_with("/env") && !name.contains(' ') => (name, None),
            argument => (interpreter, argument),
        };
        let found = find_program(rootfs, &interpreter, rootfs, path).ok_or_else(|| {
            let reason = format!("{} needs {interpreter}, which is not there", program.display());
            not_in_place(image, reason)
        })?;
        args.insert(0, text(&program));
        if let Some(argument) = argument {
            args.insert(0, argument);
        }
        program = found;
    }
    if !program.starts_with(rootfs) {
        return Ok((program, args));
    }
    Ok(through_loader(rootfs, program, args))
}

fn through_loader(rootfs: &Path, program: PathBuf, args: Vec<String>) -> (PathBuf, Vec<String>) {
    let Some(elf) = elf::read(&program).ok().flatten() else { return (program, args) };
    let Some(interpreter) = elf.interpreter else { return (program, args) };
    let loader =
        resolve_in_rootfs(rootfs, Path::new(&interpreter)).filter(|file| is_executable(file));
    // An image without its loader uses the host's.
    let Some(loader) = loader else { return (program, args) };
    let mut all = Vec::with_capacity(args.len() + 5);
    let is_glibc =
        loader.file_name().and_then(OsStr::to_str).is_some_and(|name| !name.starts_with("ld-musl"));
    let own = elf.library_paths.iter().filter(|dir| !dir.contains("$ORIGIN"));
    let own =
        own.filter_map(|dir| resolve_in_rootfs(rootfs, Path::new(dir)).filter(|dir| dir.is_dir()));
    let dirs = own.chain(libraries::library_dirs(rootfs));
    let libraries = dirs.map(|dir| text(&dir)).collect::<Vec<_>>().join(":");
    if is_glibc {
        // The loader's cache would list the host's libraries.
        all.push("--inhibit-cache".to_owned());
    }
    all.extend(["--library-path".to_owned(), libraries, text(&program)]);
    all.extend(args);
    (loader, all)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
