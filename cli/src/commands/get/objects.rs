//! Requests for the objects of one resource: whole, or as the server's tables.

use futures::{AsyncBufReadExt, Stream, TryStreamExt};
use http::header::{ACCEPT, HeaderValue};
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::Request;
use kube::core::params::GetParams;
use kube::core::request::Error as BuildError;
use serde::Deserialize;
use serde_json::Value;

use super::resource::Resource;
use crate::commands::serving::unavailable;
use crate::outcome::Failure;

/// The form of an object in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Table,
}

impl Form {
    const fn accept(self) -> &'static str {
        match self {
            Self::Whole => "application/json",
            Self::Table => "application/json;as=Table;v=v1;g=meta.k8s.io, application/json",
        }
    }
}

/// Which objects, and in which form.
#[derive(Clone)]
pub(super) struct Objects<'a> {
    pub(super) client: Client,
    pub(super) resource: &'a Resource,
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) labels: Option<String>,
    /// The only one of a list or a watch.
    pub(super) name: Option<String>,
}

/// One event of a watch.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) object: Value,
}

type Built = Result<http::Request<Vec<u8>>, BuildError>;

impl Objects<'_> {
    pub(super) async fn list(&self) -> kube::Result<Value> {
        let params = ListParams {
            label_selector: self.labels.clone(),
            field_selector: self.only(),
            ..ListParams::default()
        };
        self.client.request(self.built(Request::new(&self.path).list(&params))?).await
    }

    pub(super) async fn one(&self, name: &str) -> kube::Result<Value> {
        let request = Request::new(&self.path).get(name, &GetParams::default());
        self.client.request(self.built(request)?).await
    }

    /// The events after a version, until the server ends them. With bookmarks, so that the last event's version is
    /// recent even where nothing changes.
    pub(super) async fn events(
        &self,
        version: &str,
    ) -> kube::Result<impl Stream<Item = std::io::Result<Event>> + use<>> {
        let params = WatchParams {
            label_selector: self.labels.clone(),
            field_selector: self.only(),
            ..WatchParams::default()
        };
        let request = self.built(Request::new(&self.path).watch(&params, version))?;
        let lines = self.client.request_stream(request).await?.lines();
        let read = |line: String| async move { serde_json::from_str(&line).map_err(Into::into) };
        Ok(lines.and_then(read))
    }

    fn only(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("metadata.name={name}"))
    }

    fn built(&self, request: Built) -> kube::Result<http::Request<Vec<u8>>> {
        let mut request = request.map_err(kube::Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(self.form.accept()));
        Ok(request)
    }

    /// The failure of a request for these objects.
    pub(super) fn failure(&self, error: &kube::Error) -> Failure {
        let plural = &self.resource.plural;
        match error {
            kube::Error::Api(status) if status.code == 404 && self.resource.group.is_empty() => {
                Failure::new(status.message.clone())
            }
            kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
                Failure::new(status.message.clone()).next(format!("rouse get {plural} -A"))
            }
            other => unavailable(other, &format!("get {plural}")),
        }
    }
}
