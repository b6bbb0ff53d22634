//! `rouse predict NAME`: scores the rows of a file through a service.
//!
//! Rows are read one after another and sent in batches, many at a time; the service scales by that
//! load as by any other. Scores are written in the rows' order, so a job that was broken off goes on
//! where its file ends.

mod meter;
mod progress;
mod protocol;
mod rows;
mod scores;
mod send;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream;
use rouse_api::ServiceSpec;
use rouse_api::config::{AutoscalerConfig, annotations::Autoscaling};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use self::meter::{Meter, Spent};
use self::progress::Progress;
use self::rows::{Reading, Row, Rows};
use self::scores::{Job, Line, Scores};
use self::send::{Score, Sender};
use super::serving::service;
use crate::args::{Global, Predict, Protocol, RowFormat};
use crate::identity::{Identity, bearer};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::reach::{Part, Reach, url_of};
use crate::target::Target;

/// Requests in flight where neither the command nor the service says how many.
const PARALLEL: usize = 32;
const PARALLEL_MAX: usize = 1000;
/// A job that takes longer stops, and goes on with a new token.
const TOKEN_SECONDS: i64 = 12 * 60 * 60;
/// Rows without a score that are named at the end.
const NAMED: usize = 10;

/// What a job did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    out: PathBuf,
    /// All rows of the file, and those of them without a score.
    rows: u64,
    failed: u64,
    /// Rows that an earlier run of the job had done.
    resumed: u64,
    seconds: f64,
    rows_per_second: f64,
    requests: u64,
    retries: u64,
    /// Most pods at a time.
    pods: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Spent>,
}

pub(crate) async fn run(args: Predict, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let reach = Reach::of(&target, url_of(&service, Part::of(args.tag.as_deref(), None))?).await?;
    let model = args.model.as_deref().unwrap_or(&args.name);
    let path = args.path.clone().unwrap_or_else(|| protocol::path(args.protocol, model));
    let reading = reading(&args)?;
    let out = args.out.clone().unwrap_or_else(|| args.input.with_extension("scores.jsonl"));
    let options = format!("{:?} {:?} {path}", args.protocol, reading);
    let job = Job::new(&args.input, reach.url.clone(), options)?;
    let rows = Rows::open(&args.input, reading)?;
    let scores = Scores::open(&out, &job, args.overwrite)?;
    let meter = Meter::begin(&target, &args.name).await?;
    let parallel = args.parallel.map_or_else(|| parallel(&service.spec), |n| n.get() as usize);
    let batch = if args.protocol == Protocol::Row { 1 } else { args.batch.get() as usize };
    let mut sender = Sender::new(reach, args.protocol, path, args.retries);
    if let Some(identity) = Identity::asked_by(&service) {
        let token = identity.token(&target, TOKEN_SECONDS).await?;
        sender.identify(bearer(&token)?, identity.invitation(&args.name));
    }
    if scores.done > 0 {
        printer.progress(format!("going on after row {}, which is done already", scores.done));
    }
    let progress = Progress::new(&target, &args.name, job.input_bytes, printer);
    let work = Work { sender, progress, batch, parallel: parallel.clamp(1, PARALLEL_MAX) };
    let began = Instant::now();
    let done = work.through(rows, scores).await?;
    let seconds = began.elapsed().as_secs_f64();
    let pods = work.progress.pods();
    let fresh = done.rows - done.resumed;
    let counts = &work.sender.counts;
    let wait = (!args.no_cost && fresh > 0 && done.stopped.is_none()).then(|| counts.scored.get());
    let cost = match wait {
        Some(requests) => meter.end(&target, requests, printer).await?,
        None => None,
    };
    let summary = Summary {
        out: if done.stopped.is_none() { out.clone() } else { scores::part(&out) },
        rows: done.rows,
        failed: done.failed,
        resumed: done.resumed,
        seconds,
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        rows_per_second: fresh as f64 / seconds.max(1e-9),
        requests: counts.requests.get(),
        retries: counts.retries.get(),
        pods,
        cost,
    };
    if printer.json() {
        printer.document(&summary);
    } else {
        print(&summary, printer);
    }
    outcome(&args, done, printer)
}

