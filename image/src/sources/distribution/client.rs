//! Requests to one registry for one image. Every answer is read up to a limit.

use std::future::Future;
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{ERROR_BYTES_MAX, exceeded, failed, refusal};
use super::login::{self, Login};
use super::saved::{self, HELPER_TIMEOUT, Source};
use crate::formats::bound::{
    Bound, DOCUMENT_BYTES_MAX, LAYER_STEP_BYTES, REDIRECTS_MAX, TOKEN_BYTES_MAX,
};
use crate::formats::config::{DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, MANIFEST};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::formats::registries::{Endpoint, Trust};
use crate::store::RegistryOptions;

/// The client of one image at one place.
pub(crate) struct Remote<'a> {
    reference: &'a Reference,
    endpoint: Endpoint,
    options: &'a RegistryOptions,
    /// When nobody waits for an answer any more.
    until: Option<Instant>,
    /// Begun once, before the first request.
    session: OnceCell<Session>,
    /// The login in use.
    login: Mutex<Option<Presented>>,
}

/// How the registry is spoken to, by its answer to `GET /v2/`.
struct Session {
    http: Client,
    scheme: &'static str,
    /// None if it asks for no login.
    demand: Option<Demand>,
}

/// What a registry asks for, and what it can be given.
struct Demand {
    challenge: Challenge,
    /// In the order in which they are tried; after the last, requests go anonymously.
    logins: Vec<Source>,
}

enum Challenge {
    Bearer(login::Bearer),
    /// The other scheme in use, with the login itself.
    Basic,
}

/// One login of a session, and the `Authorization` that it gives.
#[derive(Clone, Default)]
struct Presented {
    /// Its place among the logins; after the last, requests go anonymously.
    at: usize,
    authorization: Option<HeaderValue>,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(
        reference: &'a Reference,
        endpoint: Endpoint,
        options: &'a RegistryOptions,
        until: Option<Instant>,
    ) -> Self {
        // The HTTP library takes the process-wide provider; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (session, login) = (OnceCell::new(), Mutex::new(None));
        Self { reference, endpoint, options, until, session, login }
    }

    /// The digest that the reference resolves to now.
    pub(crate) async fn digest(&self) -> Result<Digest, Error> {
        let path = self.path("manifests", self.tag());
        let answer = self.in_time("manifest", self.send(Method::HEAD, &path)).await?;
        let header = answer.headers().get("docker-content-digest");
        if answer.status() == StatusCode::OK
            && let Some(digest) = header.and_then(|digest| digest.to_str().ok())
        {
            return Ok(digest.parse()?);
        }
        // A HEAD answer has no error body, and some registries omit the digest.
        Ok(self.manifest(self.tag()).await?.1)
    }

    /// The manifest or index that the reference names.
    pub(crate) async fn top(&self) -> Result<(Bytes, Digest), Error> {
        let (bytes, digest) = self.manifest(self.tag()).await?;
        match self.reference.digest() {
            Some(expected) => self.checked(bytes, digest, expected),
            None => Ok((bytes, digest)),
        }
    }

    /// The manifest with this digest.
    pub(crate) async fn by_digest(&self, wanted: &Digest) -> Result<(Bytes, Digest), Error> {
        let (bytes, digest) = self.manifest(wanted.as_str()).await?;
        self.checked(bytes, digest, wanted)
    }

    fn checked(
        &self,
        bytes: Bytes,
        digest: Digest,
        expected: &Digest,
    ) -> Result<(Bytes, Digest), Error> {
        if digest == *expected {
            return Ok((bytes, digest));
        }
        Err(self.broken(format!("it sent a manifest with digest {digest} for {expected}")))
    }

    async fn manifest(&self, which: &str) -> Result<(Bytes, Digest), Error> {
        let path = self.path("manifests", which);
        let fetching = async {
            let answer = self.accepted(self.send(Method::GET, &path).await?).await?;
            self.whole(answer, "manifest", DOCUMENT_BYTES_MAX).await
        };
        let bytes = self.in_time("manifest", fetching).await?;
        let digest = Digest::of(&bytes);
        Ok((bytes, digest))
    }

