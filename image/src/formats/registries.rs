//! How registries are reached: mirrors, plain HTTP, certificates, by a file in the form of `registries.conf`.
//!
//! The form is that of containers-registries.conf(5), version 2, which Podman, CRI-O and skopeo read. Keys that
//! concern short names have no effect: a name without a registry is Docker Hub's, as Docker and Kubernetes
//! have it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::Error;
use super::reference::Reference;

/// The name of Docker Hub in references, and the host that its requests go to.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "index.docker.io";
/// Where Docker and containers keep certificates of registries, a folder a host.
const CERTIFICATES: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// The configuration of registries.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    rules: Vec<Rule>,
    /// Hosts that may speak plain HTTP, or have a certificate that nobody vouches for.
    insecure: BTreeSet<String>,
    /// Folders with a folder of certificates for a host.
    certificates: Vec<PathBuf>,
    /// Keys of the file that have no effect.
    unused: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    registry: Vec<Rule>,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rule {
    /// Of the names that it is for; `*.example.com` for all hosts below one, at any port.
    #[serde(default)]
    prefix: String,
    /// In place of the prefix; the prefix itself if it is empty.
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Pulls,
}

/// Names that a mirror is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pulls {
    #[default]
    #[serde(alias = "")]
    All,
    DigestOnly,
    TagOnly,
}

/// One place where an image is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The registry as references name it, by which logins are found.
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) trust: Trust,
    /// Folders with a folder of certificates for a host.
    certificates: Vec<PathBuf>,
}

/// How much of a connection is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Encrypted, with a certificate that the host or an authority of the configuration vouches for.
    Verified,
    /// Any certificate, else plain HTTP.
    Insecure,
    /// On this machine: plain HTTP, else any certificate.
    Local,
}

impl Registries {
    /// Reads a file in the form of `registries.conf`. Folders `certs.d/HOST/` beside it hold certificates.
    ///
    /// # Errors
    /// If it cannot be read or is not of that form.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let mut read = Self::parse(&text)
            .map_err(|reason| Error::RegistryConfig { path: path.to_owned(), reason })?;
        let beside = path.parent().unwrap_or(Path::new("")).join("certs.d");
        read.certificates = vec![beside];
        Ok(read)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let File { mut registry, rest } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        if rest.contains_key("registries") {
            return Err(
                "it is of version 1 ([registries.…]); write a [[registry]] for each".to_owned()
            );
        }
        for rule in &mut registry {
            if rule.prefix.is_empty() {
                rule.prefix.clone_from(&rule.location);
            }
            if rule.prefix.is_empty() {
                return Err("a [[registry]] has neither prefix nor location".to_owned());
            }
            let locations = rule.mirror.iter().map(|mirror| &mirror.location);
            for name in locations.chain([&rule.prefix, &rule.location]) {
                if name.contains("://") {
                    return Err(format!("{name}: write it without http:// or https://"));
                }
            }
            let of_prefix = rule.prefix.strip_prefix("*.").unwrap_or(&rule.prefix);
            let locations = rule.mirror.iter().map(|mirror| mirror.location.as_str());
            if locations.chain([of_prefix, &rule.location]).any(|name| name.contains('*')) {
                let prefix = &rule.prefix;
                return Err(format!(
                    "{prefix}: a * stands only at the beginning of a prefix, as in *.example.com"
                ));
            }
            if rule.mirror.iter().any(|mirror| mirror.location.is_empty()) {
                return Err(format!("a mirror of {} has no location", rule.prefix));
            }
        }
        let unused = rest.into_keys().collect();
        Ok(Self { rules: registry, unused, ..Self::default() })
    }

    /// Lets a host (and port) speak plain HTTP or have any certificate.
    ///
    /// # Errors
    /// If it is no host.
    pub fn allow_insecure(&mut self, host: &str) -> Result<(), String> {
        if host.is_empty() || host.contains('/') {
            return Err(format!(
                "{host:?} is no host: write it as in an image's name, HOST or HOST:PORT"
            ));
        }
        self.insecure.insert(host.to_owned());
        Ok(())
    }

    /// Keys of the file that have no effect here.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The places where an image is asked for, in order; none if it is blocked.
    pub(crate) fn endpoints(&self, reference: &Reference) -> Vec<Endpoint> {
        let name = format!("{}/{}", reference.registry(), reference.repository());
        let fitting =
            self.rules.iter().filter_map(|rule| Some((rule, rest_after(&rule.prefix, &name)?)));
        // The most of the name, and of two patterns the longer.
        let closest =
            fitting.max_by_key(|(rule, rest)| (name.len() - rest.len(), rule.prefix.len()));
        let Some((rule, rest)) = closest else { return vec![self.endpoint(&name, false)] };
        if rule.blocked {
            return Vec::new();
        }
        let by_digest = reference.digest().is_some();
        let asked = rule.mirror.iter().filter(|mirror| match mirror.pull_from_mirror {
            Pulls::All => by_digest || !rule.mirror_by_digest_only,
            Pulls::DigestOnly => by_digest,
            Pulls::TagOnly => !by_digest,
        });
        let mut endpoints: Vec<Endpoint> = asked
            .map(|mirror| self.endpoint(&format!("{}{rest}", mirror.location), mirror.insecure))
            .collect();
        let own = match rule.location.as_str() {
            "" => name.clone(),
            location => format!("{location}{rest}"),
        };
        endpoints.push(self.endpoint(&own, rule.insecure));
        endpoints
    }

    fn endpoint(&self, name: &str, insecure: bool) -> Endpoint {
        let (registry, repository) = name.split_once('/').unwrap_or((name, ""));
        let trust = if is_local(registry) {
            Trust::Local
        } else if insecure || self.insecure.contains(registry) {
            Trust::Insecure
        } else {
            Trust::Verified
        };
        Endpoint {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            trust,
            certificates: self.certificates.clone(),
        }
    }
}

