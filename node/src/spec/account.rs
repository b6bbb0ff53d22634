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

/// The pods that get the files of their account without a volume for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Automount {
    /// All that do not decline, as on Kubernetes.
    All,
    /// Those that name an account of their own, or ask: a start with mounts takes longer.
    Named,
    /// None: nothing can be mounted, or there is no API to use.
    Never,
}

/// Whether a container gets the files of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    Mounted,
    /// As its account says.
    ByAccount,
    Absent,
}

pub(crate) fn files(pod: &Pod, container: &Container, automount: Automount) -> Files {
    let mut mounts = container.volume_mounts.iter().flatten();
    if mounts.any(|mount| mount.mount_path.trim_end_matches('/') == PATH) {
        // The user's own files are there.
        return Files::Absent;
    }
    let asked = pod.spec.as_ref().and_then(|spec| spec.automount_service_account_token);
    match (automount, asked) {
        (Automount::Never, _) | (_, Some(false)) => Files::Absent,
        (Automount::All | Automount::Named, Some(true)) => Files::Mounted,
        (Automount::Named, None) if name(pod) == DEFAULT => Files::Absent,
        (Automount::All | Automount::Named, None) => Files::ByAccount,
    }
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
        optional: true,
    };
    Some((Volume { name: VOLUME.to_owned(), dir, content: Content::Files(files) }, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_runtime_the_pod_and_then_its_account_decide_about_the_files() {
        let own = json!([{ "name": "mine", "mountPath": format!("{PATH}/") }]);
        let (plain, none) = (json!({}), json!([]));
        let ask = |automount: bool| json!({ "automountServiceAccountToken": automount });
        let named = |name: &str| json!({ "serviceAccountName": name });
        let declined =
            json!({ "serviceAccountName": "robot", "automountServiceAccountToken": false });
        use Automount::{All, Named, Never};
        for (automount, spec, mounts, want) in [
            (All, &plain, &none, Files::ByAccount),
            (All, &ask(false), &none, Files::Absent),
            (All, &ask(true), &none, Files::Mounted),
            (All, &ask(true), &own, Files::Absent),
            (All, &named("robot"), &none, Files::ByAccount),
            (Named, &plain, &none, Files::Absent),
            (Named, &named(""), &none, Files::Absent),
            (Named, &named("default"), &none, Files::Absent),
            (Named, &named("robot"), &none, Files::ByAccount),
            (Named, &named("robot"), &own, Files::Absent),
            (Named, &declined, &none, Files::Absent),
            (Named, &ask(true), &none, Files::Mounted),
            (Never, &ask(true), &none, Files::Absent),
            (Never, &named("robot"), &none, Files::Absent),
        ] {
            let mut spec = spec.clone();
            spec["containers"] = json!([]);
            let pod: Pod = serde_json::from_value(json!({ "spec": spec })).unwrap();
            let container = json!({ "name": "user", "volumeMounts": mounts });
            let container = serde_json::from_value(container).unwrap();
            assert_eq!(files(&pod, &container, automount), want, "{automount:?} {spec} {mounts}");
        }
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
        assert!(place.optional, "a host that mounts nothing runs the pod without them");
    }
}
