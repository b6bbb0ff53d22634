//! Volumes on the disk.

use super::*;
use crate::spec::volumes::File;

fn files(of: &[(&str, &str, i32)]) -> Files {
    let file = |text: &str, mode| File { bytes: text.into(), mode };
    of.iter().map(|(path, text, mode)| ((*path).to_owned(), file(text, *mode))).collect()
}

fn volume(dir: &Path, content: Content) -> Volume {
    Volume { name: "v".to_owned(), dir: dir.to_owned(), content }
}

fn place(dir: &Path, sub_path: &str, writable: bool) -> Place {
    Place {
        volume: "v".to_owned(),
        dir: dir.to_owned(),
        sub_path: Some(PathBuf::from(sub_path)),
        writable,
        path: "/v".to_owned(),
        read_only: !writable,
        optional: false,
    }
}

fn written(volumes: &[Volume], places: &[Place]) -> Result<Vec<Mount>, String> {
    let pod = PodRef { namespace: "d".to_owned(), name: "p".to_owned(), uid: "u".to_owned() };
    write_all((&WriteLocks::default(), &pod), volumes, places)
}

#[test]
fn files_change_all_at_once_and_stay_where_they_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let read = |path: &str| fs::read_to_string(dir.path().join(path)).unwrap();
    swap(dir.path(), &files(&[("a", "1", 0o600), ("deep/b", "2", 0o444)])).unwrap();
    assert_eq!((read("a"), read("deep/b")), ("1".to_owned(), "2".to_owned()));
    let mode =
        |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a"), mode("deep/b")), (0o600, 0o444));
    let first = fs::read_link(dir.path().join(DATA)).unwrap();
    swap(dir.path(), &files(&[("a", "1", 0o600), ("deep/b", "2", 0o444)])).unwrap();
    assert_eq!(fs::read_link(dir.path().join(DATA)).unwrap(), first, "nothing has changed");
    // A reader that has opened the directory of the files sees one state of them.
    swap(dir.path(), &files(&[("a", "3", 0o600), ("c", "4", 0o600)])).unwrap();
    assert_eq!((read("a"), read("c")), ("3".to_owned(), "4".to_owned()));
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let second = fs::read_link(dir.path().join(DATA)).unwrap();
    assert_eq!(names, [second.as_os_str(), "..data".as_ref(), "a".as_ref(), "c".as_ref()]);
}

#[test]
fn a_mode_of_a_file_alone_is_a_change_too() {
    let dir = tempfile::tempdir().unwrap();
    swap(dir.path(), &files(&[("a", "1", 0o600)])).unwrap();
    swap(dir.path(), &files(&[("a", "1", 0o640)])).unwrap();
    let mode = fs::metadata(dir.path().join("a")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
}

#[test]
fn a_single_file_is_mounted_as_it_is_and_a_missing_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = [volume(dir.path(), Content::Files(files(&[("a", "1", 0o600)])))];
    let mounts = written(&volumes, &[place(dir.path(), "a", false)]).unwrap();
    assert!(mounts[0].host_path.is_file() && !mounts[0].host_path.is_symlink());
    assert!(mounts[0].read_only);
    let error = written(&volumes, &[place(dir.path(), "b", false)]).unwrap_err();
    assert!(error.starts_with("MountVolume.SetUp failed for volume \"v\" : subPath"), "{error}");
}

#[test]
fn a_part_of_a_writable_volume_is_made_and_no_link_leads_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("volume"), dir.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    let volumes = [volume(&inside, Content::Empty { limit: None })];
    let mounts = written(&volumes, &[place(&inside, "new/part", true)]).unwrap();
    assert!(mounts[0].host_path.ends_with("volume/new/part") && mounts[0].host_path.is_dir());
    symlink(&outside, inside.join("link")).unwrap();
    for sub_path in ["link", "link/new"] {
        let error = written(&volumes, &[place(&inside, sub_path, true)]).unwrap_err();
        assert!(error.contains("subPath"), "{error}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_path_of_the_host_is_of_the_kind_that_is_asked_for_and_never_the_platforms_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("file"), "").unwrap();
    let hidden = path("hidden");
    fs::create_dir(&hidden).unwrap();
    for (name, kind, good) in [
        ("file", "", true),
        ("file", "File", true),
        ("file", "Directory", false),
        ("none", "", false),
        ("none", "Directory", false),
        ("new", "DirectoryOrCreate", true),
        ("new", "Directory", true),
        ("new", "FileOrCreate", false),
        ("newfile", "FileOrCreate", true),
    ] {
        assert_eq!(host(&path(name), kind, &hidden).is_ok(), good, "{name} {kind}");
    }
    fs::create_dir(hidden.join("pki")).unwrap();
    symlink(&hidden, path("link")).unwrap();
    for shown in [path("hidden"), path("hidden/pki"), path("link/pki"), path(""), "/".into()] {
        let error = host(&shown, "", &hidden).unwrap_err().to_string();
        assert!(error.contains("the platform's data directory"), "{error}");
    }
}

#[test]
fn a_volume_with_more_than_its_limit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = [volume(dir.path(), Content::Empty { limit: Some(100_000) })];
    assert_eq!(over_limit(&volumes), None);
    fs::create_dir(dir.path().join("deep")).unwrap();
    fs::write(dir.path().join("deep/file"), vec![1; 200_000]).unwrap();
    let message = over_limit(&volumes).unwrap();
    assert_eq!(message, "Usage of EmptyDir volume \"v\" exceeds the limit \"100000\" bytes.");
}

#[test]
fn files_are_given_to_the_pods_group_and_new_ones_get_it() {
    let dir = tempfile::tempdir().unwrap();
    // A group that whoever runs this has.
    let group = fs::metadata(dir.path()).unwrap().gid();
    let [open, closed, empty] = ["open", "closed", "empty"].map(|name| dir.path().join(name));
    fs::create_dir_all(&open).unwrap();
    fs::write(open.join("f"), "1").unwrap();
    fs::set_permissions(open.join("f"), Permissions::from_mode(0o600)).unwrap();
    let (written, kept) = (files(&[("a", "1", 0o400)]), Content::Kept { read_only: false });
    let volumes = [
        volume(&open, kept),
        volume(&closed, Content::Files(written)),
        volume(&empty, Content::Empty { limit: None }),
    ];
    fs::create_dir(&empty).unwrap();
    give(&empty, group, true).unwrap();
    written_twice(&volumes, group);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&closed.join("a")) & 0o440, 0o440);
    give(&open, group, true).unwrap();
    assert_eq!(mode(&empty), 0o2777, "it is looked at again and again");
    assert_eq!((mode(&open) & 0o2770, mode(&open.join("f"))), (0o2770, 0o660));
}

fn written_twice(volumes: &[Volume], group: u32) {
    for _ in 0..2 {
        written(volumes, &[]).unwrap();
        assert_eq!(give_to_group(volumes, group), None);
    }
}
