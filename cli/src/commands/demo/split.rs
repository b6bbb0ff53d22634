//! Two revisions, and how many of 1,000 requests each answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::models::Models;
use super::stage::{NAMESPACE, SERVICE, Stage};
use crate::commands::call::REVISION_HEADER;
use crate::commands::serving;
use crate::http::Connection;
use crate::outcome::{Failure, Result};
use crate::printer::bar;

/// Requests that are counted, over this many connections.
const REQUESTS: usize = 1000;
const CONNECTIONS: usize = 4;
const BAR: usize = 40;
/// The second revision's tag.
const TAG: &str = "next";

/// Deploys the second model without traffic, and judges both.
pub(super) async fn second_revision(stage: &Stage, models: &Models, url: &str) -> Result {
    stage.title("Deploy the second model beside it, without traffic, and judge both");
    stage
        .run(&[
            "rouse",
            "deploy",
            SERVICE,
            "-n",
            NAMESPACE,
            "--image",
            "digits:v2",
            "--no-traffic",
            "--tag",
            TAG,
        ])
        .await?;
    let service = serving::service(&stage.target, SERVICE).await?;
    let traffic = service.status.unwrap_or_default().traffic;
    let tagged = traffic.iter().find(|t| t.tag.as_deref() == Some(TAG));
    let tagged = tagged.and_then(|t| Some((t.revision_name.clone()?, t.url.clone()?)));
    let (second, second_url) =
        tagged.ok_or_else(|| Failure::new("the second revision has no URL of its own"))?;
    let first =
        traffic.iter().find(|t| t.percent == Some(100)).and_then(|t| t.revision_name.clone());
    for (name, url) in [(first.unwrap_or_default(), url), (second, second_url.as_str())] {
        let right = models.accuracy(url).await? * 100.0;
        stage.say(format!("{name}  {right:.1} % of the held-out images right   {url}"));
    }
    Ok(())
}

/// Gives the second revision a share, and counts before and after.
pub(super) async fn share(stage: &Stage, url: &str) -> Result {
    stage.title("Give the second model 30 % of the requests");
    let by_hand = format!(
        "for i in $(seq {REQUESTS}); do rouse call {SERVICE} /v1/models/digits -n {NAMESPACE}; done"
    );
    stage.by_hand(&by_hand);
    bars(stage, &count(url).await?);
    let share = format!("{TAG}=30");
    stage.run(&["rouse", "traffic", SERVICE, &share, "-n", NAMESPACE]).await?;
    stage.by_hand(&by_hand);
    bars(stage, &count(url).await?);
    Ok(())
}

fn bars(stage: &Stage, counts: &BTreeMap<String, usize>) {
    for revision in ["digits-00001", "digits-00002"] {
        let n = counts.get(revision).copied().unwrap_or(0);
        stage.say(format!("{revision}  {}  {n}", bar(n as f64 / REQUESTS as f64, BAR)));
    }
}

/// Answers by revision.
async fn count(url: &str) -> Result<BTreeMap<String, usize>> {
    let some = || answers(url, REQUESTS / CONNECTIONS);
    let (a, b, c, d) = tokio::try_join!(some(), some(), some(), some())?;
    let mut counts = BTreeMap::new();
    for revision in [a, b, c, d].into_iter().flatten() {
        *counts.entry(revision).or_default() += 1;
    }
    Ok(counts)
}

async fn answers(url: &str, requests: usize) -> Result<Vec<String>> {
    let mut connection = Connection::open(url, None).await?;
    let mut revisions = Vec::with_capacity(requests);
    for _ in 0..requests {
        let answer = connection
            .send(Method::GET, "/v1/models/digits", &HeaderMap::new(), Bytes::new())
            .await?;
        let revision = answer.headers.get(REVISION_HEADER).and_then(|v| v.to_str().ok());
        if !answer.status.is_success() {
            return Err(Failure::new(format!("the model answered {}", answer.status)));
        }
        revisions.push(revision.unwrap_or("?").to_owned());
    }
    Ok(revisions)
}
