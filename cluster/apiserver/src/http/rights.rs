//! The rights of users. Service accounts that come with a token may do what Kubernetes lets every
//! account do: discovery, health, and questions about themselves. Others may do everything.
//!
//! Upstream: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` (`system:discovery`, `system:basic-user`,
//! `system:public-info-viewer`, `system:service-account-issuer-discovery`),
//! `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`.

use http::Method;
use serde_json::Value;

use super::request::{self, OPENID, OPENID_KEYS, Path, Query, Target};
use crate::identity::{Rights, UserInfo};
use crate::status::Failure;

const OPEN: [&str; 10] = [
    "/api",
    "/apis",
    "/openapi",
    "/version",
    "/version/",
    "/healthz",
    "/livez",
    "/readyz",
    OPENID_KEYS,
    OPENID,
];
const OPEN_BELOW: [&str; 3] = ["/api/", "/apis/", "/openapi/"];
/// Groups of reviews, and those that are about the user who asks.
const REVIEWS: [(&str, &str); 3] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// What is asked for, in the words of the authorizer.
struct Attributes<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

/// Why this user may not send a request; None if it may.
pub(super) fn refusal(
    user: &UserInfo,
    method: &Method,
    uri: &str,
    path: &Path,
    query: &Query,
) -> Option<Failure> {
    if user.rights == Rights::All {
        return None;
    }
    let Path::Resource(target) = path else {
        let verb = method.as_str().to_ascii_lowercase();
        let verb = if verb == "head" { "get" } else { &verb };
        return (!may_read(verb, uri)).then(|| Failure::forbidden_path(&user.username, verb, uri));
    };
    let verb = request::verb(method, target, query).map_or("get", request::word);
    let attributes = Attributes::of(verb, target);
    (!attributes.allowed()).then(|| attributes.refusal(&user.username))
}

/// The answer to a SelfSubjectAccessReview's `spec`.
pub(super) fn allows(user: &UserInfo, spec: &Value) -> bool {
    if user.rights == Rights::All {
        return true;
    }
    let text = |value: &'_ Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    if let Some(path) = spec.get("nonResourceAttributes") {
        return may_read(&text(path, "verb"), &text(path, "path"));
    }
    let about = &spec["resourceAttributes"];
    let (verb, group) = (text(about, "verb"), text(about, "group"));
    let (resource, subresource) = (text(about, "resource"), text(about, "subresource"));
    let asked = Attributes {
        verb: &verb,
        group: &group,
        resource: &resource,
        subresource: &subresource,
        namespace: "",
        name: "",
    };
    asked.allowed()
}

/// Why this user may not act as another.
pub(super) fn impersonation(user: &UserInfo, name: &str) -> Option<Failure> {
    let attributes = Attributes {
        verb: "impersonate",
        group: "",
        resource: "users",
        subresource: "",
        namespace: "",
        name,
    };
    (user.rights != Rights::All).then(|| attributes.refusal(&user.username))
}

fn may_read(verb: &str, path: &str) -> bool {
    verb == "get" && (OPEN.contains(&path) || OPEN_BELOW.iter().any(|open| path.starts_with(open)))
}

impl<'a> Attributes<'a> {
    fn of(verb: &'a str, target: &'a Target) -> Self {
        let Target { group, plural, name, subresource, .. } = target;
        // A namespace is in itself.
        let own = group.is_empty() && plural == "namespaces" && target.namespace.is_empty();
        let namespace = if own { name } else { &target.namespace };
        Self { verb, group, resource: plural, subresource, namespace, name }
    }

    fn allowed(&self) -> bool {
        self.verb == "create" && REVIEWS.contains(&(self.group, self.resource))
    }

    fn refusal(&self, user: &str) -> Failure {
        let Self { verb, group, resource, subresource, namespace, name } = self;
        let full = match *subresource {
            "" => (*resource).to_owned(),
            subresource => format!("{resource}/{subresource}"),
        };
        let place = match *namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why =
            format!("User {user:?} cannot {verb} resource {full:?} in API group {group:?} {place}");
        Failure::forbidden_resource((group, resource), name, &why)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(method: &Method, uri: &str) -> Option<String> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let user = UserInfo::account("shop", "robot");
        let (parsed, query) = (request::path(path), Query::parse(query));
        assert!(refusal(&UserInfo::administrator(), method, path, &parsed, &query).is_none());
        refusal(&user, method, path, &parsed, &query).map(|failure| failure.message)
    }

    #[test]
    fn an_account_may_discover_and_ask_about_itself() {
        for path in ["/api", "/apis/apps/v1", "/openapi/v3", "/version", "/readyz", OPENID] {
            assert_eq!(asked(&Method::GET, path), None, "{path}");
        }
        let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        assert_eq!(asked(&Method::POST, review), None);
        let user = UserInfo::account("shop", "robot");
        let may = |spec: Value| allows(&user, &spec);
        assert!(may(json!({ "nonResourceAttributes": { "path": "/version", "verb": "get" } })));
        assert!(!may(json!({ "nonResourceAttributes": { "path": "/metrics", "verb": "get" } })));
        assert!(!may(json!({ "resourceAttributes": { "resource": "pods", "verb": "list" } })));
    }

    #[test]
    fn everything_else_is_refused_in_the_servers_words() {
        let robot = "User \"system:serviceaccount:shop:robot\" cannot";
        for (method, path, said) in [
            (
                Method::GET,
                "/api/v1/namespaces/d/pods",
                format!(
                    "pods is forbidden: {robot} list resource \"pods\" in API group \"\" in the namespace \"d\""
                ),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/d/pods/p/log",
                format!(
                    "pods \"p\" is forbidden: {robot} get resource \"pods/log\" in API group \"\" in the namespace \"d\""
                ),
            ),
            (
                Method::DELETE,
                "/apis/apps/v1/deployments",
                format!(
                    "deployments.apps is forbidden: {robot} deletecollection resource \"deployments\" in API group \"apps\" at the cluster scope"
                ),
            ),
            (
                Method::GET,
                "/api/v1/namespaces/d",
                format!(
                    "namespaces \"d\" is forbidden: {robot} get resource \"namespaces\" in API group \"\" in the namespace \"d\""
                ),
            ),
            (
                Method::GET,
                "/api/v1/pods?watch=1",
                format!(
                    "pods is forbidden: {robot} watch resource \"pods\" in API group \"\" at the cluster scope"
                ),
            ),
            (Method::GET, "/", format!("forbidden: {robot} get path \"/\"")),
            (Method::POST, "/version", format!("forbidden: {robot} post path \"/version\"")),
        ] {
            assert_eq!(asked(&method, path), Some(said), "{path}");
        }
    }
}
