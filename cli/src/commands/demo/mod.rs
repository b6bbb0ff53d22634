//! `rouse demo`: a tour, done with the commands that it shows.
//!
//! | file | what |
//! |---|---|
//! | `stage` | the platform, the namespace, and running a shown command |
//! | `made` | the record of what the demo made |
//! | `models` | training, packing and querying the models |
//! | `split` | 1,000 requests, counted by revision |
//! | `sleep` | scale to zero, and waking up |
//! | `stop` | removal of what the demo made |

mod made;
mod models;
mod sleep;
mod split;
mod stage;
mod stop;

use std::time::Instant;

use kube::api::Api;
use kube::runtime::wait::await_condition;
use rouse_api::Service;

use self::models::Models;
pub(crate) use self::stage::Runner;
use self::stage::{NAMESPACE, SERVICE, Stage};
use crate::args::{Demo, Global};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

pub(crate) async fn run(args: &Demo, global: &Global, printer: &Printer, runner: Runner) -> Result {
    if printer.json() {
        return Err(Failure::usage("the demo is for people: it has no JSON form"));
    }
    if global.namespace.as_deref().is_some_and(|name| name != NAMESPACE) {
        return Err(Failure::usage(format!("the demo always uses namespace {NAMESPACE}")));
    }
    if global.kubeconfig.is_some() || global.context.is_some() {
        return Err(Failure::usage("the demo runs on a platform of this machine only")
            .next("rouse demo --data-dir DIR"));
    }
    if args.stop {
        return stop::run(global, printer).await;
    }
    let started = Instant::now();
    let stage = Stage::set(args, global, printer, runner).await?;
    let models = models::train(&stage).await?;
    models::build(&stage).await?;
    let url = first_revision(&stage, &models).await?;
    split::second_revision(&stage, &models, &url).await?;
    split::share(&stage, &url).await?;
    sleep::to_zero(&stage).await?;
    sleep::wake(&stage, &models, &url).await?;
    stage.farewell(started);
    Ok(())
}

/// Deploys the first model, and has it read one digit.
async fn first_revision(stage: &Stage, models: &Models) -> Result<String> {
    stage.title("Deploy it");
    let started = Instant::now();
    let words = ["--image", "digits:v1", "--scale-window", "6s"];
    let words = [&["rouse", "deploy", SERVICE, "-n", NAMESPACE], &words[..]].concat();
    let services: Api<Service> = Api::namespaced(stage.client(), NAMESPACE);
    let url = async {
        let found =
            await_condition(services, SERVICE, |s: Option<&Service>| url_of(s).is_some()).await;
        let found = found.or_fail(|| "the watch of the service broke".to_owned())?;
        Ok((url_of(found.as_ref()), started.elapsed()))
    };
    let ((), (url, to_url)) = tokio::try_join!(stage.run(&words), url)?;
    let url = url.ok_or_else(|| Failure::new("the service has no URL"))?;
    let ready = started.elapsed();
    stage.say(format!("URL after    {:.2} s   {url}", to_url.as_secs_f64()));
    stage.say(format!("ready after  {:.2} s", ready.as_secs_f64()));
    stage.say("The 6 s window is for this tour: load is averaged over 60 s by default.");
    models::read_one(stage, models, &url).await?;
    Ok(url)
}

fn url_of(service: Option<&Service>) -> Option<String> {
    service?.status.as_ref()?.url.clone()
}
