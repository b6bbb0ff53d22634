//! Manifests and image configurations: the wire forms of the OCI image specification, reduced to
//! the fields that Rouse reads, and [`Image`], the form that other crates use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// `PATH` where neither the image nor the pod sets it.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The image runs the host's Python of this minor version, such as `python3.11`.
pub const LABEL_HOST_PYTHON: &str = "dev.rouse.host-python";
/// The image runs this program of the host, because its command names one that is not in it.
pub const LABEL_HOST_PROGRAM: &str = "dev.rouse.host-program";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// Linux on this machine's processor, in the words of the image specification.
    pub(crate) fn host() -> Self {
        Self { architecture: host_architecture().to_owned(), os: "linux".to_owned(), variant: None }
    }

    /// `os/architecture`, as Docker writes it.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}", self.os, self.architecture)
    }
}

/// This machine's processor in the words of the image specification.
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default)]
    pub(crate) manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        Self { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: Vec::new() }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) config: RunConfig,
    pub(crate) rootfs: RootFs,
}

/// Docker writes `null` where the specification leaves a field out, hence the options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RunConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) env: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop_signal: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) diff_ids: Vec<Digest>,
}

/// One image for this platform: what a runtime needs to know to start it.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the manifest: the image's identity in the store.
    pub digest: Digest,
    /// Digest of the configuration: Docker's image id.
    pub config_digest: Digest,
    pub architecture: String,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Absolute within the image; `/` when the image says nothing.
    pub working_dir: String,
    /// As the image says it (`uid`, `uid:gid` or names); empty for root.
    pub user: String,
    /// TCP ports, ascending.
    pub exposed_ports: Vec<u16>,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<String>,
    /// From the bottom up.
    pub layers: Vec<Layer>,
}

/// One layer of an image, as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub digest: Digest,
    pub media_type: String,
    /// Bytes in the store, compressed or not.
    pub size: u64,
}

impl Image {
    pub(crate) fn new(digest: Digest, manifest: &Manifest, config: ImageConfig) -> Self {
        let run = config.config;
        let env = run.env.unwrap_or_default();
        let mut exposed_ports: Vec<u16> = run
            .exposed_ports
            .unwrap_or_default()
            .keys()
            .filter(|port| !port.ends_with("/udp") && !port.ends_with("/sctp"))
            .filter_map(|port| port.trim_end_matches("/tcp").parse().ok())
            .collect();
        exposed_ports.sort_unstable();
        Self {
            digest,
            config_digest: manifest.config.digest.clone(),
            architecture: config.architecture,
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            env: env.iter().filter_map(|pair| split_env(pair)).collect(),
            working_dir: run
                .working_dir
                .filter(|dir| !dir.is_empty())
                .unwrap_or_else(|| "/".to_owned()),
            user: run.user.unwrap_or_default(),
            exposed_ports,
            labels: run.labels.unwrap_or_default(),
            stop_signal: run.stop_signal.filter(|signal| !signal.is_empty()),
            layers: manifest
                .layers
                .iter()
                .map(|layer| Layer {
                    digest: layer.digest.clone(),
                    media_type: layer.media_type.clone(),
                    size: layer.size,
                })
                .collect(),
        }
    }

    /// The whole command line under Kubernetes' rules: `command` replaces the entrypoint and drops
    /// the image's arguments, `args` replaces only those. Empty means "not given".
    pub fn argv(&self, command: &[String], args: &[String]) -> Vec<String> {
        let (program, image_args): (&[String], &[String]) =
            if command.is_empty() { (&self.entrypoint, &self.cmd) } else { (command, &[]) };
        let args = if args.is_empty() { image_args } else { args };
        program.iter().chain(args).cloned().collect()
    }

    /// The program of the host that this image runs, if it does not hold its own.
    pub fn needs_host(&self) -> Option<&str> {
        let label = |key| self.labels.get(key).map(String::as_str);
        label(LABEL_HOST_PYTHON).or_else(|| label(LABEL_HOST_PROGRAM))
    }

    /// The name under which [`Store::docker_archive`](crate::Store::docker_archive) gives this image
    /// to Docker.
    pub fn docker_tag(&self) -> String {
        format!("rouse.local/image:{}", self.digest.hex())
    }

    /// Bytes of all layers in the store.
    pub fn size(&self) -> u64 {
        // The sizes are the manifest's claims, of any magnitude.
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
    }
}

fn split_env(pair: &str) -> Option<(String, String)> {
    pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(config: serde_json::Value) -> Image {
        let manifest = serde_json::from_value(serde_json::json!({
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG, "digest": Digest::of(b"config"), "size": 2},
        }))
        .unwrap();
        let config = serde_json::from_value(serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": []},
        }))
        .unwrap();
        Image::new(Digest::of(b"manifest"), &manifest, config)
    }

    #[test]
    fn nulls_and_absent_fields_read_as_nothing() {
        let image = image(serde_json::json!({"Entrypoint": null, "Cmd": null, "User": ""}));
        assert_eq!(image.argv(&[], &[]), Vec::<String>::new());
        assert_eq!((image.working_dir.as_str(), image.user.as_str()), ("/", ""));
    }

    #[test]
    fn command_and_args_override_as_kubernetes_says() {
        let image = image(serde_json::json!({"Entrypoint": ["/serve"], "Cmd": ["--small"]}));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (command, args, argv) in [
            ("", "", "/serve --small"),
            ("", "--big", "/serve --big"),
            ("/other", "", "/other"),
            ("/other", "--big", "/other --big"),
        ] {
            assert_eq!(image.argv(&words(command), &words(args)), words(argv));
        }
    }

    #[test]
    fn only_tcp_ports_count() {
        let ports = serde_json::json!({"9000/udp": {}, "8443/tcp": {}, "8080": {}});
        assert_eq!(image(serde_json::json!({"ExposedPorts": ports})).exposed_ports, [8080, 8443]);
    }
}
