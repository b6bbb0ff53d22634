//! Writes a container's volumes to the host's disk, and refreshes them when their sources change.
//!
//! The files of an object are changed all at once, as the kubelet does: they lie in a directory of their
//! own, `..data` is a link to it, and each file is a link through that. A container that mounts a single
//! file (`subPath`) keeps the one that it has, as upstream.
//!
//! Upstream: pkg/volume/util/atomic_writer.go.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Component, Path, PathBuf};

use parking_lot::Mutex;
use rouse_k8s::hash::fnv1a_64;

use crate::spec::volumes::{Content, Files, Place, Volume, failed};
use crate::spec::{Mount, PodRef};

/// The link to the present files.
const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";

/// Locks for the volumes of pods, each for some of them: containers of a pod write the same ones.
#[derive(Default)]
pub(crate) struct WriteLocks([Mutex<()>; 16]);

impl WriteLocks {
    fn of(&self, pod: &PodRef) -> &Mutex<()> {
        let number = fnv1a_64(pod.uid.as_bytes()) % self.0.len() as u64;
        // The remainder is an index.
        &self.0[number as usize]
    }
}

/// Writes the volumes of a pod, and gives the paths to mount; blocks.
pub(super) fn write_all(
    (locks, pod): (&WriteLocks, &PodRef),
    volumes: &[Volume],
    places: &[Place],
) -> Result<Vec<Mount>, String> {
    let _alone = locks.of(pod).lock();
    for volume in volumes {
        write(volume).map_err(|error| failed(&volume.name, &error.to_string()))?;
    }
    places
        .iter()
        .map(|place| {
            let host_path = host_path(place)
                .map_err(|error| failed(&place.volume, &format!("subPath: {error}")))?;
            let Place { volume, path, read_only, optional, .. } = place.clone();
            Ok(Mount { volume, host_path, path, read_only, optional })
        })
        .collect()
}

fn write(volume: &Volume) -> io::Result<()> {
    match &volume.content {
        Content::Empty { .. } => {
            fs::create_dir_all(&volume.dir)?;
            if let Some(of_pod) = volume.dir.parent() {
                // A place in memory is everybody's.
                fs::set_permissions(of_pod, Permissions::from_mode(0o700))?;
            }
            let mode = fs::metadata(&volume.dir)?.permissions().mode();
            // The rest is its group's: new files in it get that.
            fs::set_permissions(&volume.dir, Permissions::from_mode(mode & 0o7000 | 0o777))
        }
        Content::Kept { .. } => {
            // Made by the first pod; its permissions are then the users'.
            if !volume.dir.exists() {
                fs::create_dir_all(&volume.dir)?;
                fs::set_permissions(&volume.dir, Permissions::from_mode(0o777))?;
            }
            Ok(())
        }
        Content::Host { kind, hidden } => host(&volume.dir, kind, hidden),
        Content::Files(files) => {
            fs::create_dir_all(&volume.dir)?;
            swap(&volume.dir, files)
        }
    }
}

/// Upstream: pkg/volume/hostpath, whose types and messages these are.
fn host(path: &Path, kind: &str, hidden: &Path) -> io::Result<()> {
    let wrong = |what: &str| {
        Err(io::Error::other(format!(
            "hostPath type check failed: {} is not {what}",
            path.display()
        )))
    };
    match kind {
        "DirectoryOrCreate" if !path.exists() => fs::create_dir_all(path)?,
        "FileOrCreate" if !path.exists() => drop(fs::File::create(path)?),
        "Directory" | "DirectoryOrCreate" if !path.is_dir() => return wrong("a directory"),
        "File" | "FileOrCreate" if !path.is_file() => return wrong("a file"),
        _ if !path.exists() => return wrong("there"),
        _ => {}
    }
    let (path, hidden) = (fs::canonicalize(path)?, fs::canonicalize(hidden)?);
    if path.starts_with(&hidden) || hidden.starts_with(&path) {
        let why = "it would show the platform's data directory, with its keys, to a pod";
        return Err(io::Error::other(format!("hostPath {}: {why}", path.display())));
    }
    Ok(())
}

/// The path to mount. One that leads out of its volume by a link is refused: containers may write links.
fn host_path(place: &Place) -> io::Result<PathBuf> {
    let Some(sub_path) = &place.sub_path else { return Ok(place.dir.clone()) };
    let inside = fs::canonicalize(&place.dir)?;
    let path = inside.join(sub_path);
    if place.writable && !place.read_only && !path.exists() {
        // Checked as far as it exists, so that nothing is made elsewhere.
        let exists = path.ancestors().find(|above| above.exists()).unwrap_or(&inside);
        if fs::canonicalize(exists)?.starts_with(&inside) {
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o777))?;
        }
    }
    let path = fs::canonicalize(path)?;
    if path.starts_with(&inside) {
        Ok(path)
    } else {
        Err(io::Error::other(format!("{} leads out of its volume", sub_path.display())))
    }
}

