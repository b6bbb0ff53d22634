//! The two models: trained here, packed with this program as their server, and asked.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use rouse_digits::{Digit, draw, held_out};
use serde_json::{Value, json};

use super::stage::{Stage, shown};
use super::{NAMESPACE, SERVICE};
use crate::http::{Answer, Connection};
use crate::outcome::{Context, Failure, Result};

pub(super) const PREDICT: &str = "/v1/models/digits:predict";
/// What the image runs; the model lies beside the program.
const PROCFILE: &str = "web: ./rouse digits --model model.json\n";

/// What models are judged by.
pub(super) struct Models {
    held_out: Vec<Digit>,
    /// One image that the first model reads as something else, if there is one: a reason for a second.
    shown: usize,
}

/// Trains both models into folders that `rouse build` takes.
pub(super) fn train(stage: &Stage) -> Result<Models> {
    stage.title("Train two models on handwritten digits");
    let folder = stage.folder();
    stage.by_hand(&format!(
        "cargo run --release -p rouse-digits -- train {}   (in Rouse's source)",
        shown(&folder)
    ));
    let started = Instant::now();
    let models = rouse_digits::train().or_fail(|| "the models cannot be trained".to_owned())?;
    let program =
        std::env::current_exe().or_fail(|| "cannot find this program's own file".to_owned())?;
    for model in &models {
        let source = folder.join(&model.version);
        std::fs::create_dir_all(&source).or_fail(|| format!("cannot make {}", source.display()))?;
        model.save(&source.join("model.json")).or_fail(|| "cannot keep a model".to_owned())?;
        std::fs::write(source.join("Procfile"), PROCFILE)
            .or_fail(|| "cannot write a Procfile".to_owned())?;
        place(&program, &source.join("rouse"))?;
    }
    let held_out = held_out();
    stage.say(format!(
        "trained in {:.2} s; {} images are held out to judge by",
        started.elapsed().as_secs_f64(),
        held_out.len()
    ));
    let first = models.first().ok_or_else(|| Failure::new("there is no model"))?;
    let pixels: Vec<_> = held_out.iter().map(|d| d.pixels.clone()).collect();
    let read = first.predict(&pixels).or_fail(|| "the first model fails".to_owned())?;
    let shown =
        read.iter().zip(&held_out).position(|(read, digit)| *read == digit.label).unwrap_or(0);
    Ok(Models { held_out, shown })
}

/// This program, as a link where that is possible.
fn place(program: &Path, at: &Path) -> Result {
    if at.exists() {
        std::fs::remove_file(at).or_fail(|| format!("cannot replace {}", at.display()))?;
    }
    if std::fs::hard_link(program, at).is_ok() {
        return Ok(());
    }
    std::fs::copy(program, at)
        .map(drop)
        .or_fail(|| format!("cannot copy this program to {}", at.display()))
}

pub(super) async fn build(stage: &Stage) -> Result {
    stage.title("Pack each with this very program as its server");
    let started = Instant::now();
    for version in ["v1", "v2"] {
        let folder = stage.folder().join(version);
        stage.run(&format!("rouse build {} --image digits:{version}", shown(&folder))).await?;
    }
    stage.say(format!("packed in {:.2} s", started.elapsed().as_secs_f64()));
    Ok(())
}

impl Models {
    /// A request that reads one digit.
    pub(super) fn one(&self) -> Value {
        json!({ "instances": [self.held_out[self.shown].pixels] })
    }

    /// The share of the held-out images that the service at `url` reads right.
    pub(super) async fn accuracy(&self, url: &str) -> Result<f64> {
        let pixels: Vec<_> = self.held_out.iter().map(|d| &d.pixels).collect();
        let (_, read) = predict(url, &json!({ "instances": pixels })).await?;
        let right = read
            .iter()
            .zip(&self.held_out)
            .filter(|(read, digit)| **read == u64::from(digit.label));
        Ok(right.count() as f64 / self.held_out.len() as f64)
    }
}

/// Draws one digit and has it read.
pub(super) async fn read_one(stage: &Stage, models: &Models, url: &str) -> Result {
    let request = models.one();
    let file = stage.folder().join("digit.json");
    std::fs::write(&file, request.to_string())
        .or_fail(|| format!("cannot write {}", file.display()))?;
    stage.title("Have it read a digit that it has never seen");
    stage.by_hand(&format!("rouse call {SERVICE} {PREDICT} -n {NAMESPACE} -d @{}", shown(&file)));
    let (_, read) = predict(url, &request).await?;
    let digit = &models.held_out[models.shown];
    for row in draw(&digit.pixels).lines() {
        stage.say(format!("  {row}"));
    }
    let read = read.first().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    stage.say(format!("prediction {read}, label {}", digit.label));
    Ok(())
}

/// Sends one request over a connection of its own, and gives the answer with its predictions.
pub(super) async fn predict(url: &str, request: &Value) -> Result<(Answer, Vec<u64>)> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(request.to_string());
    let answer = Connection::open(url).await?.send(Method::POST, PREDICT, &headers, body).await?;
    let text = String::from_utf8_lossy(&answer.body);
    if !answer.status.is_success() {
        return Err(Failure::new(format!("the model answered {}", answer.status)).because(text));
    }
    let body: Value = serde_json::from_slice(&answer.body)
        .or_fail(|| "the model's answer is no JSON".to_owned())?;
    let read =
        body["predictions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    Ok((answer, read))
}
