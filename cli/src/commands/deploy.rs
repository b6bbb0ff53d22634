//! `rouse deploy NAME`: creates a service, or changes only what the flags name.

mod plan;

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, PostParams};
use rouse_api::Service;
use serde_json::Value;

use super::serving::{CONFLICTS_MAX, contended, name_of, ready_text, unavailable};
use super::{describe, invokers, serving, wait};
use crate::args::{Deploy, Global};
use crate::outcome::{Context, Failure, Result, refused};
use crate::printer::{Printer, yaml};
use crate::target::Target;
use crate::wording::traffic_text;

pub(crate) async fn run(args: Deploy, global: &Global, printer: &Printer) -> Result {
    let started = Instant::now();
    let target = Target::connect(global).await?;
    printer.progress(format!("context {}, namespace {}", target.context, target.namespace));
    let api = services(&target);
    let existing = api
        .get_opt(&args.name)
        .await
        .map_err(|e| unavailable(&e, &format!("read service {:?}", args.name)))?;
    if existing.is_none() && args.program.image.is_none() && args.program.source.is_none() {
        return Err(Failure::usage(format!(
            "service {:?} does not exist yet: it needs an image",
            args.name
        ))
        .next(format!("rouse deploy {} --image IMAGE, or --source DIR", args.name)));
    }
    if args.release.create_namespace {
        if args.release.dry_run {
            // The cluster cannot check a service for a namespace that is not there.
            return Err(Failure::usage("--dry-run makes no namespace"));
        }
        make_namespace(&target, printer).await?;
    }
    let image = match &args.program.source {
        // A dry run builds nothing: the name stands for the image that would be built.
        Some(_) if args.release.dry_run => Some(super::build::image_for(&args.name)),
        Some(source) => {
            let (name, function) = (args.name.as_str(), args.program.function.as_deref());
            Some(super::build::for_deploy(source, name, function, &target, printer).await?)
        }
        None => args.program.image.clone(),
    };
    let created = existing.is_none();
    let Sent { planned, stored, changed } =
        plan_and_send(&api, existing, &args, image.as_deref()).await?;
    if args.release.dry_run {
        print_plan(&planned, printer);
        return Ok(());
    }
    let what = match (created, changed) {
        (true, _) => "created",
        (false, true) => "changed",
        (false, false) => "unchanged",
    };
    printer.progress(format!("service {} {what}", args.name));
    if args.release.no_wait {
        return print_result(&sent_typed(&stored)?, started, printer);
    }
    let limit = Duration::from_secs(args.release.wait_timeout);
    let mut service = wait::until_ready(&target, &args.name, limit, printer).await?;
    let marks = &args.marks;
    let callers = marks.allow_unauthenticated || marks.no_allow_unauthenticated;
    if callers || marks.ingress.is_some() {
        invokers::served::until(&target, &service, limit).await?;
    }
    if let Some(tag) = &args.release.tag
        && keep_tag(&api, &args.name, tag).await?
    {
        service = wait::until_ready(&target, &args.name, limit, printer).await?;
    }
    print_result(&service, started, printer)
}

/// Moves a tag from the latest revision to that revision's name, so that it stays there when a newer one is ready.
/// False if it is there already.
async fn keep_tag(api: &Api<DynamicObject>, name: &str, tag: &str) -> Result<bool> {
    for _ in 0..CONFLICTS_MAX {
        let service = api.get(name).await;
        let service = service.map_err(|e| unavailable(&e, &format!("read service {name:?}")))?;
        let Some(tagged) = plan::tag_by_name(&service, tag) else { return Ok(false) };
        match api.replace(name, &serving::writes(), &tagged).await {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(unavailable(&error, &format!("change service {name:?}"))),
        }
    }
    Err(contended(name))
}

/// Untyped services, so that fields unknown to this version survive a change.
fn services(target: &Target) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<Service>(&());
    Api::namespaced_with(target.client.clone(), &target.namespace, &kind)
}

async fn make_namespace(target: &Target, printer: &Printer) -> Result {
    let name = target.namespace.as_str();
    let api: Api<Namespace> = Api::all(target.client.clone());
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    match api.create(&serving::writes(), &namespace).await {
        Ok(_) => printer.progress(format!("namespace {name} created")),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
        Err(error) => return Err(refused(&error, &format!("make namespace {name:?}"))),
    }
    Ok(())
}

struct Sent {
    planned: Value,
    stored: DynamicObject,
    /// It was sent; a plan that changes nothing is not.
    changed: bool,
}

/// Plans and sends; after a conflict, again from the service as it now is.
async fn plan_and_send(
    api: &Api<DynamicObject>,
    mut existing: Option<DynamicObject>,
    args: &Deploy,
    image: Option<&str>,
) -> Result<Sent> {
    for _ in 0..CONFLICTS_MAX {
        let created = existing.is_none();
        let planned = plan::service(existing.as_ref(), args, image, jiff::Timestamp::now())?;
        if let Some(stored) = existing.take_if(|now| plan::is_unchanged(now, &planned)) {
            return Ok(Sent { planned, stored, changed: false });
        }
        if let Some(stored) = send(api, planned.clone(), created, args).await? {
            return Ok(Sent { planned, stored, changed: true });
        }
        existing = api
            .get_opt(&args.name)
            .await
            .map_err(|e| unavailable(&e, &format!("read service {:?}", args.name)))?;
    }
    Err(contended(&args.name))
}

/// The object as stored by the cluster; `None` after a conflict.
async fn send(
    api: &Api<DynamicObject>,
    wanted: Value,
    created: bool,
    args: &Deploy,
) -> Result<Option<DynamicObject>> {
    let name = args.name.as_str();
    let object: DynamicObject = serde_json::from_value(wanted)
        .or_fail(|| "the service cannot be written as an object".to_owned())?;
    let params = PostParams { dry_run: args.release.dry_run, ..serving::writes() };
    let sent = if created {
        api.create(&params, &object).await
    } else {
        api.replace(name, &params, &object).await
    };
    match sent {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => {
            let doing = if created { "create" } else { "change" };
            Err(unavailable(&error, &format!("{doing} service {name:?}")))
        }
    }
}

fn sent_typed(object: &DynamicObject) -> Result<Service> {
    let value = serde_json::to_value(object).or_fail(|| "cannot read the answer".to_owned())?;
    serde_json::from_value(value).or_fail(|| "cannot read the answer".to_owned())
}

fn print_plan(wanted: &Value, printer: &Printer) {
    if printer.json() {
        printer.document(wanted);
    } else {
        printer.line(yaml(wanted));
    }
}

/// The newest revision, if requests go to others only.
fn unserved(service: &Service) -> Option<&str> {
    let status = service.status.as_ref()?;
    let newest = status.latest_created_revision_name.as_deref()?;
    let served = status
        .traffic
        .iter()
        .any(|t| t.percent.unwrap_or(0) > 0 && t.revision_name.as_deref() == Some(newest));
    (!served && !status.traffic.is_empty()).then_some(newest)
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
    if let Some(newest) = unserved(service) {
        let name = name_of(service);
        printer.progress(format!(
            "note: {newest} gets no requests; rouse traffic {name} @latest=100 sends it all of them"
        ));
    }
    if let Some(url) = &status.url {
        describe::print_urls(url, printer);
    }
    Ok(())
}
