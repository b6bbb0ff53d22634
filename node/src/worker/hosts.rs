//! The hosts files of pods, one a namespace, kept as the Services are.
//!
//! A file is mounted into pods, which see that one file only: it is written in place and never replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rouse_k8s::ObjectKey;

use crate::spec::hosts;

/// The host's own file.
const HOST_FILE: &str = "/etc/hosts";

/// All hosts files of a node.
pub(crate) struct Hosts {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: BTreeMap<ObjectKey, IpAddr>,
    /// Namespaces that have a file.
    written: BTreeSet<String>,
}

impl Hosts {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, state: Mutex::default() }
    }

    /// The file of a namespace's pods, if it was written already.
    pub(crate) fn written(&self, namespace: &str) -> Option<PathBuf> {
        self.state.lock().written.contains(namespace).then(|| self.dir.join(namespace))
    }

    /// The file of a namespace's pods; None while no Service has an address. Blocks on the disk, once a
    /// namespace.
    pub(crate) fn of(&self, namespace: &str) -> io::Result<Option<PathBuf>> {
        let path = self.dir.join(namespace);
        let mut state = self.state.lock();
        if state.addresses.is_empty() {
            return Ok(None);
        }
        if !state.written.contains(namespace) {
            fs::create_dir_all(&self.dir)?;
            write(&path, &hosts::file(&own(), namespace, &state.addresses))?;
            state.written.insert(namespace.to_owned());
        }
        Ok(Some(path))
    }

    /// Writes the files anew where the addresses changed. Blocks on the disk.
    pub(crate) fn set(&self, addresses: BTreeMap<ObjectKey, IpAddr>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.addresses == addresses {
            return Ok(());
        }
        state.addresses = addresses;
        let host = own();
        state.written.iter().try_for_each(|namespace| {
            let text = hosts::file(&host, namespace, &state.addresses);
            write(&self.dir.join(namespace), &text)
        })
    }
}

fn own() -> String {
    fs::read_to_string(HOST_FILE).unwrap_or_else(|_| "127.0.0.1 localhost\n".to_owned())
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

    #[test]
    fn a_namespaces_file_follows_the_services_and_stays_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(dir.path().join("hosts"));
        assert_eq!(hosts.of("shop").unwrap(), None);
        let services = |names: &[&str]| {
            let address = IpAddr::from([127, 0, 80, 1]);
            names.iter().map(|name| (ObjectKey::new("shop", *name), address)).collect()
        };
        hosts.set(services(&["a", "b"])).unwrap();
        let path = hosts.of("shop").unwrap().unwrap();
        let text = || fs::read_to_string(&path).unwrap();
        assert!(text().ends_with(
            " a.shop.svc a.shop a\n127.0.80.1 b.shop.svc.cluster.local b.shop.svc b.shop b\n"
        ));
        let inode = fs::metadata(&path).unwrap().ino();
        hosts.set(services(&["b"])).unwrap();
        assert!(text().contains(" b.shop ") && !text().contains(" a.shop "));
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert!(text().contains("localhost"), "the host's own names stay");
    }
}