    /// Begins to fetch a layer or a configuration.
    pub(crate) async fn blob<'b>(&'b self, blob: &'b Descriptor) -> Result<Blob<'b>, Error> {
        let path = self.path("blobs", blob.digest.as_str());
        let begin = async { self.accepted(self.send(Method::GET, &path).await?).await };
        let answer = self.in_time("layer", begin).await?;
        let blob = Blob {
            answer,
            remote: self,
            blob,
            read: 0,
            step: 0,
            until: Instant::now() + self.options.stall_timeout,
        };
        match blob.answer.content_length() {
            Some(length) if length > blob.blob.size => Err(blob.too_long()),
            Some(_) | None => Ok(blob),
        }
    }

    /// The digest or tag of the reference.
    fn tag(&self) -> &str {
        match self.reference.digest() {
            Some(digest) => digest.as_str(),
            None => self.reference.tag().unwrap_or("latest"),
        }
    }

    fn path(&self, kind: &str, which: &str) -> String {
        format!("{}/{kind}/{which}", self.endpoint.repository)
    }

    fn url(&self, scheme: &str, path: &str) -> Result<Url, Error> {
        let text = format!("{scheme}://{}/v2/{path}", self.endpoint.host());
        text.parse().map_err(|error| Error::InvalidReference {
            reference: self.reference.written().to_owned(),
            reason: format!("{text} is no address: {error}"),
        })
    }

