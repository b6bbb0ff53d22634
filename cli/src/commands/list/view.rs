//! Services in rows, as names, or as documents.

use std::collections::BTreeSet;

use kube::api::{Api, ListParams};
use rouse_api::revision::SETTINGS_EFFECTIVE;
use rouse_api::{Condition, Revision, Service, condition};
use rouse_k8s::{ObjectKey, object};

use crate::args::Output;
use crate::commands::serving::{age_of, name_of, ready_text};
use crate::printer::{Columns, Documents, Printer};
use crate::target::Target;
use crate::wording::traffic_text;

/// Follows the readiness of a service whose newest revision has settings without effect.
const MARK: &str = "*";

/// Services as they come.
pub(super) struct View<'a> {
    namespaced: bool,
    revisions: Api<Revision>,
    /// The columns of the first services.
    columns: Option<Columns>,
    /// It was said what the mark means.
    is_explained: bool,
    documents: Documents,
    printer: &'a Printer,
}

impl<'a> View<'a> {
    pub(super) fn new(target: &Target, namespaced: bool, printer: &'a Printer) -> Self {
        let client = target.client.clone();
        let revisions =
            if namespaced { Api::all(client) } else { Api::namespaced(client, &target.namespace) };
        let documents = Documents::new(*printer);
        Self { namespaced, revisions, columns: None, is_explained: false, documents, printer }
    }

    pub(super) async fn print(&mut self, mut services: Vec<Service>) {
        match self.printer.output {
            Output::Json | Output::Yaml => {
                services.iter_mut().for_each(forget_managers);
                services.iter().for_each(|service| self.documents.print(service));
            }
            Output::Name => services.iter().for_each(|service| {
                self.printer.line(format!("service.serving.knative.dev/{}", name_of(service)));
            }),
            Output::Text | Output::Wide => self.print_rows(&services).await,
        }
    }

    async fn print_rows(&mut self, services: &[Service]) {
        let marked = without_effect(&self.revisions).await;
        let is_marked = |service: &Service| marked.contains(&newest(service));
        let wide = self.printer.output == Output::Wide;
        let row = |service| row(service, is_marked(service), self.namespaced, wide);
        let rows: Vec<_> = services.iter().map(row).collect();
        let columns = self.columns.get_or_insert_with(|| {
            let headings = headings(self.namespaced, wide);
            let columns = Columns::of(&headings, &rows);
            self.printer.line(columns.line(&headings));
            columns
        });
        rows.iter().for_each(|row| self.printer.line(columns.line(row)));
        if let Some(service) = services.iter().find(|service| is_marked(service))
            && !std::mem::replace(&mut self.is_explained, true)
        {
            self.printer.progress(format!(
                "{MARK} with settings that have no effect here: rouse describe {} -n {}",
                name_of(service),
                object::namespace(&service.metadata)
            ));
        }
    }
}

/// The revisions that have settings without effect; none for who may not read revisions.
async fn without_effect(revisions: &Api<Revision>) -> BTreeSet<ObjectKey> {
    let listed = revisions.list(&ListParams::default()).await;
    let all = listed.map(|list| list.items).unwrap_or_default();
    let has_some = |revision: &&Revision| {
        let conditions = revision.status.as_ref().map(|status| status.conditions.as_slice());
        let found = condition::find(conditions.unwrap_or_default(), SETTINGS_EFFECTIVE);
        found.is_some_and(Condition::is_false)
    };
    all.iter().filter(has_some).map(|revision| ObjectKey::of(&revision.metadata)).collect()
}

/// The newest revision of a service, which `describe` is about.
fn newest(service: &Service) -> ObjectKey {
    let status = service.status.as_ref();
    let name = status.and_then(|status| status.latest_created_revision_name.clone());
    ObjectKey::new(object::namespace(&service.metadata), name.unwrap_or_default())
}

fn headings(namespaced: bool, wide: bool) -> Vec<&'static str> {
    let mut headings = vec!["NAME", "URL", "LATEST", "READY", "AGE", "REASON"];
    if namespaced {
        headings.insert(0, "NAMESPACE");
    }
    if wide {
        headings.extend(["IMAGE", "TRAFFIC"]);
    }
    headings
}

fn row(service: &Service, is_marked: bool, namespaced: bool, wide: bool) -> Vec<String> {
    let status = service.status.clone().unwrap_or_default();
    let (ready, reason) = ready_text(&status.conditions);
    let mut row = vec![
        name_of(service).to_owned(),
        status.url.unwrap_or_default(),
        status
            .latest_ready_revision_name
            .or(status.latest_created_revision_name)
            .unwrap_or_default(),
        if is_marked { ready + MARK } else { ready },
        age_of(service),
        reason,
    ];
    if namespaced {
        row.insert(0, service.metadata.namespace.clone().unwrap_or_default());
    }
    if wide {
        let containers = service.spec.template.spec.pod.containers.iter();
        let images: Vec<_> = containers.filter_map(|c| c.image.clone()).collect();
        row.extend([images.join(","), traffic_text(&status.traffic)]);
    }
    row
}

/// Which client owns which field, few want to read.
pub(super) fn forget_managers(service: &mut Service) {
    service.metadata.managed_fields = None;
}
