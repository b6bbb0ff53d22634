//! The two models: trained here, packed with this program as their server, and queried.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use rouse_digits::{Digit, Model, draw, held_out};
use serde_json::{Value, json};

use super::stage::{NAMESPACE, SERVICE, Stage, shown};
use crate::commands::digits;
use crate::http::{Answer, Connection};
use crate::outcome::{Context, Failure, Result};

pub(super) const PREDICT: &str = "/v1/models/digits:predict";

/// The images that models are judged by.
pub(super) struct Models {
    held_out: Vec<Digit>,
    /// Index of the image that is drawn, and saved beside the models as a request.
    shown: usize,
}

/// Trains both models into folders that `rouse build` takes.
pub(super) async fn train(stage: &Stage) -> Result<Models> {
    stage.title("Train two models on handwritten digits");
    let folder = stage.folder();
    let started = Instant::now();
    stage.run(&["rouse", "digits", "train", &shown(&folder)]).await?;
    let held_out = held_out();
    stage.say(format!(
        "trained in {:.2} s; {} images are held out to judge by",
        started.elapsed().as_secs_f64(),
        held_out.len()
    ));
    let first = Model::load(&digits::model_file(&folder, "v1"));
    let first = first.or_fail(|| "the first model cannot be read".to_owned())?;
    let shown = digits::shown(&first, &held_out)?;
    Ok(Models { held_out, shown })
}

pub(super) async fn build(stage: &Stage) -> Result {
    stage.title("Pack each with this very program as its server");
    let started = Instant::now();
    for version in ["v1", "v2"] {
        let folder = stage.folder().join(version);
        let image = format!("digits:{version}");
        stage.run(&["rouse", "build", &shown(&folder), "--image", &image]).await?;
    }
    stage.say(format!("packed in {:.2} s", started.elapsed().as_secs_f64()));
    Ok(())
}

impl Models {
    /// A request to read one digit.
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
    stage.title("Have it read a digit that it has never seen");
    stage.by_hand(&format!(
        "rouse call {SERVICE} {PREDICT} -n {NAMESPACE} -d {}",
        stage.digit_shown()
    ));
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
    let answer =
        Connection::open(url, None).await?.send(Method::POST, PREDICT, &headers, body).await?;
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