    /// Sends a request, with the next login where one is refused.
    async fn send(&self, method: Method, path: &str) -> Result<Response, Error> {
        let session = self.session.get_or_try_init(|| self.begin()).await?;
        let url = self.url(session.scheme, path)?;
        let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
        let mut presented = self.presented(session).await?;
        loop {
            let mut request = session.http.request(method.clone(), url.clone());
            request = request.header(ACCEPT, &accept);
            if let Some(authorization) = &presented.authorization {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let answer = request.send().await.map_err(|error| self.failed(&error))?;
            let refused =
                matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let logins = session.demand.as_ref().map_or(0, |demand| demand.logins.len());
            if !refused || presented.at >= logins {
                return Ok(answer);
            }
            presented = self.from(session, presented.at + 1).await?;
        }
    }

    /// The login in use, at first the first that the registry takes.
    async fn presented(&self, session: &Session) -> Result<Presented, Error> {
        let in_use = self.login.lock().clone();
        match in_use {
            Some(presented) => Ok(presented),
            None => self.from(session, 0).await,
        }
    }

    /// The first login from `at` on that is not refused, which is in use from here on.
    async fn from(&self, session: &Session, at: usize) -> Result<Presented, Error> {
        let presented = match &session.demand {
            Some(demand) => self.first_of(demand, session, at).await?,
            None => Presented::default(),
        };
        *self.login.lock() = Some(presented.clone());
        Ok(presented)
    }

    async fn first_of(
        &self,
        demand: &Demand,
        session: &Session,
        at: usize,
    ) -> Result<Presented, Error> {
        let Demand { challenge, logins } = demand;
        for (at, source) in logins.iter().enumerate().skip(at) {
            let login = match source {
                Source::Here(login) => Some(login.clone()),
                Source::Helper(helper) => helper.ask(self.patience()).await,
            };
            let Some(login) = login else { continue };
            let authorization = self.authorization(session, challenge, &login).await?;
            if authorization.is_some() {
                return Ok(Presented { at, authorization });
            }
        }
        let authorization = match challenge {
            Challenge::Bearer(bearer) => self.token(session, bearer, None).await?,
            Challenge::Basic => None,
        };
        Ok(Presented { at: logins.len(), authorization })
    }

    /// How long a helper may take: half of the time that is left, so that one that hangs does not hide what is public.
    fn patience(&self) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()) / 2);
        left.map_or(HELPER_TIMEOUT, |left| left.min(HELPER_TIMEOUT))
    }

    async fn authorization(
        &self,
        session: &Session,
        challenge: &Challenge,
        login: &Login,
    ) -> Result<Option<HeaderValue>, Error> {
        match (challenge, login) {
            (_, Login::Registry(token)) => Ok(sensitive(&format!("Bearer {token}"))),
            (Challenge::Basic, Login::Password { user, password }) => Ok(basic(user, password)),
            (Challenge::Basic, Login::Identity(_)) => Ok(None),
            (Challenge::Bearer(bearer), login) => self.token(session, bearer, Some(login)).await,
        }
    }

    /// Finds out how the registry is spoken to.
    async fn begin(&self) -> Result<Session, Error> {
        let mut first = None;
        let ways: &[(&str, bool)] = match self.endpoint.trust {
            Trust::Verified => &[("https", true)],
            Trust::Insecure => &[("https", false), ("http", false)],
            Trust::Local => &[("http", false), ("https", false)],
        };
        for (left, &(scheme, verified)) in (0..ways.len()).rev().zip(ways) {
            let http = self.client(verified)?;
            let asked = http.get(self.url(scheme, "")?).send().await;
            let answer = match asked {
                // A server with TLS answers a request without it so.
                Ok(answer) if answer.status() == StatusCode::BAD_REQUEST && left > 0 => continue,
                Ok(answer) => answer,
                Err(error) => {
                    let timed_out = error.is_timeout();
                    first.get_or_insert_with(|| self.failed(&error));
                    if timed_out {
                        break;
                    }
                    continue;
                }
            };
            let header = answer.headers().get(WWW_AUTHENTICATE).and_then(|h| h.to_str().ok());
            let challenge = header.map(|header| match login::bearer(header) {
                Some(bearer) => Challenge::Bearer(bearer),
                None => Challenge::Basic,
            });
            let demand = challenge.map(|challenge| Demand { challenge, logins: self.logins() });
            return Ok(Session { http, scheme, demand });
        }
        Err(first.unwrap_or_else(|| self.broken("it does not answer GET /v2/".to_owned())))
    }

    fn client(&self, verified: bool) -> Result<Client, Error> {
        let mut client = Client::builder()
            .connect_timeout(self.options.connect_timeout)
            .read_timeout(self.options.read_timeout)
            .redirect(Policy::custom(redirect))
            .user_agent(concat!("rouse/", env!("CARGO_PKG_VERSION")));
        if verified {
            for path in self.endpoint.authorities() {
                let pem = std::fs::read(&path).map_err(Error::io("read", &path))?;
                let authorities = reqwest::Certificate::from_pem_bundle(&pem)
                    .map_err(|error| self.broken(format!("{}: {error}", path.display())))?;
                client = client.tls_certs_merge(authorities);
            }
        } else {
            client = client.tls_danger_accept_invalid_certs(true);
        }
        client.build().map_err(|error| self.failed(&error))
    }

    /// Those that came with the request, then those that Docker saved. What is public can be had without a login, and
    /// despite one that is no longer valid.
    fn logins(&self) -> Vec<Source> {
        let Endpoint { registry, repository, .. } = &self.endpoint;
        let given = self.options.logins.configs();
        let given = given.flat_map(|config| saved::in_plain(config, registry, repository));
        let mut logins: Vec<Source> = given.map(Source::Here).collect();
        if let Some(dir) = self.options.docker_config.as_deref() {
            logins.extend(saved::saved(dir, registry, repository));
        }
        logins
    }

    /// A token for pulling, if the registry gives one for this login.
    async fn token(
        &self,
        session: &Session,
        bearer: &login::Bearer,
        login: Option<&Login>,
    ) -> Result<Option<HeaderValue>, Error> {
        let Ok(realm) = bearer.realm.parse::<Url>() else { return Ok(None) };
        if realm.scheme() != "https" && self.endpoint.trust == Trust::Verified {
            let reason = format!("its tokens are at {realm}, which is not encrypted");
            return Err(self.broken(reason));
        }
        let scope = format!("repository:{}:pull", self.endpoint.repository);
        let mut asked = vec![("scope", scope.as_str())];
        asked.extend(bearer.service.as_deref().map(|service| ("service", service)));
        let request = match login {
            Some(Login::Identity(token)) => {
                asked.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", "rouse"),
                    ("refresh_token", token),
                ]);
                session.http.post(realm).form(&asked)
            }
            Some(Login::Password { user, password }) => {
                let request = session.http.get(realm).query(&asked);
                match basic(user, password) {
                    Some(authorization) => request.header(AUTHORIZATION, authorization),
                    None => request,
                }
            }
            Some(Login::Registry(_)) | None => session.http.get(realm).query(&asked),
        };
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        let answer = self.whole(answer, "token", TOKEN_BYTES_MAX).await?;
        let token = login::token(&answer);
        let token = token.ok_or_else(|| self.broken("its token cannot be read".to_owned()))?;
        let value = sensitive(&format!("Bearer {token}"));
        value.map(Some).ok_or_else(|| self.broken("its token is no text".to_owned()))
    }

    /// An answer with status 200; any other is an error, of which only the beginning is read.
    async fn accepted(&self, mut answer: Response) -> Result<Response, Error> {
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let mut body = BytesMut::new();
        while body.len() < ERROR_BYTES_MAX
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
        Err(refusal(self.reference, &self.endpoint.registry, status.as_u16(), &body))
    }

    /// A whole body of at most `max` bytes.
    async fn whole(
        &self,
        mut answer: Response,
        what: &'static str,
        max: u64,
    ) -> Result<Bytes, Error> {
        let too_large = || exceeded(self.reference, Bound::Document { what, max });
        if answer.content_length().is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            if (body.len() as u64).saturating_add(chunk.len() as u64) > max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Bounds the whole answer: a timeout for each byte would let a registry send for weeks.
    async fn in_time<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.options.document_timeout;
        timeout(limit, work).await.unwrap_or_else(|_elapsed| {
            let bound = Bound::DocumentTime { what, seconds: limit.as_secs() };
            Err(exceeded(self.reference, bound))
        })
    }

    fn broken(&self, reason: String) -> Error {
        Error::Registry {
            reference: self.reference.written().to_owned(),
            registry: self.endpoint.registry.clone(),
            reason,
        }
    }

    fn failed(&self, error: &reqwest::Error) -> Error {
        failed(self.reference, &self.endpoint.registry, error)
    }
}