/// How the rows are read; by the name of their file, unless that is said.
fn reading(args: &Predict) -> Result<Reading> {
    let format = match (args.format, args.input.extension().and_then(|end| end.to_str())) {
        (Some(format), _) => format,
        (None, Some("csv")) => RowFormat::Csv,
        (None, Some("jsonl" | "ndjson" | "json")) => RowFormat::Jsonl,
        (None, _) => {
            return Err(Failure::usage(format!(
                "the name of {} does not say what its rows are",
                args.input.display()
            ))
            .next("add --format jsonl or --format csv"));
        }
    };
    Ok(Reading { format, instance: args.instances, key: args.key.clone() })
}

/// As many requests as all pods of the service take at a time.
fn parallel(spec: &ServiceSpec) -> usize {
    let template = &spec.template;
    let limit = template.spec.container_concurrency.filter(|limit| *limit > 0);
    let settings = AutoscalerConfig::default();
    let pods = Autoscaling::new(&template.metadata.annotations, &settings).max_scale();
    let pods = pods.and_then(|pods| usize::try_from(pods).ok());
    match (limit.and_then(|limit| usize::try_from(limit).ok()), pods) {
        (Some(limit), Some(pods)) => limit.saturating_mul(pods),
        (Some(limit), None) => limit.max(PARALLEL),
        (None, _) => PARALLEL,
    }
}

/// Rows on their way through a model.
struct Work {
    sender: Sender,
    progress: Progress,
    batch: usize,
    parallel: usize,
}

/// What became of the rows.
#[derive(Default)]
struct Done {
    rows: u64,
    failed: u64,
    resumed: u64,
    /// The first rows without a score, and why.
    named: Vec<(u64, String)>,
    /// Why not all rows were done.
    stopped: Option<Failure>,
}

impl Work {
    /// Scores all rows that are not yet done.
    async fn through(&self, mut rows: Rows, mut scores: Scores) -> Result<Done> {
        let mut done = Done {
            rows: scores.done,
            failed: scores.failed,
            resumed: scores.done,
            ..Done::default()
        };
        for _ in 0..scores.done {
            rows.next()?;
        }
        self.progress.begin(done.rows, done.failed, rows.bytes());
        let rows = RefCell::new(rows);
        let unreadable = Cell::new(None);
        let batches = stream::iter(std::iter::from_fn(|| {
            let next = next_batch(&mut rows.borrow_mut(), self.batch);
            next.unwrap_or_else(|failure| {
                unreadable.set(Some(failure));
                None
            })
        }));
        let mut interrupts =
            signal(SignalKind::interrupt()).or_fail(|| "cannot listen for signals".to_owned())?;
        let (mut interrupted, enough) = (false, Notify::new());
        let sent = batches
            .take_until(enough.notified())
            .map(|(batch, bytes)| async move { (self.score(&batch).await, batch, bytes) })
            .buffered(self.parallel);
        let mut sent = std::pin::pin!(sent);
        let watching = self.progress.watch();
        let mut watching = std::pin::pin!(watching);
        loop {
            let (found, batch, bytes) = tokio::select! {
                next = sent.next() => match next {
                    Some(next) => next,
                    None => break,
                },
                _ = interrupts.recv() => {
                    // The first waits for what is on its way.
                    if std::mem::replace(&mut interrupted, true) {
                        break;
                    }
                    enough.notify_one();
                    continue;
                }
                never = &mut watching => match never {},
            };
            match found {
                Ok(found) => write(&batch, found, &mut scores, &mut done)?,
                Err(failure) => {
                    done.stopped = Some(failure);
                    break;
                }
            }
            self.progress.at(done.rows, done.failed, bytes);
        }
        self.progress.end();
        if let Some(failure) = unreadable.take() {
            done.stopped.get_or_insert(failure);
        }
        if interrupted && done.stopped.is_none() {
            done.stopped = Some(Failure::new("interrupted"));
        }
        match done.stopped {
            None => scores.finish()?,
            Some(_) => scores.flush()?,
        }
        Ok(done)
    }

