//! Importing archives: what `docker save` and tools for OCI layouts write.

use std::collections::BTreeSet;
use std::io::{Read, Write as _};

use rouse_image::build::{Built, Content, Kind, LayerFiles, Recipe, Source};
use rouse_image::{Error, Imported, Origin, Reference, Store, silent};

struct Two {
    _dir: tempfile::TempDir,
    /// Where the image was made.
    from: Store,
    built: Built,
    /// Where it is imported.
    to: Store,
}

fn two() -> Two {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str| Store::open(dir.path().join(name)).unwrap();
    let (from, to) = (open("from"), open("to"));
    let mut files = LayerFiles::default();
    files.add_file("/app/main", Source::Bytes(b"#!/bin/sh\n".to_vec()), true);
    let layers = vec![("app".to_owned(), Content::Files(files))];
    let recipe = Recipe { layers, entrypoint: vec!["/app/main".into()], ..Recipe::default() };
    let name: Reference = "team/hello:dev".parse().unwrap();
    let built = from.assemble(&name, None, Kind::Executable, recipe, &silent()).unwrap();
    Two { _dir: dir, from, built, to }
}

impl Two {
    fn import(&self, archive: impl Read, name: Option<&str>) -> Result<Vec<Imported>, Error> {
        let name = name.map(|name| name.parse::<Reference>().unwrap());
        self.to.import(archive, name.as_ref(), &silent())
    }

    /// As `docker save` writes it.
    async fn saved(&self) -> Vec<u8> {
        let mut chunks = self.from.docker_archive(&self.built.digest).unwrap();
        let mut archive = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            archive.extend_from_slice(&chunk.unwrap());
        }
        archive
    }

    /// The store itself is an OCI layout.
    fn layout(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["oci-layout", "index.json", "blobs"] {
            let path = self.from.dir().join(name);
            if path.is_dir() {
                tar.append_dir_all(format!("./{name}"), path).unwrap();
            } else {
                tar.append_path_with_name(path, format!("./{name}")).unwrap();
            }
        }
        tar.into_inner().unwrap()
    }

    fn is_empty(&self) -> bool {
        let blobs = self.to.dir().join("blobs/sha256");
        let tmp = std::fs::read_dir(self.to.dir().join("tmp")).unwrap().count();
        std::fs::read_dir(blobs).unwrap().count() == 0 && tmp == 0
    }
}

#[tokio::test]
async fn an_archive_of_docker_save_is_imported_under_its_name_or_another() {
    let two = two();
    let archive = two.saved().await;
    let imported = two.import(archive.as_slice(), Some("hello:1")).unwrap();
    assert_eq!(imported[0].references[0].to_string(), "hello:1");
    let image = two.to.image(&imported[0].digest).unwrap();
    assert_eq!(image.config_digest, two.from.image(&two.built.digest).unwrap().config_digest);
    let rootfs = two.to.rootfs(&imported[0].digest).unwrap();
    assert_eq!(std::fs::read(rootfs.join("app/main")).unwrap(), b"#!/bin/sh\n");
    // Without a name, as the archive has it; compressed.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).unwrap();
    let again = two.import(gzip.finish().unwrap().as_slice(), None).unwrap();
    assert_eq!(again[0].digest, imported[0].digest, "the same image has the same digest");
    assert!(again[0].references[0].to_string().starts_with("rouse.local/image:"));
    // No registry is asked for the name.
    let resolved = two.to.resolve(&"hello:1".parse().unwrap()).await.unwrap();
    assert_eq!(resolved.digest, imported[0].digest);
    let held = two.to.held().unwrap();
    assert_eq!((held.len(), held[0].names.len()), (1, 2));
    assert_eq!(held[0].origin, Some(Origin::Imported));
}

#[test]
fn an_oci_layout_keeps_its_digest_and_its_names() {
    let two = two();
    let imported = two.import(two.layout().as_slice(), None).unwrap();
    assert_eq!(imported[0].digest, two.built.digest);
    assert_eq!(imported[0].references[0].canonical(), "docker.io/team/hello:dev");
    let found = two.to.find(&"team/hello:dev".parse().unwrap()).unwrap().unwrap();
    assert_eq!(found.entrypoint, ["/app/main"]);
    two.to.remove(&"team/hello:dev".parse().unwrap(), &BTreeSet::new()).unwrap();
    assert!(two.is_empty());
}

#[tokio::test]
async fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let two = two();
    let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let whole = two.saved().await;
    let cut = whole[..whole.len() / 2].to_vec();
    let mut unnamed = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("config.json", "{}"),
        ("manifest.json", r#"[{"Config":"config.json","RepoTags":null,"Layers":[]}]"#),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        unnamed.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    for (archive, says) in [
        (Vec::new(), "it is empty"),
        (b"not a tar archive at all".repeat(100), "no tar archive"),
        (empty, "neither index.json nor manifest.json"),
        (cut, "cannot be imported"),
        (unnamed.into_inner().unwrap(), "give a name with --image"),
    ] {
        let error = two.import(archive.as_slice(), None).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(two.is_empty(), "{says}");
    }
}
