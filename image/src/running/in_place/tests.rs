//! Command lines for images laid out by hand.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;
use crate::formats::digest::Digest;

struct Fixture {
    dir: tempfile::TempDir,
    image: Image,
}

impl Fixture {
    fn new(entrypoint: &[&str]) -> Self {
        let image = Image {
            digest: Digest::of(b"manifest"),
            config_digest: Digest::of(b"config"),
            architecture: host_architecture().to_owned(),
            entrypoint: words(entrypoint),
            cmd: Vec::new(),
            env: vec![("DATA".to_owned(), "/app/data:/nowhere".to_owned())],
            working_dir: "/app".to_owned(),
            user: String::new(),
            exposed_ports: Vec::new(),
            labels: BTreeMap::new(),
            stop_signal: None,
            layers: Vec::new(),
        };
        Self { dir: tempfile::tempdir().unwrap(), image }.file("app/data", "", 0o644)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn host(&self, path: &str) -> String {
        text(&self.dir.path().join(path))
    }

    fn command(&self, overrides: &Overrides<'_>) -> Result<InPlace, Error> {
        command_in_place(&self.image, self.dir.path(), overrides)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn value<'a>(command: &'a InPlace, name: &str) -> &'a str {
    &command.env.iter().find(|(known, _)| known == name).unwrap().1
}

#[test]
fn paths_of_the_image_become_paths_of_the_host() {
    let fixture = Fixture::new(&["/app/serve", "--data=/app/data", "/app/data", "/etc/hosts"])
        .file("app/serve", "static", 0o755);
    let env = [("DATA".to_owned(), "/app/data".to_owned()), ("PORT".to_owned(), "8080".to_owned())];
    let command = fixture.command(&Overrides { env: &env, ..Overrides::default() }).unwrap();
    let data = fixture.host("app/data");
    assert_eq!(command.program, Path::new(&fixture.host("app/serve")));
    assert_eq!(command.args, [format!("--data={data}"), data.clone(), "/etc/hosts".to_owned()]);
    assert_eq!(command.working_dir, Path::new(&fixture.host("app")));
    assert_eq!((value(&command, "DATA"), value(&command, "PORT")), (data.as_str(), "8080"));
    let defaults = fixture.command(&Overrides::default()).unwrap();
    assert_eq!(value(&defaults, "DATA"), format!("{data}:/nowhere"));
}

#[test]
fn a_working_directory_that_the_image_lacks_is_the_hosts() {
    let fixture = Fixture::new(&["/app/serve"]).file("app/serve", "static", 0o755);
    let folder = |dir: &str| {
        let overrides = Overrides { working_dir: Some(dir), ..Overrides::default() };
        text(&fixture.command(&overrides).unwrap().working_dir)
    };
    assert_eq!(folder("/app"), fixture.host("app"));
    assert_eq!(folder("/proc"), "/proc");
    assert_eq!(folder("/nowhere/at/all"), fixture.host("nowhere/at/all"));
}

#[test]
fn a_dynamic_program_runs_through_the_loader_of_its_image() {
    // A program of this machine, laid out as the build does it.
    let program = std::env::current_exe().unwrap();
    let mut fixture = Fixture::new(&["/app/tests", "--help"]).file(
        "app/tests",
        fs::read(&program).unwrap(),
        0o755,
    );
    let mut loader = String::new();
    for linked in libraries::linked_files(&program).unwrap() {
        let inside = linked.strip_prefix("/").unwrap();
        fixture = fixture.file(inside.to_str().unwrap(), fs::read(&linked).unwrap(), 0o755);
        if text(inside).contains("/ld-") {
            loader = fixture.host(&text(inside));
        }
    }
    let command = fixture.command(&Overrides::default()).unwrap();
    assert_eq!(command.program, Path::new(&loader));
    assert_eq!(command.args.last().map(String::as_str), Some("--help"));
    let output = Command::new(&command.program).args(&command.args).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("--shuffle-seed"), "{output:?}");
}

#[test]
fn a_script_runs_by_the_interpreter_of_the_image_or_else_of_the_host() {
    let fixture = Fixture::new(&["/app/run", "now"]).file("app/run", "#!/bin/sh -e\n", 0o755);
    let command = fixture.command(&Overrides::default()).unwrap();
    assert_eq!(command.program, Path::new("/bin/sh"));
    assert_eq!(command.args, ["-e".to_owned(), fixture.host("app/run"), "now".to_owned()]);
    let fixture =
        fixture.file("usr/bin/lua", "static", 0o755).file("app/run", "#!/usr/bin/env lua\n", 0o755);
    let command = fixture.command(&Overrides::default()).unwrap();
    assert_eq!(command.program, Path::new(&fixture.host("usr/bin/lua")));
    assert_eq!(command.args, [fixture.host("app/run"), "now".to_owned()]);
}

#[test]
fn a_program_of_the_host_is_found_after_those_of_the_image() {
    let fixture = Fixture::new(&["sh", "-c", "true"]);
    assert!(
        !fixture.command(&Overrides::default()).unwrap().program.starts_with(fixture.dir.path())
    );
    let fixture = fixture.file("usr/bin/sh", "static", 0o755);
    let command = fixture.command(&Overrides::default()).unwrap();
    assert_eq!(command.program, Path::new(&fixture.host("usr/bin/sh")));
}

#[test]
fn what_cannot_be_started_says_why() {
    let mut fixture = Fixture::new(&[]);
    let error = fixture.command(&Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("names a command"), "{error}");
    let command = words(&["/app/missing"]);
    let missing = Overrides { command: &command, ..Overrides::default() };
    let error = fixture.command(&missing).unwrap_err().to_string();
    assert!(error.contains("/app/missing"), "{error}");
    fixture.image.labels.insert("dev.rouse.host-python".to_owned(), "python3.99".to_owned());
    fixture.image.entrypoint = words(&["/opt/gone/python3"]);
    let error = fixture.command(&Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("needs python3.99 of this machine"), "{error}");
    let mut found = Fixture::new(&["/opt/gone/sh"]);
    found.image.labels.insert("dev.rouse.host-program".to_owned(), "sh".to_owned());
    assert!(found.command(&Overrides::default()).unwrap().program.ends_with("sh"));
    fixture.image.architecture = "s390x".to_owned();
    let error = fixture.command(&missing).unwrap_err().to_string();
    assert!(error.contains("s390x"), "{error}");
}
