//! Image references, by the loose rules that Knative checks them with.

const REPOSITORY_MAX: usize = 255;
const TAG_MAX: usize = 127;

/// Whether text can be an image reference: `[registry/]repository[:tag][@sha256:hex]`.
pub(super) fn is_reference(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return false;
    }
    // A colon before the last slash belongs to the registry's port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        Some(_) | None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return false;
    }
    let repository = match name.split_once('/') {
        Some((registry, repository)) if is_registry(registry) => repository,
        Some(_) | None => name,
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c);
    (2..=REPOSITORY_MAX).contains(&repository.len()) && repository.chars().all(allowed)
}

fn is_registry(part: &str) -> bool {
    let host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (part.contains(['.', ':']) || part == "localhost") && part.chars().all(host)
}

fn is_tag(tag: &str) -> bool {
    (1..=TAG_MAX).contains(&tag.len())
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn is_digest(digest: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    digest.strip_prefix("sha256:").is_some_and(|sum| sum.len() == 64 && sum.chars().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_distinguished_from_other_text() {
        let digest = "a".repeat(64);
        for good in [
            "digits",
            "digits:v1",
            "dev.local/digits:v1",
            "localhost:5000/a/b",
            "ghcr.io/knative/helloworld-go:latest",
            &format!("x.io/ab@sha256:{digest}"),
            &format!("a/b:v1@sha256:{digest}"),
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["", "a b", "UPPER/case", "a:", "a@sha256:12", "docker.io/", "a/b:tag!", "x@y@z"]
        {
            assert!(!is_reference(bad), "{bad}");
        }
    }
}
