//! `rouse token NAME`: an identity token of a service account, for a service that asks its callers who they are.

use super::serving::service;
use crate::args::{Global, Token};
use crate::identity::Identity;
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

/// The shortest time that Kubernetes makes tokens for.
const SECONDS_MIN: i64 = 600;

pub(crate) async fn run(args: &Token, global: &Global, printer: &Printer) -> Result {
    if args.duration < SECONDS_MIN {
        return Err(
            Failure::usage("a token is valid for 10 minutes at least").next("--duration 10m")
        );
    }
    let target = Target::connect(global).await?;
    let account = args.service_account.as_deref();
    let mut identity = match &args.name {
        Some(name) => Identity::for_service(&service(&target, name).await?, account),
        None => Identity {
            account: account.unwrap_or("default").to_owned(),
            namespace: target.namespace.clone(),
            audience: String::new(),
        },
    };
    if let Some(audience) = &args.audience {
        identity.audience.clone_from(audience);
    }
    let token = identity.token(&target, args.duration).await?;
    if printer.json() {
        printer.document(&serde_json::json!({
            "token": token, "audience": identity.audience, "seconds": args.duration,
            "serviceAccount": identity.account, "namespace": identity.namespace,
        }));
    } else {
        printer.line(token);
    }
    Ok(())
}
