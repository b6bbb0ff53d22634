//! Objects as they change: a list, then a watch that begins again where it broke off.

use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use kube::core::Status;
use rouse_k8s::ObjectKey;
use serde_json::Value;

use super::objects::{Form, Objects};
use crate::commands::watching::{FAILURES_MAX, Shown, is_refusal};
use crate::outcome::Result;

/// The pause before a watch that ended begins again.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows the objects as they are and then each that changes, until the user ends it. An object is shown whole, or as a
/// table; a table of a list has several.
pub(super) async fn run(objects: &Objects<'_>, show: impl FnMut(&Value)) -> Result {
    let mut watch =
        Watch { objects, show, shown: Shown::default(), version: String::new(), failures: 0 };
    watch.list().await.map_err(|error| objects.failure(&error))?;
    let mut is_expired = false;
    loop {
        let ended = if is_expired { watch.list().await } else { watch.follow().await };
        is_expired = matches!(&ended, Err(kube::Error::Api(status)) if status.code == 410);
        if let Err(error) = ended
            && !is_expired
        {
            watch.failures += 1;
            if is_refusal(&error) || watch.failures == FAILURES_MAX {
                return Err(objects.failure(&error));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Watch<'a, F> {
    objects: &'a Objects<'a>,
    show: F,
    shown: Shown,
    /// Up to which the objects are known.
    version: String,
    /// In a row.
    failures: u32,
}

impl<F: FnMut(&Value)> Watch<'_, F> {
    /// Lists, and shows what was not shown yet.
    async fn list(&mut self) -> kube::Result<()> {
        let mut list = self.objects.list().await?;
        version_of(&list).unwrap_or_default().clone_into(&mut self.version);
        if self.objects.form == Form::Table {
            if let Some(rows) = list["rows"].as_array_mut() {
                rows.retain(|row| is_new(&mut self.shown, &row["object"]));
            }
            (self.show)(&list);
            return Ok(());
        }
        let (version, kind) = (list["apiVersion"].take(), list["kind"].take());
        let kind = kind.as_str().and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
        for item in list["items"].as_array_mut().into_iter().flatten() {
            if !is_new(&mut self.shown, item) {
                continue;
            }
            // Objects of a list need not say what they are.
            if item["kind"].is_null() {
                (item["apiVersion"], item["kind"]) = (version.clone(), kind.into());
            }
            (self.show)(item);
        }
        Ok(())
    }

    /// Shows what changes, until the server ends the watch.
    async fn follow(&mut self) -> kube::Result<()> {
        let mut events = pin!(self.objects.events(&self.version).await?);
        while let Some(event) = events.try_next().await.map_err(kube::Error::ReadEvents)? {
            if event.type_ == "ERROR" {
                let status: Status = serde_json::from_value(event.object).unwrap_or_default();
                return Err(kube::Error::Api(status.boxed()));
            }
            self.failures = 0;
            if let Some(version) = version_of(&event.object) {
                version.clone_into(&mut self.version);
            }
            if event.type_ == "BOOKMARK" {
                continue;
            }
            let object = match self.objects.form {
                Form::Whole => &event.object,
                Form::Table => &event.object["rows"][0]["object"],
            };
            if event.type_ == "DELETED" {
                self.shown.forget(&key(object));
            } else if !is_new(&mut self.shown, object) {
                continue;
            }
            (self.show)(&event.object);
        }
        Ok(())
    }
}

fn is_new(shown: &mut Shown, object: &Value) -> bool {
    shown.is_new(key(object), version_of(object).unwrap_or_default())
}

fn key(object: &Value) -> ObjectKey {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    ObjectKey::new(text("namespace"), text("name"))
}

/// The version of an object, of a list, or of a table with one object.
fn version_of(value: &Value) -> Option<&str> {
    let places = ["/metadata/resourceVersion", "/rows/0/object/metadata/resourceVersion"];
    places.iter().find_map(|at| value.pointer(at)?.as_str().filter(|v| !v.is_empty()))
}

#[cfg(test)]
mod tests;
