//! Writes a container's volumes to the host's disk, and refreshes them when their sources change.
//!
//! A file is replaced as a whole, so that a reader sees the old one or the new one. A container that mounts a single file
//! (`subPath`) keeps the one that it has, as upstream.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::spec::volumes::{Content, File, Volume, failed};

/// Writes the volumes; blocks.
pub(super) fn write_all(volumes: &[Volume]) -> Result<(), String> {
    let write = |volume| write(volume).map_err(|error| failed(&volume.name, &error.to_string()));
    volumes.iter().try_for_each(write)
}

fn write(volume: &Volume) -> std::io::Result<()> {
    fs::create_dir_all(&volume.dir)?;
    match &volume.content {
        Content::Empty => fs::set_permissions(&volume.dir, fs::Permissions::from_mode(0o777)),
        Content::Files(files) => {
            files.iter().try_for_each(|(path, file)| write_file(path, file))?;
            remove_others(&volume.dir, files)
        }
    }
}

/// Removes files that are not of the volume any more.
fn remove_others(dir: &Path, files: &[(PathBuf, File)]) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, files)?;
        } else if files.iter().all(|(known, _)| *known != path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write_file(path: &Path, file: &File) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = u32::try_from(file.mode & 0o777).unwrap_or(0o644);
    let is_so = |found: fs::Metadata| found.permissions().mode() & 0o777 == mode;
    if fs::symlink_metadata(path).is_ok_and(is_so)
        && fs::read(path).is_ok_and(|bytes| bytes == file.bytes)
    {
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let _ = fs::remove_file(&new);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
    out.set_permissions(fs::Permissions::from_mode(mode))?;
    out.write_all(&file.bytes)?;
    fs::rename(&new, path)
}
