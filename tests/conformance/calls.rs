//! Requests to Services: one, several at once, a load.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use rouse_tests::http::{self, Answer};
use serde_json::Value;

use crate::cluster::Space;

impl Space<'_> {
    /// The gateway's address for a URL, and the URL's host.
    pub(crate) fn at<'u>(&self, url: &'u Value) -> anyhow::Result<(SocketAddr, &'u str)> {
        let url = url.as_str().context("a URL")?;
        let (_, host) = url.split_once("://").context("a URL")?;
        Ok((self.gateway(host)?, host))
    }

    /// One request to the host of a URL.
    pub(crate) fn call_with(
        &self,
        url: &Value,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let (gateway, host) = self.at(url)?;
        http::send_with(gateway, host, path, headers, body)
    }

    /// So many requests at once, and their answers.
    pub(crate) fn call_at_once(
        &self,
        object: &Value,
        path: &str,
        count: usize,
    ) -> anyhow::Result<Vec<Answer>> {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..count).map(|_| scope.spawn(|| self.call(object, path))).collect();
            all.into_iter().map(|one| joined(one.join())).collect()
        })
    }

    /// What `look` finds while so many clients send one request after the other; each has to be answered by 200.
    pub(crate) fn under_load<T>(
        &self,
        object: &Value,
        path: &str,
        clients: usize,
        look: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let client = || {
                while !ended.load(Ordering::SeqCst) {
                    self.body(object, path)?;
                }
                anyhow::Ok(())
            };
            let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
            let found = look();
            ended.store(true, Ordering::SeqCst);
            let answered = clients.into_iter().try_for_each(|client| joined(client.join()));
            found.and_then(|found| answered.map(|()| found))
        })
    }

    pub(crate) fn call(&self, object: &Value, path: &str) -> anyhow::Result<Answer> {
        self.call_with(&object["status"]["url"], path, &[], None)
    }

    /// The body of an answer 200.
    pub(crate) fn body(&self, object: &Value, path: &str) -> anyhow::Result<String> {
        let answer = self.call(object, path)?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok(answer.body)
    }
}

/// The result of a thread.
pub(crate) fn joined<T>(ended: std::thread::Result<anyhow::Result<T>>) -> anyhow::Result<T> {
    ended.map_err(|_| anyhow::anyhow!("a client panicked"))?
}
