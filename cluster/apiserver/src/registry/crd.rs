//! CustomResourceDefinitions: established and served by the write that stores them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::actor::Options;
use super::delete_options::DeleteOptions;
use super::served::Served;
use super::{Registry, meta};
use crate::kinds::Resource;
use crate::status::Failure;

/// The finalizer that holds a CRD until its last object is gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Reason and message of the condition of a CRD that is being deleted.
const TERMINATING: (&str, &str) =
    ("InstanceDeletionInProgress", "CustomResource deletion is in progress");

impl Registry {
    /// Checks a CRD and sets its status: names accepted, established, versions stored.
    pub(in crate::registry) fn establish(
        &self,
        crd: &mut Value,
        old: Option<&Value>,
    ) -> Result<Served, Failure> {
        let kind = self.builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut resources = Vec::new();
        let versions = crd["spec"]["versions"].as_array().cloned().unwrap_or_default();
        for version in &versions {
            let version_name = version["name"].as_str().unwrap_or_default();
            let resource = Resource::from_crd(crd, version_name)
                .map_err(|p| Failure::invalid(&kind, &name, &p))?;
            if version["served"] == true {
                resources.push(resource);
            }
        }
        let served = Served {
            group: crd["spec"]["group"].as_str().unwrap_or_default().to_owned(),
            plural: crd["spec"]["names"]["plural"].as_str().unwrap_or_default().to_owned(),
            resources,
        };
        let conflict = self.name_conflict(&served);
        self.set_status(crd, old, conflict.as_deref());
        Ok(if conflict.is_some() { Served { resources: Vec::new(), ..served } } else { served })
    }

    /// Another resource of the group with the same kind.
    fn name_conflict(&self, served: &Served) -> Option<String> {
        let first = served.resources.first()?;
        let other =
            self.kinds.all().into_iter().find(|r| {
                r.group == first.group && r.kind == first.kind && r.plural != first.plural
            })?;
        Some(format!("\"{}\" is already in use by {}", first.kind, other.plural))
    }

