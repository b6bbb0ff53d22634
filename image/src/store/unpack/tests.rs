//! Layers by hand, good and hostile.

use std::os::unix::fs::symlink as make_link;

use tar::{Builder, Header};

use super::*;

/// One entry of a layer: path, kind, and content or link target.
struct Item(&'static str, EntryType, &'static str);

fn file(path: &'static str, content: &'static str) -> Item {
    Item(path, EntryType::Regular, content)
}

fn dir(path: &'static str) -> Item {
    Item(path, EntryType::Directory, "")
}

fn link(path: &'static str, target: &'static str) -> Item {
    Item(path, EntryType::Symlink, target)
}

/// Paths are written into the header as they are: the library that makes archives refuses what an
/// attacker would not.
fn layer(items: &[Item]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for Item(path, kind, content) in items {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_size(0);
        let mut data: &[u8] = b"";
        if *kind == EntryType::Regular {
            data = content.as_bytes();
            header.set_size(data.len() as u64);
        } else {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, data).unwrap();
    }
    tar.into_inner().unwrap()
}

struct Unpacked {
    dir: tempfile::TempDir,
    result: Result<(), Failure>,
}

impl Unpacked {
    fn root(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }
}

fn unpack(layers: &[&[Item]], limits: Limits) -> Unpacked {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("rootfs");
    fs::create_dir(&root).unwrap();
    fs::write(dir.path().join("outside"), "safe").unwrap();
    let mut budget = limits;
    let result =
        layers.iter().try_for_each(|items| apply(layer(items).as_slice(), &root, &mut budget));
    Unpacked { dir, result }
}

fn unpacked(layers: &[&[Item]]) -> Unpacked {
    let unpacked = unpack(layers, Limits::default());
    assert!(unpacked.result.is_ok(), "{:?}", unpacked.result);
    unpacked
}

#[test]
fn upper_layers_replace_and_whiteouts_delete() {
    let image = unpacked(&[
        &[
            dir("app/"),
            file("app/kept", "1"),
            file("app/old", "1"),
            file("app/gone", "1"),
            file("d/a", "1"),
        ],
        &[
            file("app/old", "2"),
            file("app/.wh.gone", ""),
            file("d/b", "2"),
            file(".wh.nothing", ""),
        ],
    ]);
    assert_eq!(image.text("app/kept").as_deref(), Some("1"));
    assert_eq!(image.text("app/old").as_deref(), Some("2"));
    assert_eq!(image.text("app/gone"), None);
    assert_eq!(image.text("d/a").as_deref(), Some("1"));
    assert!(!image.root().join("app/.wh.gone").exists());
}

#[test]
fn an_opaque_whiteout_hides_lower_layers_only() {
    let image = unpacked(&[
        &[file("d/lower", "1"), file("d/sub/lower", "1"), file("e/lower", "1")],
        &[file("d/sub/upper", "2"), file("d/.wh..wh..opq", ""), file("d/later", "2")],
    ]);
    assert_eq!(image.text("d/lower"), None);
    assert_eq!(image.text("d/sub/upper").as_deref(), Some("2"));
    assert_eq!(image.text("d/later").as_deref(), Some("2"));
    assert_eq!(image.text("e/lower").as_deref(), Some("1"));
}

#[test]
fn a_file_and_a_folder_may_take_each_others_place() {
    let image =
        unpacked(&[&[file("a", "1"), file("b/c", "1")], &[file("a/x", "2"), file("b", "2")]]);
    assert_eq!(image.text("a/x").as_deref(), Some("2"));
    assert_eq!(image.text("b").as_deref(), Some("2"));
}

#[test]
fn links_of_an_image_are_followed_inside_it() {
    let image =
        unpacked(&[&[dir("usr/lib/"), link("lib", "/usr/lib")], &[file("lib/libc.so", "c")]]);
    assert_eq!(image.text("usr/lib/libc.so").as_deref(), Some("c"));
    assert_eq!(fs::read_link(image.root().join("lib")).unwrap(), Path::new("/usr/lib"));
}

#[test]
fn hard_links_share_the_file_and_set_id_bits_are_dropped() {
    let image = unpacked(&[&[file("a", "1"), Item("b", EntryType::Link, "a")]]);
    assert_eq!(image.text("b").as_deref(), Some("1"));
    let mode = fs::metadata(image.root().join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn nothing_outside_is_touched() {
    let absolute = "/tmp/rouse-unpack-test-must-not-exist";
    let attacks: [&[Item]; 6] = [
        &[file("../outside", "owned")],
        &[file("a/../../outside", "owned")],
        &[link("up", ".."), file("up/outside", "owned")],
        &[link("up", "../../.."), link("more", "up/.."), file("more/outside", "owned")],
        &[file("/tmp/rouse-unpack-test-must-not-exist", "owned")],
        &[file("../.wh.outside", "")],
    ];
    for attack in attacks {
        let image = unpack(&[attack], Limits::default());
        let outside = fs::read_to_string(image.dir.path().join("outside")).unwrap();
        assert_eq!(outside, "safe");
        assert!(!Path::new(absolute).exists());
    }
}

#[test]
fn a_link_to_a_file_outside_is_replaced_and_not_written_through() {
    let image = unpacked(&[&[]]);
    let outside = image.dir.path().join("outside");
    make_link(&outside, image.root().join("a")).unwrap();
    let mut budget = Limits::default();
    apply(layer(&[file("a", "new")]).as_slice(), &image.root(), &mut budget).unwrap();
    assert_eq!(fs::read_to_string(outside).unwrap(), "safe");
    assert_eq!(image.text("a").as_deref(), Some("new"));
}

#[test]
fn a_hard_link_cannot_bring_in_a_file_of_the_host() {
    let image = unpack(&[&[Item("stolen", EntryType::Link, "../outside")]], Limits::default());
    assert!(matches!(image.result, Err(Failure::Layer(_))), "{:?}", image.result);
}

#[test]
fn an_image_that_grows_over_the_limit_is_refused() {
    let limits = Limits { bytes: 5, entries: 10 };
    let image = unpack(&[&[file("a", "123"), file("b", "456")]], limits);
    assert!(matches!(image.result, Err(Failure::TooLarge)));
    let limits = Limits { bytes: 100, entries: 1 };
    let image = unpack(&[&[file("a", ""), file("b", "")]], limits);
    assert!(matches!(image.result, Err(Failure::TooLarge)));
}

#[test]
fn a_stream_that_is_no_archive_is_the_layers_fault() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = vec![7; 2048];
    let failure = apply(garbage.as_slice(), dir.path(), &mut Limits::default()).unwrap_err();
    assert!(matches!(failure, Failure::Layer(_)), "{failure:?}");
}
