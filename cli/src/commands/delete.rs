//! `rouse delete NAME…`: the service, and with it its revisions, routes and pods.

use kube::api::{Api, DeleteParams};
use rouse_api::Service;

use super::serving::{missing, unavailable};
use crate::args::{Delete, Global};
use crate::outcome::Result;
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: Delete, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    printer.progress(format!("context {}, namespace {}", target.context, target.namespace));
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    let (mut deleted, mut failed) = (Vec::new(), None);
    for name in args.names {
        match api.delete(&name, &DeleteParams::background()).await {
            Ok(_) => deleted.push(name),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                failed.get_or_insert_with(|| missing(&target, &name));
            }
            Err(error) => {
                failed.get_or_insert_with(|| {
                    unavailable(&error, &format!("delete service {name:?}"))
                });
            }
        }
    }
    if printer.json() {
        printer.document(&serde_json::json!({ "deleted": deleted }));
    } else {
        for name in deleted {
            printer.line(format!("service {name} deleted"));
        }
    }
    // One failure does not stop the rest; the first one is the outcome.
    failed.map_or(Ok(()), Err)
}