    fn set_status(&self, crd: &mut Value, old: Option<&Value>, conflict: Option<&str>) {
        let now = meta::time(self.clock.now());
        let since = |type_: &str, status: &str| {
            let before = old.and_then(|o| o["status"]["conditions"].as_array());
            let same =
                before.and_then(|c| c.iter().find(|c| c["type"] == type_ && c["status"] == status));
            same.map_or_else(|| json!(now), |c| c["lastTransitionTime"].clone())
        };
        let condition = |type_: &str, ok: bool, reason: &str, message: &str| {
            let status = if ok { "True" } else { "False" };
            json!({ "type": type_, "status": status, "reason": reason, "message": message,
                    "lastTransitionTime": since(type_, status) })
        };
        let mut conditions = match conflict {
            None => vec![
                condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
                condition(
                    "Established",
                    true,
                    "InitialNamesAccepted",
                    "the initial names have been accepted",
                ),
            ],
            Some(why) => vec![
                condition("NamesAccepted", false, "KindConflict", why),
                condition("Established", false, "NotAccepted", "not all names are accepted"),
            ],
        };
        if !crd["metadata"]["deletionTimestamp"].is_null() {
            conditions.push(condition("Terminating", true, TERMINATING.0, TERMINATING.1));
        }
        let mut stored =
            old.map(|o| meta::texts(&o["status"]["storedVersions"])).unwrap_or_default();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            let name = version["name"].as_str().unwrap_or_default();
            if version["storage"] == true && !stored.iter().any(|s| s == name) {
                stored.push(name.to_owned());
            }
        }
        crd["status"] = json!({
            "conditions": conditions, "acceptedNames": crd["spec"]["names"].clone(), "storedVersions": stored
        });
    }

    /// Serves exactly these versions from now on.
    pub(in crate::registry) fn serve_crd(&self, served: Served) {
        let Served { group, plural, resources } = served;
        for old in self.kinds.all() {
            let ours = old.custom && old.group == group && old.plural == plural;
            if ours && !resources.iter().any(|r| r.version == old.version) {
                self.kinds.remove(&group, &old.version, &plural);
            }
        }
        for resource in resources {
            if resource.is_storage() {
                self.store.select_by(&resource.qualified(), &resource.selectable_fields);
            }
            self.kinds.insert(resource);
        }
    }

    /// Serves the CRDs that the store holds.
    pub(crate) fn serve_stored_crds(&self) {
        for object in
            self.store.list("customresourcedefinitions.apiextensions.k8s.io", None).objects
        {
            let mut crd = object.value();
            match self.establish(&mut crd, Some(&object.value())) {
                Ok(served) => self.serve_crd(served),
                Err(failure) => {
                    tracing::error!(name = object.key.name, %failure, "a stored CRD is not served");
                }
            }
        }
    }

    /// Deletes a CRD's objects; while some are left, the CRD waits for them.
    pub(in crate::registry) fn clean_up_crd(&self, crd: &mut Value) {
        let group = crd["spec"]["group"].as_str().unwrap_or_default();
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap_or_default();
        let qualified = format!("{plural}.{group}");
        let resource =
            self.kinds.all().into_iter().find(|r| r.custom && r.qualified() == qualified);
        if let Some(resource) = resource {
            for object in self.store.list(&qualified, None).objects {
                let (namespace, name) = (&object.key.namespace, &object.key.name);
                let deleted = self.delete(
                    &resource,
                    namespace,
                    name,
                    &DeleteOptions::default(),
                    &Options::internal(),
                );
                if let Err(failure) = deleted.map(|_| ()) {
                    tracing::debug!(%failure, name, "cannot delete an object of a deleted CRD");
                }
            }
        }
        let mut finalizers = meta::texts(&crd["metadata"]["finalizers"]);
        let waits = self.store.count(&qualified) > 0;
        finalizers.retain(|f| f != CLEANUP);
        if waits {
            finalizers.push(CLEANUP.to_owned());
        }
        crd["metadata"]["finalizers"] = json!(finalizers);
        self.set_terminating(crd);
    }

    fn set_terminating(&self, crd: &mut Value) {
        if crd["status"]["conditions"].is_null() {
            crd["status"]["conditions"] = json!([]);
        }
        let Some(conditions) = crd["status"]["conditions"].as_array_mut() else { return };
        if conditions.iter().all(|c| c["type"] != "Terminating") {
            conditions
                .push(json!({ "type": "Terminating", "status": "True", "reason": TERMINATING.0,
                "message": TERMINATING.1, "lastTransitionTime": meta::time(self.clock.now()) }));
        }
    }

    /// Refuses a creation while the kind's CRD is being deleted.
    pub(in crate::registry) fn check_crd_stays(&self, resource: &Resource) -> Result<(), Failure> {
        let kind = self.builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let Ok(crd) = self.get(&kind, "", &resource.qualified()) else {
            return Err(Failure::unknown_resource());
        };
        if crd.deletion_timestamp.is_some() {
            return Err(Failure::definition_terminating(resource));
        }
        Ok(())
    }

    /// Removes a CRD that is being deleted once its last object is gone.
    pub fn crd_may_go(&self, resource: &Arc<Resource>) {
        if self.store.count(&resource.qualified()) > 0 {
            return;
        }
        let kind = self.builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let Ok(crd) = self.get(&kind, "", &resource.qualified()) else { return };
        if crd.deletion_timestamp.is_some() && crd.finalizers.iter().any(|f| f == CLEANUP) {
            let again = self.delete(
                &kind,
                "",
                &crd.key.name,
                &DeleteOptions::default(),
                &Options::internal(),
            );
            if let Err(failure) = again.map(|_| ()) {
                tracing::debug!(%failure, "cannot remove a CRD without objects");
            }
        }
    }

    pub(in crate::registry) fn forget_crd(&self, crd: &Value) {
        let group = crd["spec"]["group"].as_str().unwrap_or_default();
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap_or_default();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            self.kinds.remove(group, version["name"].as_str().unwrap_or_default(), plural);
        }
    }
}
