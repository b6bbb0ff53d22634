//! Makes the volumes of a container on the host's disk.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

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
        Content::Files(files) => files.iter().try_for_each(|(path, file)| write_file(path, file)),
    }
}

fn write_file(path: &Path, file: &File) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = u32::try_from(file.mode & 0o777).unwrap_or(0o644);
    // Made anew: a container may be mounting the old one, which it then keeps.
    let _ = fs::remove_file(path);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    out.write_all(&file.bytes)
}
