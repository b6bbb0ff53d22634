//! Images of `rouse build` stay as they were built, whatever their containers write.
//!
//! Root in a container that may not mount cannot have this, and fails here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rouse_image::build::BuildOptions;
use rouse_image::{Store, silent};
use rouse_kit::Component;
use rouse_node::logs::Logs;
use rouse_node::runtime::process::ProcessRuntime;
use rouse_node::runtime::{ContainerRuntime as _, ContainerSpec, PodRef};
use rouse_node::{Images as _, StoreImages};

use crate::killed::example;
use crate::support::LONG;

/// The content of all files below a folder.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

#[tokio::test]
async fn what_a_pod_of_a_built_image_writes_beside_its_program_the_next_does_not_find() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::copy("/bin/sh", source.join("server")).unwrap();
    fs::set_permissions(source.join("server"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(source.join("model"), "built").unwrap();
    let store = Store::open(dir.path().join("images")).unwrap();
    let options = BuildOptions::new("digits:v1", None).unwrap();
    let built = store.build(&source, options, &silent()).await.unwrap();
    let image = format!("digits@{}", built.digest);
    let image = StoreImages::new(store.clone()).find(&image).unwrap().unwrap();
    let command = [example("platform").into(), "guard".into()];
    let component = Component::alone("runtime");
    let runtime = ProcessRuntime::open(dir.path(), Some(&command), &component).unwrap();
    runtime.prepare(&image).await.unwrap();
    let before = files(store.dir());
    assert!(before.keys().any(|path| path.ends_with("app/model")));
    let logs = Logs::new(dir.path().join("logs"), component.clock, component.tasks);
    for uid in ["1", "2"] {
        let pod = PodRef { namespace: "demo".into(), name: uid.into(), uid: uid.into() };
        let log = logs.writer(&pod, "user", 0);
        let mut spec = ContainerSpec::new(pod, Arc::clone(&image), &[], log);
        // The first writes, where it may, and both find what was built.
        let script = "read line < model; test \"$line\" = built && test ! -e cache || exit 1; \
                      (echo pod > model; echo pod > cache) 2> /dev/null; exit 0";
        spec.args = ["-c", script].map(str::to_owned).to_vec();
        let run = runtime.start(spec).await.unwrap();
        let exit = tokio::time::timeout(LONG, run.exit).await.unwrap();
        assert_eq!(exit.code, 0, "{uid}: {exit:?}");
    }
    assert!(files(store.dir()) == before, "the content of a digest changed");
}
