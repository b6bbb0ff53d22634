//! Readers of a Revision.

use kube::ResourceExt;
use rouse_api::revision::RevisionSpec;
use rouse_api::{Configuration, Revision, keys};

use super::meta::controls;

/// The generation that a Revision was stamped for.
pub(crate) fn generation(revision: &Revision) -> i64 {
    revision
        .labels()
        .get(keys::CONFIGURATION_GENERATION)
        .and_then(|generation| generation.parse().ok())
        .unwrap_or_default()
}

/// Whether a Revision is what `configuration` stamps from its present template. Another Revision with
/// that name makes the name taken.
///
/// A Revision of the present generation always is, whatever admission has since changed in either object. One of
/// an earlier generation is if its spec is the same, as after a rollback by name.
pub(crate) fn is_stamp(configuration: &Configuration, revision: &Revision) -> bool {
    controls(configuration, revision)
        && (configuration.metadata.generation == Some(generation(revision))
            || equals_template(&revision.spec, &configuration.spec.template.spec))
}

/// Whether `revision` equals `template`, which may lack a field that is defaulted only at creation.
fn equals_template(revision: &RevisionSpec, template: &RevisionSpec) -> bool {
    let mut revision = revision.clone();
    if template.pod.enable_service_links.is_none() {
        revision.pod.enable_service_links = None;
    }
    revision == *template
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn configuration(generation: i64, spec: Value) -> Configuration {
        serde_json::from_value(json!({
            "metadata": { "name": "digits", "namespace": "shop", "uid": "c-1", "generation": generation },
            "spec": { "template": { "spec": spec } },
        }))
        .unwrap()
    }

    fn revision(generation: &str, owner: &str, spec: Value) -> Revision {
        serde_json::from_value(json!({
            "metadata": {
                "name": "digits-00001", "namespace": "shop",
                "labels": { keys::CONFIGURATION_GENERATION: generation },
                "ownerReferences": [{
                    "apiVersion": "serving.knative.dev/v1", "kind": "Configuration", "name": "digits",
                    "uid": owner, "controller": true,
                }],
            },
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_stamp_is_recognized_by_its_generation_or_its_spec() {
        let plain = || json!({ "containers": [{ "image": "a" }] });
        let linked =
            |links: bool| json!({ "containers": [{ "image": "a" }], "enableServiceLinks": links });
        let other = || json!({ "containers": [{ "image": "b" }] });
        for (generation, owner, of_revision, of_template, is) in [
            ("2", "c-1", linked(false), plain(), true),
            ("2", "c-1", other(), plain(), true),
            ("1", "c-1", plain(), plain(), true),
            ("1", "c-1", linked(false), plain(), true),
            ("1", "c-1", linked(false), linked(true), false),
            ("1", "c-1", plain(), linked(false), false),
            ("1", "c-1", other(), plain(), false),
            ("2", "c-2", plain(), plain(), false),
        ] {
            let found = revision(generation, owner, of_revision.clone());
            let told = is_stamp(&configuration(2, of_template.clone()), &found);
            assert_eq!(told, is, "{generation} {owner} {of_revision} {of_template}");
        }
    }
}