impl Endpoint {
    /// The host that requests go to; for Docker Hub it is not the one in the name.
    pub(crate) fn host(&self) -> &str {
        if self.registry == HUB { HUB_HOST } else { &self.registry }
    }

    /// PEM files of authorities that vouch for it.
    pub(crate) fn authorities(&self) -> Vec<PathBuf> {
        let general = CERTIFICATES.iter().map(Path::new);
        let folders = self.certificates.iter().map(PathBuf::as_path).chain(general);
        let mut found = Vec::new();
        for folder in folders {
            let Ok(files) = std::fs::read_dir(folder.join(&self.registry)) else { continue };
            let files = files.flatten().map(|file| file.path());
            found.extend(files.filter(|path| path.extension().is_some_and(|end| end == "crt")));
        }
        found.sort();
        found
    }
}

/// The rest of a name (`HOST/REPOSITORY`) after a prefix, if it has that. The `*` of `*.example.com` stands for one or more
/// labels; without a port, such a prefix fits hosts with any.
fn rest_after<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let rest = match prefix.strip_prefix('*') {
        None => name.strip_prefix(prefix)?,
        Some(pattern) => {
            let (domain, folder) = cut(pattern, '/');
            let (host, repository) = cut(name, '/');
            let host = if domain.contains(':') { host } else { split_port(host).0 };
            host.strip_suffix(domain).filter(|below| !below.is_empty())?;
            if folder.is_empty() { &name[host.len()..] } else { repository.strip_prefix(folder)? }
        }
    };
    let ends = rest.is_empty() || rest.starts_with('/');
    (ends || prefix.starts_with('*') && rest.starts_with(':')).then_some(rest)
}

/// A text before a character, and the rest with it.
fn cut(text: &str, at: char) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

/// A host and its port, which is empty where none is written.
pub(crate) fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        Some(_) | None => (authority, ""),
    }
}

/// Registries on this machine speak plain HTTP, as with Docker.
pub(crate) fn is_local(registry: &str) -> bool {
    let name = split_port(registry).0.trim_matches(['[', ']']);
    matches!(name, "localhost" | "::1") || name.starts_with("127.")
}

#[cfg(test)]
mod tests;