    /// A score for each row of a batch.
    async fn score(&self, batch: &[Row]) -> Result<Vec<Score>> {
        let sent: Vec<&RawValue> =
            batch.iter().filter_map(|row| row.instance.as_deref().ok()).collect();
        let mut scores = self.sender.score(&sent).await?.into_iter();
        let of = |row: &Row| match &row.instance {
            Ok(_) => scores.next().unwrap_or_else(|| Err("it was not sent".to_owned())),
            Err(why) => Err(why.clone()),
        };
        Ok(batch.iter().map(of).collect())
    }
}

/// The next rows, and how much of the file was read with them.
fn next_batch(rows: &mut Rows, size: usize) -> Result<Option<(Vec<Row>, u64)>> {
    let mut batch = Vec::with_capacity(size);
    while batch.len() < size {
        match rows.next()? {
            Some(row) => batch.push(row),
            None => break,
        }
    }
    Ok((!batch.is_empty()).then(|| (batch, rows.bytes())))
}

fn write(batch: &[Row], found: Vec<Score>, scores: &mut Scores, done: &mut Done) -> Result {
    for (row, score) in batch.iter().zip(found) {
        let (prediction, error) = match &score {
            Ok(score) => (Some(score.as_ref()), None),
            Err(why) => (None, Some(why.as_str())),
        };
        scores.write(&Line { row: row.number, key: row.key.as_ref(), prediction, error })?;
        done.rows += 1;
        if let Err(why) = score {
            done.failed += 1;
            if done.named.len() < NAMED {
                done.named.push((row.line, why));
            }
        }
    }
    scores.flush()
}

fn print(summary: &Summary, printer: &Printer) {
    let Summary {
        rows, failed, resumed, seconds, rows_per_second, requests, retries, pods, ..
    } = summary;
    let mut lines = vec![
        ("scores", summary.out.display().to_string()),
        ("rows", format!("{rows}, of which {failed} without a score")),
    ];
    if *resumed > 0 {
        lines.push(("resumed", format!("after {resumed} rows")));
    }
    lines.push(("time", format!("{seconds:.1} s, {rows_per_second:.0} rows/s")));
    lines.push(("requests", format!("{requests}, of which {retries} were sent again")));
    lines.push(("pods", format!("at most {pods}")));
    if let Some(cost) = &summary.cost {
        lines.push(("cost", cost.to_string()));
    }
    for (name, value) in lines {
        printer.line(format!("{name:<10}{value}"));
    }
}

fn outcome(args: &Predict, done: Done, printer: &Printer) -> Result {
    let shown: &Path = &args.input;
    for (line, why) in &done.named {
        printer.progress(format!("{}:{line}: {why}", shown.display()));
    }
    let more = done.failed.saturating_sub(done.named.len() as u64);
    if more > 0 && !done.named.is_empty() {
        printer.progress(format!("{more} more rows have no score"));
    }
    if let Some(stopped) = done.stopped {
        let go_on = format!("{} rows are done; the same command goes on after them", done.rows);
        printer.progress(go_on);
        return Err(stopped);
    }
    if done.failed > 0 {
        let failed = format!("{} of {} rows have no score", done.failed, done.rows);
        return Err(Failure::new(failed).because("the file of scores says why, at each of them"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rouse_api::Service;
    use serde_json::json;

    use super::*;

    #[test]
    fn as_many_requests_are_in_flight_as_all_pods_take() {
        let service = |limit: i64, max: Option<&str>| -> Service {
            let annotations = max.map_or_else(
                || json!({}),
                |max| json!({ "autoscaling.knative.dev/max-scale": max }),
            );
            let spec = json!({ "template": {
                "metadata": { "annotations": annotations },
                "spec": { "containerConcurrency": limit, "containers": [] }
            } });
            serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
        };
        for (limit, max, parallel_) in [
            (0, None, PARALLEL),
            (0, Some("5"), PARALLEL),
            (4, Some("5"), 20),
            (4, Some("0"), PARALLEL),
            (80, None, 80),
        ] {
            assert_eq!(parallel(&service(limit, max).spec), parallel_, "{limit} {max:?}");
        }
    }
}
