//! Building images, and running in place what was built.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::registry::Registry;
use rouse_image::build::{BuildOptions, Built, Kind, LayerFiles, Source};
use rouse_image::{Error, Image, Overrides, Reference, Store, command_in_place, silent};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("images")).unwrap();
        fs::create_dir(dir.path().join("source")).unwrap();
        Self { dir, store }
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> &Self {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// A dynamically linked program that can say something: a copy of the shell.
    fn program(&self, path: &str) -> &Self {
        self.write(path, fs::read("/bin/sh").unwrap(), 0o755)
    }

    async fn build(&self, name: &str) -> Result<Built, Error> {
        self.store.build(&self.source(), BuildOptions::new(name, None)?, &silent()).await
    }

    /// Runs the image as the `process` runtime does.
    fn run(&self, built: &Built, overrides: &Overrides<'_>) -> Output {
        let image = self.store.image(&built.digest).unwrap();
        let rootfs = self.store.rootfs(&built.digest).unwrap();
        let command = command_in_place(&image, &rootfs, overrides).unwrap();
        let mut process = Command::new(command.program);
        process.args(command.args).env_clear().envs(command.env).current_dir(command.working_dir);
        process.output().unwrap()
    }

    fn image(&self, built: &Built) -> Image {
        self.store.image(&built.digest).unwrap()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

#[tokio::test]
async fn an_executable_brings_its_loader_and_libraries_and_runs() {
    let bench = Bench::new();
    bench.program("server").write("model.txt", "weights", 0o644);
    let built = bench.build("digits:v1").await.unwrap();
    assert_eq!((built.kind, built.needs_host.as_deref()), (Kind::Executable, None));
    let image = bench.image(&built);
    assert_eq!(image.entrypoint, ["/app/server"]);
    let rootfs = bench.store.rootfs(&built.digest).unwrap();
    let linked = Command::new("ldd").arg("/bin/sh").output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let paths = linked.split_whitespace().filter(|word| word.starts_with('/'));
    assert!(paths.clone().count() >= 2, "{linked}");
    for path in paths {
        assert!(rootfs.join(&path[1..]).is_file(), "{path}");
    }
    let args = words(&["-c", "read line < model.txt; echo $line $MODE"]);
    let env = [("MODE".to_owned(), "fast".to_owned())];
    let output = bench.run(&built, &Overrides { args: &args, env: &env, ..Overrides::default() });
    // `read` without a newline at the end fails, which the script does not care about.
    assert_eq!(stdout(&output), "weights fast");
}

#[tokio::test]
async fn the_same_input_has_the_same_digest_whenever_and_wherever_built() {
    let (one, two) = (Bench::new(), Bench::new());
    one.program("server").write("data/b", "2", 0o600).write("data/a", "1", 0o644);
    two.write("data/a", "1", 0o664).write("data/b", "2", 0o644).program("server");
    two.write("__pycache__/x.pyc", "cache", 0o644).write(".git/HEAD", "ref", 0o644);
    let (one, two) = (one.build("a:1").await.unwrap(), two.build("b:2").await.unwrap());
    assert_eq!(one.digest, two.digest);
}

#[tokio::test]
async fn a_changed_file_reuses_the_layers_that_did_not_change() {
    let bench = Bench::new();
    bench.program("server").write("model", "1", 0o644);
    let first = bench.build("digits:v1").await.unwrap();
    bench.write("model", "2", 0o644);
    let second = bench.build("digits:v2").await.unwrap();
    let reused = |built: &Built| -> Vec<(String, bool)> {
        built.layers.iter().map(|layer| (layer.what.clone(), layer.reused)).collect()
    };
    assert_eq!(
        reused(&first),
        [("libraries".to_owned(), false), ("application".to_owned(), false)]
    );
    assert_eq!(
        reused(&second),
        [("libraries".to_owned(), true), ("application".to_owned(), false)]
    );
    assert_ne!(first.digest, second.digest);
}

#[tokio::test]
async fn a_procfile_says_what_to_run_and_may_use_the_port() {
    let bench = Bench::new();
    bench.program("bin/say").write("Procfile", "web: bin/say -c \"echo port $PORT\"", 0o644);
    let built = bench.build("said").await.unwrap();
    assert_eq!((built.kind, built.needs_host.as_deref()), (Kind::Procfile, None));
    let env = [("PORT".to_owned(), "8123".to_owned())];
    let output = bench.run(&built, &Overrides { env: &env, ..Overrides::default() });
    assert_eq!(stdout(&output), "port 8123");
}

#[tokio::test]
async fn a_procfile_that_runs_a_program_of_the_host_says_so() {
    let bench = Bench::new();
    bench.write("Procfile", "web: node server.js", 0o644).write("server.js", "", 0o644);
    let built = bench.build("web").await.unwrap();
    assert_eq!(built.needs_host.as_deref(), Some("node"));
    assert_eq!(bench.image(&built).needs_host(), Some("node"));
    bench.write("Procfile", "web: ./missing", 0o644);
    let error = bench.build("web").await.unwrap_err().to_string();
    assert!(error.contains("runs ./missing, which is no executable file"), "{error}");
}

#[tokio::test]
async fn a_program_can_be_packed_with_files_of_its_own() {
    let bench = Bench::new();
    let pack = |tag: &str, model: &str| {
        let mut files = LayerFiles::default();
        files.add_file("app/model", Source::Bytes(model.as_bytes().to_vec()), false);
        let reference: Reference = format!("packed:{tag}").parse().unwrap();
        let args = words(&["-c", "cat model"]);
        bench.store.pack_program(&reference, Path::new("/bin/sh"), &args, files).unwrap()
    };
    let (one, two) = (pack("v1", "one"), pack("v2", "two"));
    assert_eq!(stdout(&bench.run(&one, &Overrides::default())), "one");
    assert_eq!(stdout(&bench.run(&two, &Overrides::default())), "two");
    assert_eq!(two.layers.iter().filter(|layer| layer.reused).count(), 2, "{:?}", two.layers);
}

#[tokio::test]
async fn a_build_upon_a_base_adds_layers_and_keeps_its_settings() {
    let registry = Registry::start().await;
    registry.push("base", "latest", &[&[("etc/base", "yes")]]);
    let bench = Bench::new();
    bench.program("server");
    let mut options = BuildOptions::new("upon", Some("v3")).unwrap();
    options.base = Some(registry.name("base").parse().unwrap());
    let built = bench.store.build(&bench.source(), options, &silent()).await.unwrap();
    assert_eq!(built.reference.canonical(), "docker.io/library/upon:v3");
    let (image, rootfs) = (bench.image(&built), bench.store.rootfs(&built.digest).unwrap());
    assert_eq!(image.argv(&[], &[]), ["/app/server"]);
    assert_eq!((image.user.as_str(), &image.env[0]), ("1000", &("A".to_owned(), "b".to_owned())));
    assert_eq!(fs::read_to_string(rootfs.join("etc/base")).unwrap(), "yes");
    assert!(!rootfs.join("lib64").exists(), "the base has its own libraries");
}

#[tokio::test]
async fn a_built_image_means_itself_without_asking_a_registry() {
    let bench = Bench::new();
    bench.program("server");
    let built = bench.build("registry.invalid/team/digits:v1").await.unwrap();
    let resolved = bench.store.resolve(&built.reference).await.unwrap();
    assert_eq!((&resolved.digest, resolved.in_store), (&built.digest, true));
    assert_eq!(resolved.pinned, format!("registry.invalid/team/digits@{}", built.digest));
}

#[tokio::test]
async fn removing_the_last_name_frees_what_nobody_else_uses() {
    let bench = Bench::new();
    bench.program("server").write("model", "1", 0o644);
    let first = bench.build("digits:v1").await.unwrap();
    bench.write("model", "2", 0o644);
    let second = bench.build("digits:v2").await.unwrap();
    let names = |store: &Store| -> Vec<String> {
        store.list().unwrap().iter().map(|listed| listed.familiar().to_owned()).collect()
    };
    assert_eq!(names(&bench.store), ["digits:v1", "digits:v2"]);
    bench.store.remove(&first.reference, &BTreeSet::new()).unwrap();
    assert_eq!(names(&bench.store), ["digits:v2"]);
    assert!(bench.store.image(&first.digest).is_err());
    assert!(matches!(bench.store.rootfs(&first.digest), Err(Error::NotInStore { .. })));
    // The other image shares the libraries and is whole.
    assert!(bench.store.list().unwrap()[0].size > 0);
    let mut archive = bench.store.docker_archive(&second.digest).unwrap();
    while let Some(chunk) = archive.recv().await {
        chunk.unwrap();
    }
    let again = bench.store.remove(&first.reference, &BTreeSet::new()).unwrap_err();
    assert!(matches!(again, Error::NotInStore { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_lose_no_name() {
    let bench = Bench::new();
    bench.program("server");
    let mut builds = tokio::task::JoinSet::new();
    for tag in 0..8 {
        // A store of its own, as another process has.
        let store = Store::open(bench.store.dir()).unwrap();
        let (source, options) =
            (bench.source(), BuildOptions::new(&format!("digits:v{tag}"), None).unwrap());
        builds.spawn(async move {
            store.build(&source, options, &silent()).await.map(|built| built.digest)
        });
    }
    let digests = builds.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(bench.store.list().unwrap().len(), 8);
}

#[tokio::test]
async fn a_damaged_store_says_which_file_and_what_to_do() {
    let bench = Bench::new();
    bench.program("server");
    let built = bench.build("digits").await.unwrap();
    let blob = bench.store.dir().join("blobs/sha256").join(built.digest.hex());
    fs::write(&blob, "{}").unwrap();
    let error = bench.store.find(&built.reference).unwrap_err().to_string();
    assert!(
        error.contains(built.digest.hex()) && error.contains("build the image again"),
        "{error}"
    );
    fs::write(bench.store.dir().join("index.json"), "nonsense").unwrap();
    let error = bench.store.list().unwrap_err().to_string();
    assert!(error.contains("index.json"), "{error}");
}

/// Needs Python, pip and its package index.
#[tokio::test]
async fn a_python_function_installs_at_build_and_reuses_its_dependencies() {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    assert!(
        pip.is_ok_and(|output| output.status.success()),
        "python3 with pip is needed: apt install python3 python3-pip (tests/run does it)"
    );
    let bench = Bench::new();
    bench.write("requirements.txt", "itsdangerous==2.2.0\n", 0o644).write(
        "main.py",
        "def hello(request):\n    return 'one'\n",
        0o644,
    );
    let first = bench.build("hello").await.unwrap();
    assert_eq!(first.kind, Kind::PythonFunction);
    assert!(first.needs_host.as_deref().is_some_and(|python| python.starts_with("python3")));
    bench.write("main.py", "def hello(request):\n    return 'two'\n", 0o644);
    let second = bench.build("hello").await.unwrap();
    assert_eq!(first.layers[0].digest, second.layers[0].digest);
    let reused: Vec<bool> = second.layers.iter().map(|layer| layer.reused).collect();
    assert_eq!(reused, [true, false]);
    // The files themselves are shared, not copied.
    let inode = |built: &Built| {
        let rootfs = bench.store.rootfs(&built.digest).unwrap();
        fs::metadata(rootfs.join("python/itsdangerous/signer.py")).unwrap().ino()
    };
    assert_eq!(inode(&first), inode(&second));

    let image = bench.image(&second);
    assert_eq!(image.entrypoint[1..], ["-m", "functions_framework"]);
    let check = "import functions_framework, itsdangerous, os, sys; \
                 print(functions_framework.__file__.startswith(os.environ['PYTHONPATH']), \
                 'itsdangerous/__pycache__' in itsdangerous.__cached__, os.path.exists(itsdangerous.__cached__), \
                 os.environ['FUNCTION_TARGET'])";
    let command = vec![image.entrypoint[0].clone(), "-c".to_owned(), check.to_owned()];
    let output = bench.run(&second, &Overrides { command: &command, ..Overrides::default() });
    assert_eq!(stdout(&output), "True True True hello");

    bench.write("requirements.txt", "itsdangerous==0.0.0.1\n", 0o644);
    let error = bench.build("hello").await.unwrap_err().to_string();
    assert!(error.contains("requirements.txt failed") && error.contains("itsdangerous"), "{error}");
}

#[tokio::test]
async fn what_the_folder_rules_out_is_not_in_the_image_and_is_told() {
    let bench = Bench::new();
    bench.program("server").write("data/big", "x", 0o644).write("notes.md", "x", 0o644);
    bench.write("page.html", "x", 0o644);
    // The program itself is what is run.
    bench.write(".gitignore", "server\ndata/\n", 0o644);
    bench.write(".dockerignore", "*.md\n", 0o644);
    let told = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let hears = told.clone();
    let progress: rouse_image::ProgressFn = std::sync::Arc::new(move |step| {
        if let rouse_image::Progress::Step(text) = step {
            hears.lock().push(text);
        }
    });
    let options = BuildOptions::new("digits:v1", None).unwrap();
    let built = bench.store.build(&bench.source(), options, &progress).await.unwrap();
    let app = bench.store.rootfs(&built.digest).unwrap().join("app");
    let mut names: Vec<String> = fs::read_dir(app)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".dockerignore", "page.html", "server"]);
    let told = told.lock().join("\n");
    assert!(told.contains("data/, notes.md, server"), "{told}");
    assert!(told.contains(".gitignore") && told.contains(".dockerignore"), "{told}");

    bench.write("Procfile", "web: ./server -c true", 0o644);
    let error = bench.build("digits:v2").await.unwrap_err().to_string();
    assert!(error.contains("./server, which .gitignore leaves out"), "{error}");
}