/// A layer that is being fetched.
pub(crate) struct Blob<'a> {
    answer: Response,
    remote: &'a Remote<'a>,
    blob: &'a Descriptor,
    read: u64,
    /// Bytes of this step; [`LAYER_STEP_BYTES`] must arrive by `until`.
    step: u64,
    until: Instant,
}

impl Blob<'_> {
    /// The next bytes; never more in all than the manifest announces.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let stall = self.remote.options.stall_timeout;
        let Ok(chunk) = timeout_at(self.until, self.answer.chunk()).await else {
            let blob = self.blob.digest.clone();
            let bound = Bound::LayerTime { blob, seconds: stall.as_secs() };
            return Err(exceeded(self.remote.reference, bound));
        };
        let chunk = chunk.map_err(|error| self.remote.failed(&error))?;
        let Some(chunk) = chunk else { return Ok(None) };
        self.read = self.read.saturating_add(chunk.len() as u64);
        if self.read > self.blob.size {
            return Err(self.too_long());
        }
        self.step = self.step.saturating_add(chunk.len() as u64);
        if self.step >= LAYER_STEP_BYTES {
            (self.step, self.until) = (0, Instant::now() + stall);
        }
        Ok(Some(chunk))
    }

    fn too_long(&self) -> Error {
        let (blob, size) = (self.blob.digest.clone(), self.blob.size);
        exceeded(self.remote.reference, Bound::LongerThanAnnounced { blob, size })
    }
}

/// Registries redirect to storage elsewhere; a redirect from https to http is refused.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(Bound::Redirects { max: REDIRECTS_MAX });
    }
    if attempt.previous().last().is_some_and(|from| leaves_encryption(from, attempt.url())) {
        let reason = format!("it redirects to {}, which is not encrypted", attempt.url());
        return attempt.error(reason);
    }
    attempt.follow()
}

fn leaves_encryption(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {encoded}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_address_leads_to_another() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        for (from, to, leaves) in [
            ("https://a/x", "http://a/x", true),
            ("https://a/x", "https://b/y", false),
            ("http://127.0.0.1/x", "http://127.0.0.1/y", false),
            ("http://127.0.0.1/x", "https://b/y", false),
        ] {
            assert_eq!(leaves_encryption(&url(from), &url(to)), leaves, "{from} {to}");
        }
    }
}
