//! `rouse deploy NAME`: creates a service, or changes only what the flags name.

mod plan;

use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use rouse_api::Service;
use serde_json::Value;

use super::serving::{name_of, ready_text, traffic_text, unavailable};
use super::{describe, wait};
use crate::args::{Deploy, Global};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: Deploy, global: &Global, printer: &Printer) -> Result {
    let started = Instant::now();
    let target = Target::connect(global).await?;
    printer.progress(format!("context {}, namespace {}", target.context, target.namespace));
    let api = services(&target);
    let existing = api
        .get_opt(&args.name)
        .await
        .map_err(|e| unavailable(&e, &format!("read service {:?}", args.name)))?;
    if existing.is_none() && args.image.is_none() && args.source.is_none() {
        return Err(Failure::usage(format!(
            "service {:?} does not exist yet: it needs an image",
            args.name
        ))
        .next(format!("rouse deploy {} --image IMAGE, or --source DIR", args.name)));
    }
    let image = match &args.source {
        Some(source) => Some(super::build::for_deploy(source, &args.name, &target, printer).await?),
        None => args.image.clone(),
    };
    let created = existing.is_none();
    let wanted = plan::service(existing.as_ref(), &args, image.as_deref(), jiff::Timestamp::now())?;
    if args.dry_run {
        return print_plan(&wanted, printer);
    }
    let sent = send(&api, wanted, created, &args.name).await?;
    printer.progress(format!(
        "service {} {}",
        args.name,
        if created { "created" } else { "changed" }
    ));
    if args.no_wait {
        return print_result(&sent_typed(&sent)?, started, printer);
    }
    let limit = Duration::from_secs(args.wait_timeout);
    let service = wait::until_ready(&target, &args.name, limit, printer).await?;
    print_result(&service, started, printer)
}

/// Services as they are: what this version does not know of them must survive a change.
fn services(target: &Target) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<Service>(&());
    Api::namespaced_with(target.client.clone(), &target.namespace, &kind)
}

async fn send(
    api: &Api<DynamicObject>,
    wanted: Value,
    created: bool,
    name: &str,
) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(wanted)
        .or_fail(|| "the service cannot be written as an object".to_owned())?;
    let params = PostParams::default();
    let sent = if created {
        api.create(&params, &object).await
    } else {
        api.replace(name, &params, &object).await
    };
    sent.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 409 && !created => {
            Failure::new(format!("service {name:?} was changed by somebody else meanwhile"))
                .next("run the command again")
        }
        error => unavailable(
            &error,
            &format!("{} service {name:?}", if created { "create" } else { "change" }),
        ),
    })
}

fn sent_typed(object: &DynamicObject) -> Result<Service> {
    let value = serde_json::to_value(object).or_fail(|| "cannot read the answer".to_owned())?;
    serde_json::from_value(value).or_fail(|| "cannot read the answer".to_owned())
}

fn print_plan(wanted: &Value, printer: &Printer) -> Result {
    if printer.json() {
        printer.document(wanted);
    } else {
        let text = serde_yaml::to_string(wanted)
            .or_fail(|| "cannot write the service as YAML".to_owned())?;
        printer.line(text.trim_end());
    }
    Ok(())
}

fn print_result(service: &Service, started: Instant, printer: &Printer) -> Result {
    if printer.json() {
        printer.document(service);
        return Ok(());
    }
    let status = service.status.clone().unwrap_or_default();
    let (ready, _) = ready_text(&status.conditions);
    if ready == "True" {
        printer.progress(format!(
            "{} is ready after {:.1} s",
            name_of(service),
            started.elapsed().as_secs_f64()
        ));
    }
    if !status.traffic.is_empty() {
        printer.progress(format!("traffic: {}", traffic_text(&status.traffic)));
    }
    if let Some(url) = &status.url {
        describe::print_urls(url, printer);
    }
    Ok(())
}
