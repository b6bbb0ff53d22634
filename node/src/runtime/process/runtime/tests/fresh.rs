//! Each container finds its image as it was unpacked, and a home of its own.

use std::collections::BTreeMap;
use std::fs;

use super::*;

/// The protections that can be tested on this host.
async fn ways() -> Vec<Way> {
    let host = Host::new();
    let found = host.runtime.layers.way(&host.runtime.spawner).await.unwrap();
    let layers = matches!(found, Way::Layers { .. });
    let of_users = layers.then_some(Way::Layers { user_namespace: true });
    // Root can use both.
    let of_root = (found == Way::Layers { user_namespace: false }).then_some(found);
    [of_root, of_users, Some(Way::ReadOnly)].into_iter().flatten().collect()
}

/// Everything below a folder, with the content of files.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        let content = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        all.insert(path, content);
    }
    all
}

impl Host {
    fn with_files(way: Option<Way>) -> Self {
        let host = Self::with(way);
        for name in ["f", "g"] {
            fs::write(host.image().join("app").join(name), "image").unwrap();
        }
        host
    }

    /// As `spec`, but as a user whom file modes stop.
    fn ordinary(&self, script: &str) -> ContainerSpec {
        let mut spec = self.spec(script);
        if rustix::process::geteuid().is_root() {
            let without = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"];
            spec.command = without.into_iter().map(str::to_owned).chain(spec.command).collect();
        }
        spec
    }

    async fn code(&self, spec: ContainerSpec) -> i32 {
        within(self.runtime.start(spec).await.unwrap().exit).await.code
    }

    fn run_dir(&self) -> PathBuf {
        self.runtime.survivors.run_dir()
    }

    /// Waits until no container's folder is left, except that of the next.
    async fn until_empty(&self) {
        let began = Instant::now();
        while fs::read_dir(self.run_dir()).unwrap().count() > 1 {
            assert!(began.elapsed() < LONG, "{:?} stays", tree(&self.run_dir()).keys());
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_a_container_writes_into_its_image_no_other_finds() {
    for way in ways().await {
        let host = Host::with_files(Some(way));
        let before = tree(&host.image());
        let writes = "echo pod >> app/f && echo pod > app/new && rm app/g && mv app/new app/other \
                      && grep -q pod app/f && chmod 0 app";
        let wrote = host.code(host.ordinary(writes)).await;
        assert_eq!(wrote == 0, way != Way::ReadOnly, "{way:?}: {}", host.log().await);
        let looks = "test \"$(cat app/f)\" = image && test -e app/g && test $(ls app | wc -l) = 2";
        assert_eq!(host.code(host.ordinary(looks)).await, 0, "{way:?}: the next one");
        assert_eq!(tree(&host.image()), before, "{way:?}");
        host.until_empty().await;
    }
}

#[tokio::test]
async fn an_image_is_writable_again_where_layers_work_again() {
    let host = Host::with_files(Some(Way::ReadOnly));
    host.runtime.prepare(&host.spec("").image).await.unwrap();
    assert!(fs::metadata(host.image().join("app")).unwrap().permissions().readonly());
    let component = Component::alone("runtime");
    let way = Some(Way::Shared);
    let next = ProcessRuntime::open_with(host.dir.path(), None, way, &component).unwrap();
    let run = next.start(host.ordinary("echo pod > app/new")).await.unwrap();
    assert_eq!(within(run.exit).await.code, 0);
}

#[tokio::test]
async fn commands_see_what_the_program_wrote() {
    for way in ways().await.into_iter().filter(|way| *way != Way::ReadOnly) {
        let host = Host::with_files(Some(way));
        let run = host.run("echo pod > app/new; echo pod > $HOME/h; echo $$; sleep 600").await;
        host.logged_pid().await;
        let command = ["/bin/sh", "-c", "cat app/new $HOME/h"].map(str::to_owned);
        let answer = host.runtime.exec(&run.id, &command, LONG).await.unwrap();
        assert_eq!(answer, (0, "pod\npod\n".to_owned()), "{way:?}");
        host.runtime.signal(&run.id, Signal::Kill).await.unwrap();
        assert_eq!(within(run.exit).await.code, 137);
        host.until_empty().await;
    }
}

#[tokio::test]
async fn a_container_has_a_home_of_its_own_unless_it_names_one() {
    let host = Host::new();
    let script = "touch $HOME/mine && test $(ls $HOME | wc -l) = 1 && echo $HOME";
    assert_eq!(host.code(host.spec(script)).await, 0);
    assert_eq!(host.code(host.spec(script)).await, 0, "fresh for the next");
    let home = host.run_dir().join("container-");
    assert!(host.log().await.contains(&home.display().to_string()));
    let mut spec = host.spec("test $HOME = /srv");
    spec.env.push(("HOME".to_owned(), "/srv".to_owned()));
    assert_eq!(host.code(spec).await, 0);
    host.until_empty().await;
}

#[tokio::test]
async fn of_the_data_directory_a_container_sees_its_image_and_its_home() {
    for way in ways().await {
        let host = Host::with_files(Some(way));
        let data = host.dir.path().canonicalize().unwrap();
        fs::create_dir(data.join("pki")).unwrap();
        fs::write(data.join("pki/token"), "secret").unwrap();
        let script =
            format!("cat {0}/pki/token || test \"$(ls {0})\" = 'image\npods'", data.display());
        let expected = if way == Way::ReadOnly { "secret" } else { "No such file" };
        assert_eq!(host.code(host.ordinary(&script)).await, 0, "{way:?}: {}", host.log().await);
        assert!(host.log().await.contains(expected), "{way:?}: {}", host.log().await);
    }
}

#[tokio::test]
async fn programs_in_namespaces_end_with_the_thread_that_started_them() {
    for way in ways().await {
        let host = Host::with_files(Some(way));
        let run = host.run("sleep 600 & echo $$; wait").await;
        let pid = host.logged_pid().await;
        assert_eq!(proc::members(pid, None).len(), 2);
        let marker = proc::marker(pid).unwrap();
        assert!(marker.ends_with("/user"), "{marker}: what ends survivors reads it");
        drop(host.runtime);
        assert_eq!(within(run.exit).await.code, 137);
        until_gone(pid).await;
    }
}
