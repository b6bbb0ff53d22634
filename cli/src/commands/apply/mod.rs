//! `rouse apply -f FILE`: makes objects what files say, by server-side apply; a line for each.

mod manifests;

use std::collections::BTreeMap;

use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::discovery::{ApiResource, Scope, pinned_kind};
use serde_json::{Value, json};

use crate::args::{Apply, Global, Output};
use crate::outcome::{Failure, Result, refused};
use crate::printer::Printer;
use crate::target::Target;

/// Owner of the fields that were applied.
const MANAGER: &str = "rouse-apply";

pub(crate) async fn run(args: Apply, global: &Global, printer: &Printer) -> Result {
    let objects = manifests::read(&args.filename, args.recursive)?;
    let target = Target::connect(global).await?;
    printer.progress(format!("context {}", target.context));
    let mut kinds = Kinds::default();
    let (mut applied, mut failed) = (Vec::new(), Vec::new());
    // One failure does not stop the rest, as for kubectl.
    for object in objects {
        match one(object, &target, &mut kinds, args.dry_run, global.namespace.as_deref()).await {
            Ok(result) => {
                if !printer.json() {
                    printer.line(result.line(printer.output, args.dry_run));
                }
                applied.push(result);
            }
            Err(failure) => failed.push(failure),
        }
    }
    if printer.json() {
        let all: Vec<_> = applied.iter().map(Applied::document).collect();
        printer.document(&all);
    }
    let Some(last) = failed.pop() else { return Ok(()) };
    for failure in failed {
        printer.progress(failure.to_string());
    }
    Err(last)
}

/// An object after it was applied.
struct Applied {
    /// `service.serving.knative.dev/NAME`
    shown: String,
    change: &'static str,
    object: DynamicObject,
}

impl Applied {
    fn line(&self, output: Output, dry_run: bool) -> String {
        match (output, dry_run) {
            (Output::Name, _) => self.shown.clone(),
            (_, false) => format!("{} {}", self.shown, self.change),
            (_, true) => format!("{} {} (dry run)", self.shown, self.change),
        }
    }

    fn document(&self) -> Value {
        json!({ "name": self.shown, "change": self.change, "object": self.object })
    }
}

/// The resources of kinds that were met.
#[derive(Default)]
struct Kinds(BTreeMap<(String, String), (ApiResource, Scope)>);

impl Kinds {
    async fn of(&mut self, object: &Value, target: &Target) -> Result<(ApiResource, Scope)> {
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let key = (version.clone(), kind.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let (group, of_group) = version.split_once('/').unwrap_or(("", &version));
        let wanted = GroupVersionKind::gvk(group, of_group, &kind);
        let unknown = || {
            if group == "serving.kserve.io" {
                return Failure::new(format!("this cluster has no kind {kind} of {version}"))
                    .because("KServe's controller, which makes Knative Services of it, is not here")
                    .next("rouse deploy NAME --image IMAGE, with the image of the model server");
            }
            Failure::new(format!("this cluster has no kind {kind} of {version}"))
                .because("its CustomResourceDefinition is not there, or the version is another")
                .next("rouse get crds, for those that are; apply the definition first")
        };
        let found = match pinned_kind(&target.client, &wanted).await {
            Ok((resource, capabilities)) => (resource, capabilities.scope),
            Err(kube::Error::Discovery(_)) => return Err(unknown()),
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(unknown()),
            Err(error) => return Err(refused(&error, &format!("look up the kind {kind}"))),
        };
        self.0.insert(key, found.clone());
        Ok(found)
    }
}

async fn one(
    mut object: Value,
    target: &Target,
    kinds: &mut Kinds,
    dry_run: bool,
    asked_namespace: Option<&str>,
) -> Result<Applied> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let (resource, scope) = kinds.of(&object, target).await?;
    let group =
        if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    let shown = format!("{}{group}/{name}", resource.kind.to_ascii_lowercase());
    let own = object["metadata"]["namespace"].as_str().filter(|own| !own.is_empty());
    if let (Some(own), Some(asked), Scope::Namespaced) = (own, asked_namespace, &scope)
        && own != asked
    {
        return Err(Failure::usage(format!(
            "{shown} is of namespace {own:?}, and -n says {asked:?}"
        ))
        .next("leave out -n, or the namespace in the file"));
    }
    let namespace = own.unwrap_or(&target.namespace).to_owned();
    let client = target.client.clone();
    let api: Api<DynamicObject> = match scope {
        Scope::Namespaced => {
            object["metadata"]["namespace"] = namespace.as_str().into();
            Api::namespaced_with(client, &namespace, &resource)
        }
        Scope::Cluster => Api::all_with(client, &resource),
    };
    // A server that sees them refuses: what it manages is no wish.
    for managed in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
        object["metadata"].as_object_mut().map(|metadata| metadata.remove(managed));
    }
    object.as_object_mut().map(|fields| fields.remove("status"));
    let before = api.get_opt(&name).await;
    let before = before.map_err(|error| refused(&error, &format!("read {shown}")))?;
    let mut params = PatchParams::apply(MANAGER).force();
    params.dry_run = dry_run;
    let sent = api.patch(&name, &params, &Patch::Apply(&object)).await;
    let after = sent.map_err(|error| not_applied(&error, &shown, &namespace))?;
    Ok(Applied { shown, change: change(before.as_ref(), &after), object: after })
}

fn not_applied(error: &kube::Error, shown: &str, namespace: &str) -> Failure {
    let failure = refused(error, &format!("apply {shown}"));
    match error {
        kube::Error::Api(status)
            if status.message.starts_with("namespaces ") && status.code == 404 =>
        {
            failure
                .next(format!("kubectl create namespace {namespace}, or a Namespace in the file"))
        }
        _ => failure,
    }
}

/// What an apply did, by the object before and after. A dry run leaves the version as it is.
fn change(before: Option<&DynamicObject>, after: &DynamicObject) -> &'static str {
    let Some(before) = before else { return "created" };
    let same_version = before.metadata.resource_version == after.metadata.resource_version;
    let same_text = |a: &DynamicObject, b: &DynamicObject| {
        (&a.data, &a.metadata.labels, &a.metadata.annotations)
            == (&b.data, &b.metadata.labels, &b.metadata.annotations)
    };
    if same_version && same_text(before, after) { "unchanged" } else { "configured" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_version_and_content() {
        let object = |version: &str, replicas: u32| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "v1", "kind": "A", "spec": { "replicas": replicas },
                "metadata": { "name": "a", "resourceVersion": version }
            }))
            .unwrap()
        };
        let after = object("2", 1);
        assert_eq!(change(None, &after), "created");
        assert_eq!(change(Some(&object("2", 1)), &after), "unchanged");
        assert_eq!(change(Some(&object("1", 1)), &after), "configured");
        // As a dry run answers.
        assert_eq!(change(Some(&object("2", 3)), &after), "configured");
    }
}
