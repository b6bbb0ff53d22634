use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const MIB: u64 = 1 << 20;

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

/// `DIGEST-OF names age-in-minutes size-in-MiB`.
fn image(of: &str, names: &[&str], minutes: i64, mib: u64) -> Held {
    Held {
        digest: Digest::of(of.as_bytes()),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        origin: None,
        made: now().checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap(),
        size: mib * MIB,
    }
}

#[test]
fn only_images_that_nothing_refers_to_go_and_named_ones_only_for_room_the_oldest_first() {
    let images = [
        image("used", &[], 600, 10),
        image("used and named", &["a"], 600, 10),
        image("unnamed", &[], 60, 10),
        image("unnamed, just made", &[], 1, 10),
        image("named, new", &["b"], 90, 10),
        image("named, old", &["c"], 900, 10),
        image("named, just made", &["d"], 5, 10),
        image("made in the future", &[], -60, 10),
    ];
    let used = ["used", "used and named"].map(|of| Digest::of(of.as_bytes())).into();
    let rule = |excess| Rule { unnamed_age: HOUR / 6, named_age: HOUR, excess };
    let going = |excess: u64| {
        let going = unneeded(&images, &used, rule(excess), now());
        going.iter().map(|image| image.digest.clone()).collect::<Vec<_>>()
    };
    let of = |names: &[&str]| names.iter().map(|n| Digest::of(n.as_bytes())).collect::<Vec<_>>();
    assert_eq!(going(0), of(&["unnamed"]));
    assert_eq!(going(11 * MIB), of(&["unnamed", "named, old"]));
    assert_eq!(going(u64::MAX), of(&["unnamed", "named, old", "named, new"]));
}

#[test]
fn a_discarded_image_takes_its_files_with_it_but_none_that_another_image_uses() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let source = |app: &str| {
        let mut files = crate::build::LayerFiles::default();
        let content = app.as_bytes().to_vec();
        files.add_file("/app/main", crate::build::Source::Bytes(content), true);
        let mut base = crate::build::LayerFiles::default();
        base.add_file("/base", crate::build::Source::Bytes(b"shared".to_vec()), false);
        crate::build::Recipe {
            layers: vec![
                ("base".to_owned(), crate::build::Content::Files(base)),
                ("app".to_owned(), crate::build::Content::Files(files)),
            ],
            entrypoint: vec!["/app/main".to_owned()],
            ..Default::default()
        }
    };
    let build = |name: &str, app: &str| {
        let kind = crate::build::Kind::Executable;
        let name = name.parse().unwrap();
        store.assemble(&name, None, kind, source(app), &crate::silent()).unwrap()
    };
    let (first, second) = (build("shop", "1"), build("shop", "2"));
    let blobs = || fs::read_dir(dir.path().join("blobs/sha256")).unwrap().count();
    assert_eq!(blobs(), 7, "2 manifests, 2 configurations, 2 layers, and one for both");
    let held = store.held().unwrap();
    let names =
        |digest: &Digest| held.iter().find(|image| image.digest == *digest).unwrap().names.clone();
    assert_eq!(names(&first.digest), Vec::<String>::new());
    assert_eq!(names(&second.digest), ["docker.io/library/shop:latest"]);
    let references = [format!("shop@{}", first.digest), "shop".to_owned(), "unknown".to_owned()];
    let meant = store.meant(&references).unwrap();
    assert_eq!(meant, [first.digest.clone(), second.digest.clone()].into());
    let free = Grace { blobs: Duration::ZERO, dependencies: Duration::ZERO };
    let later = SystemTime::now() + HOUR;
    assert!(store.frees(std::slice::from_ref(&first.digest)).unwrap() > 0);
    store.discard(std::slice::from_ref(&first.digest), free, later).unwrap();
    assert_eq!(blobs(), 4);
    assert!(store.rootfs(&first.digest).is_err());
    let rootfs = store.rootfs(&second.digest).unwrap();
    assert_eq!(fs::read(rootfs.join("base")).unwrap(), b"shared");
    assert!(store.find(&"shop".parse().unwrap()).unwrap().is_some());
    store.discard(std::slice::from_ref(&second.digest), free, later).unwrap();
    assert_eq!(blobs(), 0);
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn blobs_of_a_pull_that_is_under_way_and_dependencies_that_were_used_lately_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let fresh = store.put(b"layer of a pull").unwrap();
    let layer = store.put(b"dependencies").unwrap();
    let made = crate::store::Made { digest: layer.clone(), size: 12, programs: Vec::new() };
    store.remember(&Digest::of(b"requirements"), &made).unwrap();
    let grace = Grace { blobs: HOUR, dependencies: 10 * HOUR };
    let sweep = |after: Duration| store.discard(&[], grace, SystemTime::now() + after).unwrap();
    sweep(HOUR / 2);
    assert!(store.blob_path(&fresh).exists());
    sweep(2 * HOUR);
    assert!(!store.blob_path(&fresh).exists());
    assert!(store.made_from(&Digest::of(b"requirements")).is_some());
    sweep(20 * HOUR);
    assert!(store.made_from(&Digest::of(b"requirements")).is_none());
    assert!(!store.blob_path(&layer).exists());
}
