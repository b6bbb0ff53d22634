//! Where images are asked for, by configuration.

use super::*;
use crate::formats::digest::Digest;

/// The places of an image: `HOST/REPOSITORY`, with how it is trusted.
fn places(registries: &Registries, image: &str) -> Vec<String> {
    let endpoints = registries.endpoints(&image.parse().unwrap());
    let told = |e: &Endpoint| format!("{}/{} {:?}", e.host(), e.repository, e.trust);
    endpoints.iter().map(told).collect()
}

#[test]
fn a_registry_without_a_rule_is_asked_itself() {
    let mut none = Registries::default();
    for (image, place) in [
        ("nginx", "index.docker.io/library/nginx Verified"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b Verified"),
        ("localhost:5000/a", "localhost:5000/a Local"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a Local"),
        ("localhost.example.com/a", "localhost.example.com/a Verified"),
    ] {
        assert_eq!(places(&none, image), [place]);
    }
    none.allow_insecure("registry.lan:5000").unwrap();
    assert_eq!(places(&none, "registry.lan:5000/a"), ["registry.lan:5000/a Insecure"]);
    assert_eq!(places(&none, "registry.lan/a"), ["registry.lan/a Verified"]);
    for wrong in ["", "http://registry.lan", "registry.lan/team"] {
        assert!(none.allow_insecure(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn mirrors_come_first_and_the_longest_prefix_decides() {
    let registries = Registries::parse(
        r#"
        unqualified-search-registries = ["docker.io"]
        [[registry]]
        location = "docker.io"
        [[registry.mirror]]
        location = "mirror.lan:5000"
        insecure = true
        [[registry.mirror]]
        location = "second.lan/hub"
        pull-from-mirror = "digest-only"

        [[registry]]
        prefix = "docker.io/team"
        location = "registry.lan/moved"

        [[registry]]
        prefix = "*.example.com"
        blocked = true

        [[registry]]
        prefix = "*.mirrored.example"
        location = "registry.lan/all"

        [[registry]]
        prefix = "*.mirrored.example:5000"
        location = "registry.lan/ported"

        [[registry]]
        prefix = "*.mirrored.example/team"
        location = "registry.lan/team"

        [[registry]]
        prefix = "lan.example.com/open"
        insecure = true
        "#,
    )
    .unwrap();
    assert_eq!(registries.unused(), ["unqualified-search-registries"]);
    let by_digest = format!("nginx@{}", Digest::of(b"x"));
    let cases: [(&str, &[&str]); 13] = [
        (
            "nginx:1",
            &["mirror.lan:5000/library/nginx Insecure", "index.docker.io/library/nginx Verified"],
        ),
        (
            &by_digest,
            &[
                "mirror.lan:5000/library/nginx Insecure",
                "second.lan/hub/library/nginx Verified",
                "index.docker.io/library/nginx Verified",
            ],
        ),
        ("team/app", &["registry.lan/moved/app Verified"]),
        (
            "teams/app",
            &["mirror.lan:5000/teams/app Insecure", "index.docker.io/teams/app Verified"],
        ),
        ("a.example.com/app", &[]),
        ("a.b.example.com/app", &[]),
        ("a.example.com:5000/app", &[]),
        ("example.com/app", &["example.com/app Verified"]),
        ("notexample.com/app", &["notexample.com/app Verified"]),
        ("a.mirrored.example/app", &["registry.lan/all/app Verified"]),
        ("a.mirrored.example:5000/app", &["registry.lan/ported/app Verified"]),
        ("a.mirrored.example/team/app", &["registry.lan/team/app Verified"]),
        ("lan.example.com/open/app", &["lan.example.com/open/app Insecure"]),
    ];
    for (image, expected) in cases {
        assert_eq!(places(&registries, image), expected, "{image}");
    }
}

#[test]
fn a_file_of_another_form_is_refused() {
    for (text, says) in [
        ("[registries.insecure]\nregistries = []", "version 1"),
        ("[[registry]]\ninsecure = true", "neither prefix nor location"),
        ("[[registry]]\nlocation = \"https://a\"", "without http"),
        ("[[registry]]\nlocation = \"a\"\nsecure = false", "secure"),
        ("[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"\"", "no location"),
        ("[[registry]]\nprefix = \"a.*.example\"", "only at the beginning"),
        ("[[registry]]\nlocation = \"*.example\"", "only at the beginning"),
        ("[[registry", "registry"),
    ] {
        let error = Registries::parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn certificates_lie_beside_the_file_in_a_folder_of_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registries.conf");
    std::fs::write(&file, "[[registry]]\nlocation = \"registry.lan:5000\"\n").unwrap();
    let folder = dir.path().join("certs.d/registry.lan:5000");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.crt"), "").unwrap();
    std::fs::write(folder.join("client.key"), "").unwrap();
    let registries = Registries::read(&file).unwrap();
    let endpoints = registries.endpoints(&"registry.lan:5000/a".parse().unwrap());
    assert_eq!(endpoints[0].authorities(), [folder.join("ca.crt")]);
    let error = Registries::read(&dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}
