//! The hosts files of pods, kept as the Services are.
//!
//! A pod in the host's network has its namespace's file, after the host's own lines. A pod with an address
//! of its own has a file of its own, which begins as a container's does and names the pod.
//!
//! A file is mounted into pods, which see that one file only: it is written in place and never replaced.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rouse_k8s::ObjectKey;

use crate::spec::{PodRef, hosts};

/// The host's own file.
const HOST_FILE: &str = "/etc/hosts";

/// All hosts files of a node.
pub(crate) struct Hosts {
    dir: PathBuf,
    /// Pods are in the host's network.
    of_host: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: BTreeMap<ObjectKey, IpAddr>,
    /// The files that are there, by their names.
    written: BTreeMap<String, Whose>,
}

/// Whose file it is.
struct Whose {
    namespace: String,
    /// The name of a pod with an address of its own, and that address once it is known.
    own: Option<(String, Option<IpAddr>)>,
}

impl Hosts {
    pub(crate) fn new(dir: PathBuf, of_host: bool) -> Self {
        Self { dir, of_host, state: Mutex::default() }
    }

    fn name<'a>(&self, pod: &'a PodRef) -> &'a str {
        if self.of_host { &pod.namespace } else { &pod.uid }
    }

    /// The file of a pod, if it was written already.
    pub(crate) fn written(&self, pod: &PodRef) -> Option<PathBuf> {
        let name = self.name(pod);
        self.state.lock().written.contains_key(name).then(|| self.dir.join(name))
    }

    /// The file of a pod, written if it is not there. Blocks on the disk.
    pub(crate) fn of(&self, pod: &PodRef) -> io::Result<PathBuf> {
        let name = self.name(pod);
        let mut state = self.state.lock();
        if !state.written.contains_key(name) {
            fs::create_dir_all(&self.dir)?;
            let own = (!self.of_host).then(|| (hosts::hostname(&pod.name), None));
            let whose = Whose { namespace: pod.namespace.clone(), own };
            write(&self.dir.join(name), &whose.text(&state.addresses))?;
            state.written.insert(name.to_owned(), whose);
        }
        Ok(self.dir.join(name))
    }

    /// Writes the files anew where the addresses changed. Blocks on the disk.
    pub(crate) fn set(&self, addresses: BTreeMap<ObjectKey, IpAddr>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.addresses == addresses {
            return Ok(());
        }
        state.addresses = addresses;
        state.written.iter().try_for_each(|(name, whose)| {
            write(&self.dir.join(name), &whose.text(&state.addresses))
        })
    }

    /// Whether a pod's file is still to be told the pod's address.
    pub(crate) fn lacks_ip(&self, pod: &PodRef, ip: IpAddr) -> bool {
        let state = self.state.lock();
        let own = state.written.get(self.name(pod)).and_then(|whose| whose.own.as_ref());
        own.is_some_and(|(_, known)| *known != Some(ip))
    }

    /// Says a pod's address in its file. Blocks on the disk.
    pub(crate) fn set_ip(&self, pod: &PodRef, ip: IpAddr) -> io::Result<()> {
        let mut state = self.state.lock();
        let State { addresses, written } = &mut *state;
        let Some(whose) = written.get_mut(self.name(pod)) else { return Ok(()) };
        let Some((_, known)) = &mut whose.own else { return Ok(()) };
        *known = Some(ip);
        write(&self.dir.join(self.name(pod)), &whose.text(addresses))
    }

    /// Removes the file of a pod that has ended.
    pub(crate) fn forget(&self, pod: &PodRef) {
        if !self.of_host && self.state.lock().written.remove(&pod.uid).is_some() {
            // A file that stays is removed at the next start.
            let _ = fs::remove_file(self.dir.join(&pod.uid));
        }
    }

    /// The files of single pods that are there, by the uids of the pods.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        if self.of_host {
            return Vec::new();
        }
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl Whose {
    fn text(&self, addresses: &BTreeMap<ObjectKey, IpAddr>) -> String {
        let before = match &self.own {
            None => {
                fs::read_to_string(HOST_FILE).unwrap_or_else(|_| "127.0.0.1 localhost\n".to_owned())
            }
            Some((name, ip)) => hosts::of_container(name, *ip),
        };
        hosts::file(&before, &self.namespace, addresses)
    }
}

/// In place: first the text, then the length, so that a reader misses no line that stays.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn pod(name: &str) -> PodRef {
        let uid = format!("uid-of-{name}");
        PodRef { namespace: "shop".to_owned(), name: name.to_owned(), uid }
    }

    fn services(names: &[&str]) -> BTreeMap<ObjectKey, IpAddr> {
        let address = IpAddr::from([127, 0, 80, 1]);
        names.iter().map(|name| (ObjectKey::new("shop", *name), address)).collect()
    }

    #[test]
    fn a_namespaces_file_follows_the_services_and_stays_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(dir.path().join("hosts"), true);
        assert_eq!(hosts.written(&pod("p")), None);
        hosts.set(services(&["a", "b"])).unwrap();
        let path = hosts.of(&pod("p")).unwrap();
        assert_eq!(hosts.written(&pod("q")), Some(path.clone()));
        let text = || fs::read_to_string(&path).unwrap();
        assert!(text().ends_with(
            " a.shop.svc a.shop a\n127.0.80.1 b.shop.svc.cluster.local b.shop.svc b.shop b\n"
        ));
        let inode = fs::metadata(&path).unwrap().ino();
        hosts.set(services(&["b"])).unwrap();
        assert!(text().contains(" b.shop ") && !text().contains(" a.shop "));
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert!(text().contains("localhost"), "the host's own names stay");
        hosts.forget(&pod("p"));
        assert!(path.exists(), "other pods have it");
    }

    #[test]
    fn a_pod_with_an_address_of_its_own_finds_itself_and_the_services() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(dir.path().to_owned(), false);
        hosts.set(services(&["a"])).unwrap();
        let path = hosts.of(&pod("p")).unwrap();
        assert_eq!(hosts.left(), std::slice::from_ref(&path));
        let ip = IpAddr::from([172, 17, 0, 9]);
        assert!(hosts.lacks_ip(&pod("p"), ip));
        hosts.set_ip(&pod("p"), ip).unwrap();
        assert!(!hosts.lacks_ip(&pod("p"), ip));
        hosts.set(services(&["a", "b"])).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("127.0.0.1 localhost\n") && text.contains("172.17.0.9 p\n"),
            "{text}"
        );
        assert!(text.ends_with(" b.shop.svc b.shop b\n"), "{text}");
        hosts.forget(&pod("p"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
