//! The service account of a pod, and the files with which its programs use the API.
//!
//! Upstream: plugin/pkg/admission/serviceaccount, which puts these files into a projected volume of the pod.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::sources::{Sources, TokenKind};
use super::volumes::{Content, FILE_MODE, File, Place, Volume};

const DEFAULT: &str = "default";
/// Where clients look for the files.
const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Upstream's number, by which tokens that were mounted unasked are told from others.
const SECONDS: i64 = 3607;
/// No volume of a pod can have this name.
const VOLUME: &str = "_service-account";

/// The token that is mounted unless a pod does without.
pub(crate) fn token() -> TokenKind {
    TokenKind { audience: String::new(), seconds: SECONDS }
}

/// The name of the pod's account.
pub(crate) fn name(pod: &Pod) -> &str {
    let name = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT)
}

/// Whether a container gets the files of its account; None if the account decides.
pub(crate) fn is_mounted(pod: &Pod, container: &Container) -> Option<bool> {
    let mut mounts = container.volume_mounts.iter().flatten();
    if mounts.any(|mount| mount.mount_path.trim_end_matches('/') == PATH) {
        // The user's own files are there.
        return Some(false);
    }
    pod.spec.as_ref().and_then(|spec| spec.automount_service_account_token)
}

/// The volume with the files, if its token was fetched.
pub(crate) fn volume(disk: &Path, ca: &str, sources: &Sources) -> Option<(Volume, Place)> {
    let token = sources.tokens.get(&token())?;
    let files = [("token", token.as_str()), ("ca.crt", ca), ("namespace", &sources.namespace)];
    let file = |text: &str| File { bytes: text.as_bytes().to_vec(), mode: FILE_MODE };
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(name, text)| (name.to_owned(), file(text))).collect();
    let dir = disk.join(VOLUME);
    let place = Place {
        volume: VOLUME.to_owned(),
        dir: dir.clone(),
        sub_path: None,
        writable: false,
        path: PATH.to_owned(),
        read_only: true,
    };
    Some((Volume { name: VOLUME.to_owned(), dir, content: Content::Files(files) }, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_says_whether_it_wants_a_token_and_a_mount_of_its_own_comes_first() {
        let asked = |pod: serde_json::Value, mounts: serde_json::Value| {
            let pod: Pod = serde_json::from_value(json!({ "spec": pod })).unwrap();
            let container = json!({ "name": "user", "volumeMounts": mounts });
            is_mounted(&pod, &serde_json::from_value(container).unwrap())
        };
        let spec =
            |automount| json!({ "containers": [], "automountServiceAccountToken": automount });
        assert_eq!(asked(json!({ "containers": [] }), json!([])), None);
        assert_eq!(asked(spec(false), json!([])), Some(false));
        assert_eq!(asked(spec(true), json!([])), Some(true));
        let own = json!([{ "name": "mine", "mountPath": format!("{PATH}/") }]);
        assert_eq!(asked(spec(true), own), Some(false));
    }

    #[test]
    fn the_files_are_those_that_clients_read() {
        let mut sources = Sources { namespace: "shop".to_owned(), ..Sources::default() };
        assert!(volume(Path::new("/v"), "CA", &sources).is_none());
        sources.tokens.insert(token(), "T".to_owned());
        let (volume, place) = volume(Path::new("/v"), "CA", &sources).unwrap();
        let Content::Files(files) = volume.content else { panic!("no files") };
        let text = |name: &str| String::from_utf8_lossy(&files[name].bytes).into_owned();
        assert_eq!([text("token"), text("ca.crt"), text("namespace")], ["T", "CA", "shop"]);
        assert_eq!((place.dir, place.path.as_str()), ("/v/_service-account".into(), PATH));
    }
}
