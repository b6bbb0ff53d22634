//! Volumes as directories of the host: emptyDir, ConfigMap, Secret, and projections of those.
//!
//! Upstream: pkg/volume/{configmap,secret,emptydir,projected}, with its wording for what is missing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{
    ConfigMap, Container, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume,
};

use crate::env::{self, Sources, Wanted};
use crate::runtime::Mount;

/// As the API defaults it.
const FILE_MODE: i32 = 0o644;

/// Adds the objects that this container's volumes come from.
pub(crate) fn wanted(pod: &Pod, container: &Container, wanted: &mut Wanted) {
    for volume in used(pod, container) {
        if let Some(from) = &volume.config_map {
            wanted.config_maps.insert(from.name.clone());
        }
        if let Some(name) = volume.secret.as_ref().and_then(|from| from.secret_name.clone()) {
            wanted.secrets.insert(name);
        }
        let projected = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
        for source in projected {
            wanted.config_maps.extend(source.config_map.iter().map(|from| from.name.clone()));
            wanted.secrets.extend(source.secret.iter().map(|from| from.name.clone()));
        }
    }
}

fn used<'a>(pod: &'a Pod, container: &'a Container) -> impl Iterator<Item = &'a Volume> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter(|volume| {
        container.volume_mounts.iter().flatten().any(|mount| mount.name == volume.name)
    })
}

/// Writes what is to be mounted below `dir`, and says what goes where.
pub(crate) fn mounts(
    dir: &Path,
    pod: &Pod,
    container: &Container,
    sources: &Sources,
) -> Result<Vec<Mount>, String> {
    let mut made = BTreeMap::new();
    for volume in used(pod, container) {
        made.insert(volume.name.as_str(), make(dir, pod, volume, sources)?);
    }
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|mount| {
            let name = &mount.name;
            let at = made
                .get(name.as_str())
                .ok_or_else(|| format!("volume {name:?} is not among the pod's volumes"))?;
            let path = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
                Some(sub) => safe_join(&at.path, sub)?,
                None => at.path.clone(),
            };
            Ok(Mount {
                volume: name.clone(),
                host_path: path,
                path: mount.mount_path.clone(),
                read_only: at.read_only || mount.read_only.unwrap_or(false),
            })
        })
        .collect()
}

struct Made {
    path: PathBuf,
    read_only: bool,
}

fn make(dir: &Path, pod: &Pod, volume: &Volume, sources: &Sources) -> Result<Made, String> {
    let name = &volume.name;
    let path = safe_join(dir, name)?;
    fs::create_dir_all(&path).map_err(|error| failed(name, &error.to_string()))?;
    if volume.empty_dir.is_some() {
        // Whoever the container runs as may write.
        let all = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&path, all).map_err(|error| failed(name, &error.to_string()))?;
        return Ok(Made { path, read_only: false });
    }
    let files = files(pod, volume, sources).map_err(|why| failed(name, &why))?;
    for (at, file) in &files {
        let target = safe_join(&path, at)?;
        write(&target, file).map_err(|error| failed(name, &error.to_string()))?;
    }
    Ok(Made { path, read_only: true })
}

fn failed(volume: &str, why: &str) -> String {
    format!("MountVolume.SetUp failed for volume {volume:?} : {why}")
}

struct File {
    content: Vec<u8>,
    mode: i32,
}

type Files = BTreeMap<String, File>;

