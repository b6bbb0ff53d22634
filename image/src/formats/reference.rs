//! Names of images, by Docker's rules: a missing registry is `docker.io`, a missing namespace there
//! `library`, a missing tag `latest`.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use super::error::Error;

/// A parsed image name, which keeps the text that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    written: String,
    parsed: oci_spec::distribution::Reference,
    digest: Option<Digest>,
}

impl Reference {
    /// The host (and port) of the registry: `docker.io` unless one was written.
    pub fn registry(&self) -> &str {
        self.parsed.registry()
    }

    /// The repository within the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        self.parsed.repository()
    }

    /// The tag; `latest` when neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.parsed.tag()
    }

    /// The digest, if the name holds one; it then decides alone which image is meant.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The full form, equal for all ways to write the same name: `docker.io/library/nginx:latest`.
    pub fn canonical(&self) -> String {
        self.parsed.whole()
    }

    /// As the user wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// As the user wrote it, without tag and digest: `nginx`.
    pub fn name(&self) -> &str {
        let name = self.written.split('@').next().unwrap_or_default();
        let after_registry = name.rfind('/').map_or(0, |slash| slash + 1);
        match name[after_registry..].find(':') {
            Some(colon) => &name[..after_registry + colon],
            None => name,
        }
    }

    /// The same repository by digest: `nginx@sha256:…`. Revisions are pinned to it.
    pub fn pinned(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.name())
    }
}

/// A name as people write it: without `docker.io/library/`.
pub fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid =
            |reason: String| Error::InvalidReference { reference: text.to_owned(), reason };
        if text.is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        if text.trim() != text {
            return Err(invalid("it begins or ends with a space".to_owned()));
        }
        if text.contains("://") {
            return Err(invalid("write it without http:// or https://".to_owned()));
        }
        let parsed = oci_spec::distribution::Reference::from_str(text).map_err(|e| {
            if oci_spec::distribution::Reference::from_str(&text.to_lowercase()).is_ok() {
                return invalid("the name must be lowercase".to_owned());
            }
            invalid(format!("{e} (expected NAME[:TAG] or NAME@sha256:…)"))
        })?;
        let digest = parsed.digest().map(str::parse).transpose()?;
        Ok(Self { written: text.to_owned(), parsed, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_mean_docker_hub_and_latest() {
        for (written, canonical, name) in [
            ("nginx", "docker.io/library/nginx:latest", "nginx"),
            ("digits:v1", "docker.io/library/digits:v1", "digits"),
            ("team/digits:v1", "docker.io/team/digits:v1", "team/digits"),
            ("dev.local/digits", "dev.local/digits:latest", "dev.local/digits"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b"),
            ("docker.io/nginx", "docker.io/library/nginx:latest", "docker.io/nginx"),
        ] {
            let reference: Reference = written.parse().unwrap();
            assert_eq!(reference.canonical(), canonical, "{written}");
            assert_eq!(reference.name(), name, "{written}");
        }
    }

    #[test]
    fn pinning_keeps_the_name_and_drops_the_tag() {
        let digest = Digest::of(b"x");
        let reference: Reference = "localhost:5000/digits:v1".parse().unwrap();
        let pinned = reference.pinned(&digest);
        assert_eq!(pinned, format!("localhost:5000/digits@{digest}"));
        let again: Reference = pinned.parse().unwrap();
        assert_eq!(again.digest(), Some(&digest));
        assert_eq!(again.pinned(&digest), pinned);
    }

    #[test]
    fn invalid_names_are_refused_with_the_reason() {
        for (text, says) in [
            ("", "empty"),
            ("https://a/b", "without http"),
            ("Digits", "lowercase"),
            ("digits:v1 ", "space"),
            ("a b", "invalid reference format"),
            ("digits@sha256:12", "invalid"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