/// Replaces the files of a volume by these, all at once. Files that are the same stay.
fn swap(dir: &Path, files: &Files) -> io::Result<()> {
    let data = dir.join(DATA);
    let before = fs::read_link(&data).ok().map(|name| dir.join(name));
    if let Some(before) = &before
        && is_same(before, files)
    {
        return link_names(dir, files);
    }
    let next = make_next(dir)?;
    for (path, file) in files {
        let path = next.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.bytes)?;
        let mode = file.permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    let link = dir.join(NEXT);
    remove_file(&link)?;
    symlink(next.file_name().unwrap_or_default(), &link)?;
    fs::rename(&link, &data)?;
    link_names(dir, files)?;
    match before {
        Some(before) => fs::remove_dir_all(before),
        None => Ok(()),
    }
}

/// A new directory for files.
fn make_next(dir: &Path) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S").to_string();
    let mut number = 0_u32;
    loop {
        let next = dir.join(format!("..{now}.{number}"));
        match fs::DirBuilder::new().mode(0o755).create(&next) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| next),
        }
    }
}

fn is_same(dir: &Path, files: &Files) -> bool {
    let mut found = BTreeSet::new();
    if paths(dir, dir, &mut found).is_err() || found.len() != files.len() {
        return false;
    }
    files.iter().all(|(path, file)| {
        let path = dir.join(path);
        let mode = file.permissions();
        let has_mode = |found: fs::Metadata| found.permissions().mode() & 0o777 == mode;
        fs::metadata(&path).is_ok_and(has_mode) && fs::read(&path).is_ok_and(|b| b == file.bytes)
    })
}

fn paths(top: &Path, dir: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            paths(top, &path, found)?;
        } else if let Ok(path) = path.strip_prefix(top) {
            found.insert(path.to_owned());
        }
    }
    Ok(())
}

/// A link through `..data` for the first part of each path, and none for others.
fn link_names(dir: &Path, files: &Files) -> io::Result<()> {
    let first = |path: &String| match Path::new(path).components().next() {
        Some(Component::Normal(name)) => Some(name.to_owned()),
        _ => None,
    };
    let names: BTreeSet<OsString> = files.keys().filter_map(first).collect();
    for name in &names {
        match symlink(Path::new(DATA).join(name), dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            linked => linked?,
        }
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let ours = name.as_encoded_bytes().starts_with(b"..");
        if !ours && !names.contains(&name) {
            remove_file(&dir.join(name))?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Gives the files of volumes to a group, as the kubelet does; blocks. Returns why it cannot, once.
///
/// Upstream: pkg/volume/volume_linux.go. A volume that has the group already is left as it is.
pub(super) fn give_to_group(volumes: &[Volume], group: u32) -> Option<String> {
    let given = volumes.iter().try_for_each(|volume| {
        let writable = match volume.content {
            Content::Host { .. } => return Ok(()),
            Content::Files(_) => false,
            Content::Empty { .. } | Content::Kept { .. } => true,
        };
        if writable && fs::metadata(&volume.dir)?.gid() == group {
            return Ok(());
        }
        give(&volume.dir, group, writable)
    });
    given.err().map(|error: io::Error| {
        format!("fsGroup {group} is not given to the pod's volumes by this node: {error}")
    })
}

/// The content first: a folder that has the group says that all in it has.
fn give(path: &Path, group: u32, writable: bool) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(());
    }
    let mut mode = found.permissions().mode() & 0o7777;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), group, writable)?;
        }
        // New files in it get its group.
        mode |= 0o2110;
    }
    mode |= if writable { 0o660 } else { 0o440 };
    if found.gid() != group {
        chown(path, None, Some(group))?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The message about a volume that holds more than its limit, as the kubelet words it; blocks.
pub(super) fn over_limit(volumes: &[Volume]) -> Option<String> {
    volumes.iter().find_map(|volume| {
        let Content::Empty { limit: Some(limit) } = volume.content else { return None };
        (size(&volume.dir) > limit).then(|| {
            format!(
                "Usage of EmptyDir volume {:?} exceeds the limit \"{limit}\" bytes.",
                volume.name
            )
        })
    })
}

/// The bytes that files take on the disk. What cannot be read counts as nothing.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.blocks().saturating_mul(512),
            Err(_) => 0,
        })
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
