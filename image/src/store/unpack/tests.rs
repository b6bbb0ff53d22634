//! Unpacking of handmade layers, good and hostile.

use std::os::unix::fs::symlink as make_link;

use tar::{Builder, Header};

use super::*;
use crate::store::Limits;

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

/// Paths are written into the header as they are, because the tar library refuses the paths of an
/// attacker.
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
    let mut budget = Budget::new(limits, Instant::now());
    let result = layers.iter().try_for_each(|items| {
        let layer = layer(items);
        apply(layer.as_slice(), &root, &mut budget.layer(layer.len() as u64))
    });
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
    applied(&layer(&[file("a", "new")]), &image.root(), Limits::default()).unwrap();
    assert_eq!(fs::read_to_string(outside).unwrap(), "safe");
    assert_eq!(image.text("a").as_deref(), Some("new"));
}

#[test]
fn a_hard_link_cannot_bring_in_a_file_of_the_host() {
    let image = unpack(&[&[Item("stolen", EntryType::Link, "../outside")]], Limits::default());
    assert!(matches!(image.result, Err(Failure::Layer(_))), "{:?}", image.result);
}

/// Applies one layer, with its own length as the blob's size.
fn applied(layer: &[u8], root: &Path, limits: Limits) -> Result<(), Failure> {
    let mut budget = Budget::new(limits, Instant::now());
    apply(layer, root, &mut budget.layer(layer.len() as u64))
}

fn refused(items: &[Item], limits: Limits) -> Bound {
    match unpack(&[items], limits).result {
        Err(Failure::Bound(bound)) => bound,
        other => panic!("not refused for a limit: {other:?}"),
    }
}

#[test]
fn an_image_that_grows_over_the_limit_is_refused() {
    let limits = Limits { bytes: 5, ..Limits::default() };
    let bound = refused(&[file("a", "123"), file("b", "456")], limits);
    assert_eq!(bound, Bound::Unpacked { max: 5 });
    assert!(unpack(&[&[file("a", "123"), file("b", "45")]], limits).result.is_ok());
}

#[test]
fn folders_that_a_path_brings_count_as_entries() {
    let limits = Limits { entries: 4, ..Limits::default() };
    assert!(unpack(&[&[file("a/b/c/d", "")]], limits).result.is_ok());
    for items in [&[file("a/b/c/d/e", "")][..], &[file("a/b/c/d", ""), file(".wh.x", "")]] {
        assert_eq!(refused(items, limits), Bound::Entries { max: 4 });
    }
}

#[test]
fn a_folder_that_is_cleared_again_and_again_uses_up_the_entries() {
    let limits = Limits { entries: 100, ..Limits::default() };
    let mut items: Vec<Item> = (0..10).map(|_| file("d/.wh..wh..opq", "")).collect();
    items.insert(0, file("d/a", ""));
    assert!(unpack(&[&items], limits).result.is_ok());
    items.extend((0..50).map(|_| file("d/.wh..wh..opq", "")));
    assert_eq!(refused(&items, limits), Bound::Entries { max: 100 });
}

/// Appends an entry of any kind, name and content.
fn entry(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

#[test]
fn long_paths_are_refused_before_a_folder_is_made() {
    let path = |name: &str| {
        let mut tar = Builder::new(Vec::new());
        entry(&mut tar, EntryType::GNULongName, b"././@LongLink", name.as_bytes());
        entry(&mut tar, EntryType::Regular, b"short", b"1");
        tar.into_inner().unwrap()
    };
    let bound = Bound::Path { bytes: PATH_BYTES_MAX, depth: PATH_DEPTH_MAX };
    let long = "n".repeat(NAME_BYTES_MAX);
    for (name, fits) in [
        (long.clone(), true),
        (format!("{long}n"), false),
        ("d/".repeat(PATH_DEPTH_MAX - 1) + "f", true),
        ("d/".repeat(PATH_DEPTH_MAX) + "f", false),
        (format!("{long}/").repeat(PATH_BYTES_MAX / 256), true),
        (format!("{long}/").repeat(PATH_BYTES_MAX / 256) + "f", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        match applied(&path(&name), dir.path(), Limits::default()) {
            Ok(()) => assert!(fits, "{name}"),
            Err(Failure::Bound(found)) => {
                assert!(!fits && found == bound, "{name}: {found}");
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
            }
            Err(failure) => panic!("{name}: {failure:?}"),
        }
    }
}

#[test]
fn names_and_attributes_do_not_fill_the_memory() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let mut tar = Builder::new(Vec::new());
        entry(&mut tar, EntryType::Regular, b"first", &[1; 3 << 20]);
        entry(&mut tar, kind, b"long", &vec![b'x'; 2 << 20]);
        entry(&mut tar, EntryType::Regular, b"second", b"");
        let dir = tempfile::tempdir().unwrap();
        let layer = tar.into_inner().unwrap();
        let failure = applied(&layer, dir.path(), Limits::default()).unwrap_err();
        let bound = Bound::Headers { max: 1 << 20 };
        assert!(matches!(&failure, Failure::Bound(found) if *found == bound), "{failure:?}");
        assert!(dir.path().join("first").exists());
    }
}

