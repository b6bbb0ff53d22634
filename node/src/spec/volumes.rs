//! Volumes as directories of the host: emptyDir, ConfigMap, Secret, projections of those, persistent
//! volume claims, and directories of the host itself.
//!
//! Upstream: pkg/volume/{configmap,secret,emptydir,projected,hostpath}, with its wording for missing
//! objects.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{
    ConfigMap, Container, DownwardAPIVolumeFile, HostPathVolumeSource, KeyToPath,
    PersistentVolumeClaimVolumeSource, Pod, Secret, ServiceAccountTokenProjection, Volume as Spec,
};
use rouse_k8s::{Quantity, object};

use super::downward;
use super::ports::containers;
use super::sources::{Sources, TokenKind, Wanted};

/// The API's default.
pub(crate) const FILE_MODE: i32 = 0o644;

/// The group of the pod's volumes may read their files, whatever their modes say.
const GROUP_READS: i32 = 0o440;

/// The group to which the files of the pod's volumes are to belong.
pub(crate) fn fs_group(pod: &Pod) -> Option<u32> {
    let context = pod.spec.as_ref()?.security_context.as_ref()?;
    u32::try_from(context.fs_group?).ok()
}

/// The API's default.
const TOKEN_SECONDS: i64 = 60 * 60;

/// Adds the objects that this container's volumes come from.
pub(crate) fn wanted(pod: &Pod, container: &Container, wanted: &mut Wanted) {
    for volume in used(pod, container) {
        if let Some(from) = &volume.config_map {
            wanted.config_maps.insert(from.name.clone());
        }
        if let Some(name) = volume.secret.as_ref().and_then(|from| from.secret_name.clone()) {
            wanted.secrets.insert(name);
        }
        if let Some(from) = &volume.persistent_volume_claim {
            wanted.claims.insert(from.claim_name.clone());
        }
        let projected = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
        for source in projected {
            wanted.config_maps.extend(source.config_map.iter().map(|from| from.name.clone()));
            wanted.secrets.extend(source.secret.iter().map(|from| from.name.clone()));
            wanted.tokens.extend(source.service_account_token.iter().map(token_kind));
        }
    }
}

/// Whether a container mounts anything whose content may change, or grow over a limit, while it runs.
pub(crate) fn to_follow(pod: &Pod, container: &Container) -> bool {
    used(pod, container).any(|volume| match &volume.empty_dir {
        Some(dir) => dir.size_limit.is_some(),
        None => volume.persistent_volume_claim.is_none() && volume.host_path.is_none(),
    })
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
    /// A host that can mount nothing runs the container without it.
    pub optional: bool,
}

/// The directories for the volumes of a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) disk: &'a Path,
    /// Of a file system in memory, where the host has one.
    pub(crate) memory: Option<&'a Path>,
    /// For persistent volume claims, of all pods.
    pub(crate) claims: &'a Path,
    /// The platform's data directory.
    pub(crate) hidden: &'a Path,
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
    /// Writable by any user; with a limit in bytes.
    Empty { limit: Option<u64> },
    /// Files by their path in the volume.
    Files(Files),
    /// Kept when the pod is gone.
    Kept { read_only: bool },
    /// A file or directory of the host, of a kind that its spec names. The platform's own is not
    /// shown to pods.
    Host { kind: String, hidden: PathBuf },
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    /// Permission bits.
    pub(crate) mode: i32,
}

impl File {
    /// Its nine bits of permissions.
    pub(crate) fn permissions(&self) -> u32 {
        self.mode.cast_unsigned() & 0o777
    }
}

/// A volume's place in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) volume: String,
    pub(crate) dir: PathBuf,
    /// Below the volume's directory.
    pub(crate) sub_path: Option<PathBuf>,
    /// A path in it that does not exist is created as a directory.
    pub(crate) writable: bool,
    pub(crate) path: String,
    pub(crate) read_only: bool,
    pub(crate) optional: bool,
}

/// The volumes that a container mounts, and their places.
pub(crate) fn mounts(
    places: Places<'_>,
    pod: &Pod,
    container: &Container,
    sources: &Sources,
) -> Result<(Vec<Volume>, Vec<Place>), String> {
    let volumes = used(pod, container).map(|spec| volume(places, pod, spec, sources));
    let volumes = volumes.collect::<Result<Vec<_>, _>>()?;
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts.map(|mount| {
        let name = &mount.name;
        let volume = volumes
            .iter()
            .find(|volume| volume.name == *name)
            .ok_or_else(|| format!("volume {name:?} is not among the pod's volumes"))?;
        if mount.sub_path_expr.as_ref().is_some_and(|path| !path.is_empty()) {
            return Err(format!("subPathExpr of volume {name:?} is not supported; use subPath"));
        }
        let sub_path = mount.sub_path.as_deref().filter(|path| !path.is_empty());
        let sub_path = sub_path.map(|path| safe_join(Path::new(""), path)).transpose()?;
        let writable = !matches!(volume.content, Content::Files(_));
        Ok(Place {
            volume: name.clone(),
            dir: volume.dir.clone(),
            sub_path,
            writable,
            path: mount.mount_path.clone(),
            read_only: match &volume.content {
                Content::Files(_) | Content::Kept { read_only: true } => true,
                Content::Empty { .. } | Content::Kept { .. } | Content::Host { .. } => {
                    mount.read_only.unwrap_or(false)
                }
            },
            optional: false,
        })
    });
    let mounts = mounts.collect::<Result<Vec<_>, String>>()?;
    Ok((volumes, mounts))
}