fn files(pod: &Pod, volume: &Volume, sources: &Sources) -> Result<Files, String> {
    let mut files = Files::new();
    if let Some(from) = &volume.config_map {
        let mode = from.default_mode.unwrap_or(FILE_MODE);
        let optional = from.optional.unwrap_or(false);
        let data = config_map(sources, &from.name, optional)?;
        project(&mut files, data, from.items.as_deref(), (mode, optional))?;
    } else if let Some(from) = &volume.secret {
        let mode = from.default_mode.unwrap_or(FILE_MODE);
        let optional = from.optional.unwrap_or(false);
        let data = secret(sources, from.secret_name.as_deref().unwrap_or_default(), optional)?;
        project(&mut files, data, from.items.as_deref(), (mode, optional))?;
    } else if let Some(from) = &volume.downward_api {
        let mode = from.default_mode.unwrap_or(FILE_MODE);
        downward(&mut files, pod, sources, from.items.as_deref(), mode)?;
    } else if let Some(projected) = &volume.projected {
        let mode = projected.default_mode.unwrap_or(FILE_MODE);
        for source in projected.sources.iter().flatten() {
            if let Some(from) = &source.config_map {
                let optional = from.optional.unwrap_or(false);
                let data = config_map(sources, &from.name, optional)?;
                project(&mut files, data, from.items.as_deref(), (mode, optional))?;
            } else if let Some(from) = &source.secret {
                let optional = from.optional.unwrap_or(false);
                let data = secret(sources, &from.name, optional)?;
                project(&mut files, data, from.items.as_deref(), (mode, optional))?;
            } else if let Some(from) = &source.downward_api {
                downward(&mut files, pod, sources, from.items.as_deref(), mode)?;
            } else {
                return Err("this node projects ConfigMaps, Secrets and the downward API, \
                            and no other source"
                    .to_owned());
            }
        }
    } else {
        return Err("this node knows emptyDir, configMap, secret, downwardAPI and projected \
                    volumes, and no other kind"
            .to_owned());
    }
    Ok(files)
}

type Data = BTreeMap<String, Vec<u8>>;

fn config_map(sources: &Sources, name: &str, optional: bool) -> Result<Data, String> {
    let map: Option<&ConfigMap> = sources.config_maps.get(name);
    let Some(map) = map else {
        return if optional {
            Ok(Data::new())
        } else {
            Err(format!("configmap {name:?} not found"))
        };
    };
    let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()));
    Ok(text.chain(binary).collect())
}

fn secret(sources: &Sources, name: &str, optional: bool) -> Result<Data, String> {
    let secret: Option<&Secret> = sources.secrets.get(name);
    let Some(secret) = secret else {
        return if optional { Ok(Data::new()) } else { Err(format!("secret {name:?} not found")) };
    };
    Ok(secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect())
}

fn project(
    files: &mut Files,
    mut data: Data,
    items: Option<&[KeyToPath]>,
    (mode, optional): (i32, bool),
) -> Result<(), String> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        files.extend(data.into_iter().map(|(key, content)| (key, File { content, mode })));
        return Ok(());
    };
    for item in items {
        match data.remove(&item.key) {
            Some(content) => {
                let mode = item.mode.unwrap_or(mode);
                files.insert(item.path.clone(), File { content, mode });
            }
            None if optional => {}
            None => return Err(format!("references non-existent config key: {}", item.key)),
        }
    }
    Ok(())
}

fn downward(
    files: &mut Files,
    pod: &Pod,
    sources: &Sources,
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: i32,
) -> Result<(), String> {
    for item in items.unwrap_or_default() {
        let Some(from) = &item.field_ref else {
            return Err("this node projects fields of the pod, not its resources".to_owned());
        };
        let text = match from.field_path.as_str() {
            "metadata.labels" => lines(pod.metadata.labels.as_ref()),
            "metadata.annotations" => lines(pod.metadata.annotations.as_ref()),
            _ => env::field(pod, sources, from)?,
        };
        let mode = item.mode.unwrap_or(mode);
        files.insert(item.path.clone(), File { content: text.into_bytes(), mode });
    }
    Ok(())
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn write(path: &Path, file: &File) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = u32::try_from(file.mode & 0o777).unwrap_or(0o644);
    // Made anew: a container may be mounting the old one, which it then keeps.
    let _ = fs::remove_file(path);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    out.write_all(&file.content)
}

/// Paths come from objects, so none may lead out of the pod's directory.
fn safe_join(dir: &Path, path: &str) -> Result<PathBuf, String> {
    let relative = Path::new(path);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if plain {
        Ok(dir.join(relative))
    } else {
        Err(format!("path {path:?} is not within its volume"))
    }
}