#[test]
fn content_of_a_device_is_skipped() {
    let mut tar = Builder::new(Vec::new());
    entry(&mut tar, EntryType::Char, b"device", &[1; 3 << 20]);
    entry(&mut tar, EntryType::Regular, b"f", b"1");
    let dir = tempfile::tempdir().unwrap();
    applied(&tar.into_inner().unwrap(), dir.path(), Limits::default()).unwrap();
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"1");
}

#[test]
fn a_layer_grows_by_so_much_and_no_more() {
    let limits = Limits { ratio: 10, ratio_free_bytes: 1 << 20, ..Limits::default() };
    let grown = |content: usize, squeezed: u64| {
        let mut tar = Builder::new(Vec::new());
        entry(&mut tar, EntryType::Regular, b"zeros", &vec![0; content]);
        let (dir, layer) = (tempfile::tempdir().unwrap(), tar.into_inner().unwrap());
        let mut budget = Budget::new(limits, Instant::now());
        let result = apply(layer.as_slice(), dir.path(), &mut budget.layer(squeezed));
        (result, dir.path().join("zeros").exists())
    };
    assert!(grown(900 << 10, 1000).0.is_ok(), "small in any case");
    assert!(grown(2 << 20, 300 << 10).0.is_ok(), "by less than ten times");
    let (result, written) = grown(2 << 20, 1000);
    let bound = Bound::Ratio { times: 10 };
    assert!(matches!(&result, Err(Failure::Bound(found)) if *found == bound), "{result:?}");
    assert!(!written, "refused before it is written");
}

#[test]
fn a_file_that_is_all_holes_counts_by_its_length() {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_path("holes").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    let number = |field: &mut [u8; 12], n: u64| {
        field[..11].copy_from_slice(format!("{n:011o}").as_bytes());
    };
    number(&mut gnu.sparse[0].offset, 4 << 30);
    number(&mut gnu.sparse[0].numbytes, 0);
    number(&mut gnu.realsize, 4 << 30);
    header.set_cksum();
    tar.append(&header, &[][..]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let failure = applied(&tar.into_inner().unwrap(), dir.path(), Limits::default()).unwrap_err();
    assert!(matches!(failure, Failure::Bound(Bound::Ratio { .. })), "{failure:?}");
    assert!(!dir.path().join("holes").exists());
}

#[test]
fn a_compressed_stream_ends_at_the_ratio_even_between_files() {
    let limits = Limits { ratio: 2, ratio_free_bytes: 1 << 20, ..Limits::default() };
    let mut tar = Builder::new(Vec::new());
    for _ in 0..20 {
        // 100 KiB of attributes each, which are no content.
        entry(&mut tar, EntryType::XHeader, b"x", &vec![b'\n'; 100 << 10]);
        entry(&mut tar, EntryType::Regular, b"f", b"");
    }
    let (dir, layer) = (tempfile::tempdir().unwrap(), tar.into_inner().unwrap());
    let mut budget = Budget::new(limits, Instant::now());
    let result = apply(layer.as_slice(), dir.path(), &mut budget.layer(1000));
    assert!(matches!(result, Err(Failure::Bound(Bound::Ratio { times: 2 }))), "{result:?}");
}

#[test]
fn unpacking_ends_in_time() {
    let limits = Limits { time: std::time::Duration::ZERO, ..Limits::default() };
    assert_eq!(refused(&[file("a", "1")], limits), Bound::UnpackTime { seconds: 0 });
}

#[test]
fn links_that_lead_too_deep_are_refused() {
    // Each leads forty folders deeper, through the one before.
    let deep = "x/".repeat(40);
    let deep: &'static str = deep.leak();
    let links = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10", "l11", "l12"];
    let mut items = vec![link("l0", deep)];
    for pair in links.windows(2) {
        items.push(link(pair[1], format!("{}/{deep}", pair[0]).leak()));
    }
    items.push(file("l12/f", "1"));
    let image = unpack(&[&items], Limits::default());
    assert!(matches!(&image.result, Err(Failure::Layer(says)) if says.contains("too deep")));
    assert!(!image.root().join("x").exists());
}

#[test]
fn a_stream_that_is_no_archive_is_an_error_of_the_layer() {
    let dir = tempfile::tempdir().unwrap();
    let failure = applied(&[7; 2048], dir.path(), Limits::default()).unwrap_err();
    assert!(matches!(failure, Failure::Layer(_)), "{failure:?}");
}
