//! Volumes as directories of the host: emptyDir, ConfigMap, Secret, and projections of those.
//!
//! Upstream: pkg/volume/{configmap,secret,emptydir,projected}, with its wording for missing
//! objects.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{
    ConfigMap, Container, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume as Spec,
};

use super::downward;
use super::sources::{Sources, Wanted};

/// The API's default.
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

/// Whether a container mounts anything whose content may change while it runs.
pub(crate) fn follow_objects(pod: &Pod, container: &Container) -> bool {
    used(pod, container).any(|volume| volume.empty_dir.is_none())
}

fn used<'a>(pod: &'a Pod, container: &'a Container) -> impl Iterator<Item = &'a Spec> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter(|volume| {
        container.volume_mounts.iter().flatten().any(|mount| mount.name == volume.name)
    })
}

/// A directory or file of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub volume: String,
    pub host_path: PathBuf,
    pub path: String,
    pub read_only: bool,
}

/// A volume to be made on the host.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Writable by any user.
    Empty,
    /// Files by path, read-only.
    Files(Vec<(PathBuf, File)>),
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    /// Permission bits.
    pub(crate) mode: i32,
}

/// The volumes that a container mounts, made below `dir`, and their mounts.
pub(crate) fn mounts(
    dir: &Path,
    pod: &Pod,
    container: &Container,
    sources: &Sources,
) -> Result<(Vec<Volume>, Vec<Mount>), String> {
    let volumes = used(pod, container).map(|spec| volume(dir, pod, spec, sources));
    let volumes = volumes.collect::<Result<Vec<_>, _>>()?;
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts.map(|mount| {
        let name = &mount.name;
        let volume = volumes
            .iter()
            .find(|volume| volume.name == *name)
            .ok_or_else(|| format!("volume {name:?} is not among the pod's volumes"))?;
        let path = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            Some(sub) => safe_join(&volume.dir, sub)?,
            None => volume.dir.clone(),
        };
        let writable = matches!(volume.content, Content::Empty);
        Ok(Mount {
            volume: name.clone(),
            host_path: path,
            path: mount.mount_path.clone(),
            read_only: !writable || mount.read_only.unwrap_or(false),
        })
    });
    let mounts = mounts.collect::<Result<Vec<_>, String>>()?;
    Ok((volumes, mounts))
}

fn volume(dir: &Path, pod: &Pod, spec: &Spec, sources: &Sources) -> Result<Volume, String> {
    let name = &spec.name;
    let dir = safe_join(dir, name)?;
    let content = if spec.empty_dir.is_some() {
        Content::Empty
    } else {
        let files = files(pod, spec, sources).map_err(|why| failed(name, &why))?;
        let files = files.into_iter().map(|(at, file)| Ok((safe_join(&dir, &at)?, file)));
        Content::Files(files.collect::<Result<_, String>>()?)
    };
    Ok(Volume { name: name.clone(), dir, content })
}

/// Why a volume cannot be mounted, in the kubelet's words.
pub(crate) fn failed(volume: &str, why: &str) -> String {
    format!("MountVolume.SetUp failed for volume {volume:?} : {why}")
}

type Files = BTreeMap<String, File>;

fn files(pod: &Pod, volume: &Spec, sources: &Sources) -> Result<Files, String> {
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
        files.extend(data.into_iter().map(|(key, bytes)| (key, File { bytes, mode })));
        return Ok(());
    };
    for item in items {
        match data.remove(&item.key) {
            Some(bytes) => {
                let mode = item.mode.unwrap_or(mode);
                files.insert(item.path.clone(), File { bytes, mode });
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
            _ => downward::field(pod, sources, from)?,
        };
        let mode = item.mode.unwrap_or(mode);
        files.insert(item.path.clone(), File { bytes: text.into_bytes(), mode });
    }
    Ok(())
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
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