fn volume(places: Places<'_>, pod: &Pod, spec: &Spec, sources: &Sources) -> Result<Volume, String> {
    let name = spec.name.clone();
    if let Some(empty) = &spec.empty_dir {
        let in_memory = empty.medium.as_deref() == Some("Memory");
        let place = places.memory.filter(|_| in_memory).unwrap_or(places.disk);
        let limit = empty.size_limit.as_ref().and_then(|limit| Quantity::try_from(limit).ok());
        let limit = limit.and_then(|limit| u64::try_from(limit.value()).ok());
        let content = Content::Empty { limit: limit.filter(|limit| *limit > 0) };
        return Ok(Volume { dir: safe_join(place, &name)?, name, content });
    }
    if let Some(from) = &spec.host_path {
        return host(name, from, places.hidden);
    }
    if let Some(from) = &spec.persistent_volume_claim {
        return claim(name, from, places.claims, sources);
    }
    let mut files = files(pod, spec, sources).map_err(|why| failed(&name, &why))?;
    if fs_group(pod).is_some() {
        files.values_mut().for_each(|file| file.mode |= GROUP_READS);
    }
    for path in files.keys() {
        safe_join(Path::new(""), path)?;
    }
    Ok(Volume { dir: safe_join(places.disk, &name)?, name, content: Content::Files(files) })
}

fn host(name: String, from: &HostPathVolumeSource, hidden: &Path) -> Result<Volume, String> {
    let dir = PathBuf::from(&from.path);
    let climbs = dir.components().any(|part| part == Component::ParentDir);
    if !dir.is_absolute() || climbs {
        return Err(failed(&name, &format!("hostPath {:?} is not an absolute path", from.path)));
    }
    let (kind, hidden) = (from.type_.clone().unwrap_or_default(), hidden.to_owned());
    Ok(Volume { name, dir, content: Content::Host { kind, hidden } })
}

fn claim(
    name: String,
    from: &PersistentVolumeClaimVolumeSource,
    claims: &Path,
    sources: &Sources,
) -> Result<Volume, String> {
    let claim = sources.claims.get(&from.claim_name);
    let claim =
        claim.ok_or_else(|| format!("persistentvolumeclaim {:?} not found", from.claim_name))?;
    let meta = &claim.metadata;
    if meta.deletion_timestamp.is_some() {
        return Err(format!("persistentvolumeclaim {:?} is being deleted", from.claim_name));
    }
    let dir = safe_join(claims, object::uid(meta))?;
    Ok(Volume { name, dir, content: Content::Kept { read_only: from.read_only.unwrap_or(false) } })
}

/// Why a volume cannot be mounted, in the kubelet's words.
pub(crate) fn failed(volume: &str, why: &str) -> String {
    format!("MountVolume.SetUp failed for volume {volume:?} : {why}")
}

pub(crate) type Files = BTreeMap<String, File>;

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
            } else if let Some(from) = &source.service_account_token {
                let token = sources.tokens.get(&token_kind(from));
                let token = token.ok_or("its token was not made")?;
                files.insert(from.path.clone(), File { bytes: token.clone().into_bytes(), mode });
            } else {
                return Err("this node projects ConfigMaps, Secrets, the downward API and \
                            service account tokens, and no other source"
                    .to_owned());
            }
        }
    } else {
        return Err("this node knows emptyDir, configMap, secret, downwardAPI, projected, \
                    persistentVolumeClaim and hostPath volumes, and no other kind"
            .to_owned());
    }
    Ok(files)
}

fn token_kind(from: &ServiceAccountTokenProjection) -> TokenKind {
    let seconds = from.expiration_seconds.unwrap_or(TOKEN_SECONDS);
    TokenKind { audience: from.audience.clone().unwrap_or_default(), seconds }
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
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(from), _) => match from.field_path.as_str() {
                "metadata.labels" => lines(pod.metadata.labels.as_ref()),
                "metadata.annotations" => lines(pod.metadata.annotations.as_ref()),
                _ => downward::field(pod, sources, from)?,
            },
            (None, Some(from)) => {
                let name = from.container_name.as_deref().unwrap_or_default();
                let container = containers(pod).find(|container| container.name == name);
                let container = container.ok_or_else(|| format!("container {name:?} not found"))?;
                downward::resource(container, from)?
            }
            (None, None) => continue,
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
