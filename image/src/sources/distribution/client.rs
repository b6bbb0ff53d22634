//! Requests to one registry for one image. Every answer is read up to a limit.

use std::future::Future;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{ERROR_BYTES_MAX, exceeded, failed, refusal};
use super::login::{self, Login};
use super::saved;
use crate::formats::bound::{
    Bound, DOCUMENT_BYTES_MAX, LAYER_STEP_BYTES, REDIRECTS_MAX, TOKEN_BYTES_MAX,
};
use crate::formats::config::{DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, MANIFEST};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::store::RegistryOptions;

/// The client of one image's registry.
pub(crate) struct Remote<'a> {
    http: Client,
    reference: &'a Reference,
    options: &'a RegistryOptions,
    /// Fetched once, before the first request.
    authorization: OnceCell<Option<HeaderValue>>,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(
        reference: &'a Reference,
        options: &'a RegistryOptions,
    ) -> Result<Self, Error> {
        // The HTTP library takes the process-wide provider; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .redirect(Policy::custom(redirect))
            .user_agent(concat!("rouse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(reference, &error))?;
        Ok(Self { http, reference, options, authorization: OnceCell::new() })
    }

    /// The digest that the reference resolves to now.
    pub(crate) async fn digest(&self) -> Result<Digest, Error> {
        let url = self.url("manifests", self.tag())?;
        let answer = self.in_time("manifest", self.send(Method::HEAD, url)).await?;
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
        let url = self.url("manifests", which)?;
        let fetching = async {
            let answer = self.accepted(self.send(Method::GET, url).await?).await?;
            self.whole(answer, "manifest", DOCUMENT_BYTES_MAX).await
        };
        let bytes = self.in_time("manifest", fetching).await?;
        let digest = Digest::of(&bytes);
        Ok((bytes, digest))
    }

    /// Begins to fetch a layer or a configuration.
    pub(crate) async fn blob<'b>(&'b self, blob: &'b Descriptor) -> Result<Blob<'b>, Error> {
        let url = self.url("blobs", blob.digest.as_str())?;
        let begin = async { self.accepted(self.send(Method::GET, url).await?).await };
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

    fn scheme(&self) -> &'static str {
        if self.reference.is_insecure() { "http" } else { "https" }
    }

    fn url(&self, kind: &str, which: &str) -> Result<Url, Error> {
        let repository = self.reference.repository();
        self.root(&format!("{repository}/{kind}/{which}"))
    }

    fn root(&self, path: &str) -> Result<Url, Error> {
        let text = format!("{}://{}/v2/{path}", self.scheme(), self.reference.host());
        text.parse().map_err(|error| Error::InvalidReference {
            reference: self.reference.written().to_owned(),
            reason: format!("{text} is no address: {error}"),
        })
    }

    async fn send(&self, method: Method, url: Url) -> Result<Response, Error> {
        let authorization = self.authorization.get_or_try_init(|| self.authorize()).await?;
        let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
        let mut request = self.http.request(method, url).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(|error| failed(self.reference, &error))
    }

    /// The `Authorization` for each request, by the challenge that `GET /v2/` answers.
    async fn authorize(&self) -> Result<Option<HeaderValue>, Error> {
        let asking = self.http.get(self.root("")?).send();
        let answer = asking.await.map_err(|error| failed(self.reference, &error))?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|h| h.to_str().ok());
        let Some(challenge) = challenge else { return Ok(None) };
        let registry = self.reference.registry();
        let given = self.options.logins.configs();
        let given = given.filter_map(|config| saved::in_plain(config, registry)).next();
        let login = match (given, self.options.docker_config.as_deref()) {
            (Some(login), _) => Some(login),
            (None, Some(dir)) => saved::saved(dir, registry).await,
            (None, None) => None,
        };
        match login::bearer(challenge) {
            Some(bearer) => self.token(&bearer, login).await,
            // The other scheme in use is Basic, with the login itself.
            None => Ok(login.and_then(|login| basic(&login))),
        }
    }

    /// A token for pulling. Without one, requests go anonymously and the registry refuses them.
    async fn token(
        &self,
        bearer: &login::Bearer,
        login: Option<Login>,
    ) -> Result<Option<HeaderValue>, Error> {
        let Ok(realm) = bearer.realm.parse::<Url>() else { return Ok(None) };
        if realm.scheme() != "https" && !self.reference.is_insecure() {
            let reason = format!("its tokens are at {realm}, which is not encrypted");
            return Err(self.broken(reason));
        }
        let scope = format!("repository:{}:pull", self.reference.repository());
        let mut request = self.http.get(realm).query(&[("scope", &scope)]);
        if let Some(service) = &bearer.service {
            request = request.query(&[("service", service)]);
        }
        if let Some(authorization) = login.and_then(|login| basic(&login)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = request.send().await.map_err(|error| failed(self.reference, &error))?;
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
        Err(refusal(self.reference, status.as_u16(), &body))
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
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| failed(self.reference, &error))?
        {
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
            registry: self.reference.registry().to_owned(),
            reason,
        }
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
        let chunk = chunk.map_err(|error| failed(self.remote.reference, &error))?;
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

fn basic(Login { user, password }: &Login) -> Option<HeaderValue> {
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
