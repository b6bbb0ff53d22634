//! Annotations about the callers of a Service: each is refused by name for what it cannot mean.

use std::collections::BTreeMap;

use crate::config::callers::{Ingress, audiences, issuer_problem};
use crate::terms::field_error::{FieldError, FieldErrors};
use crate::terms::keys;
use crate::terms::member::{Member, texts};
use crate::terms::network;

/// Most members, and most issuers, of one Service. Each request is compared with all.
const MEMBERS_MAX: usize = 1000;
const ISSUERS_MAX: usize = 16;

type Annotations = BTreeMap<String, String>;

/// Checks the annotations of a Service or Route.
pub(super) fn of(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let mut refuse = |text: &str, key: &str, why: &str| {
        errors.push(FieldError::invalid(text, key).with_details(why));
    };
    let said = |key: &str| annotations.get(key).map(String::as_str);
    if let Some(text) = said(keys::INGRESS).filter(|text| Ingress::parse(text).is_none()) {
        refuse(text, keys::INGRESS, "write all, internal or internal-and-cloud-load-balancing");
    }
    for text in texts(said(keys::ALLOWED_NETWORKS).unwrap_or_default()) {
        if network::parse(text).is_none() {
            refuse(text, keys::ALLOWED_NETWORKS, "write an address range, such as 10.0.0.0/8");
        }
    }
    let issuers = said(keys::ISSUERS).unwrap_or_default();
    for text in texts(issuers) {
        if let Some(why) = issuer_problem(text) {
            refuse(text, keys::ISSUERS, why);
        }
    }
    if let Some(text) = said(keys::CUSTOM_AUDIENCES).filter(|text| audiences(text).is_none()) {
        refuse(
            text,
            keys::CUSTOM_AUDIENCES,
            "write a JSON list, such as [\"https://example.org\"]",
        );
    }
    let disabled = said(keys::INVOKER_IAM_DISABLED);
    if let Some(text) = disabled.filter(|text| !matches!(*text, "true" | "false")) {
        refuse(text, keys::INVOKER_IAM_DISABLED, "write true or false");
    }
    let members: Vec<&str> = texts(said(keys::INVOKERS).unwrap_or_default()).collect();
    let without_issuer = texts(issuers).next().is_none();
    for text in &members {
        match text.parse::<Member>() {
            Ok(Member::Email { .. } | Member::Subject(_)) if without_issuer => {
                let why = format!(
                    "{text} needs an issuer of identity tokens: name one, such as https://accounts.google.com"
                );
                errors.push(FieldError::new(why, keys::ISSUERS));
            }
            Ok(_) => {}
            Err(problem) => errors.push(FieldError::new(problem.to_string(), keys::INVOKERS)),
        }
    }
    for (count, most, key) in [
        (members.len(), MEMBERS_MAX, keys::INVOKERS),
        (texts(issuers).count(), ISSUERS_MAX, keys::ISSUERS),
    ] {
        if count > most {
            errors.push(FieldError::out_of_bounds(count, 0, most, key));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], says: &str) {
        let annotations: Annotations =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(of(&annotations).to_string(), says);
    }

    #[test]
    fn rules_that_mean_something_are_stored() {
        check(&[], "");
        check(
            &[
                (keys::INGRESS, "internal"),
                (keys::INVOKERS, "serviceAccount:robot@shop, user:ada@example.org\nallUsers"),
                (keys::ISSUERS, "https://a.example"),
                (keys::ALLOWED_NETWORKS, "10.0.0.0/8, ::1"),
                (keys::CUSTOM_AUDIENCES, "[\"x\"]"),
                (keys::INVOKER_IAM_DISABLED, "false"),
            ],
            "",
        );
        check(&[(keys::INVOKERS, "")], "");
    }

    #[test]
    fn each_other_value_is_refused_in_one_sentence() {
        for (key, value, says) in [
            (
                keys::INGRESS,
                "private",
                "invalid value: private: run.googleapis.com/ingress\n\
                 write all, internal or internal-and-cloud-load-balancing",
            ),
            (
                keys::ALLOWED_NETWORKS,
                "10.0.0.0/8, office",
                "invalid value: office: rouse.dev/allowed-networks\n\
                 write an address range, such as 10.0.0.0/8",
            ),
            (
                keys::ISSUERS,
                "accounts.google.com",
                "invalid value: accounts.google.com: rouse.dev/issuers\nan issuer is an https URL",
            ),
            (
                keys::CUSTOM_AUDIENCES,
                "x",
                "invalid value: x: run.googleapis.com/custom-audiences\n\
                 write a JSON list, such as [\"https://example.org\"]",
            ),
            (
                keys::INVOKER_IAM_DISABLED,
                "yes",
                "invalid value: yes: run.googleapis.com/invoker-iam-disabled\nwrite true or false",
            ),
            (
                keys::INVOKERS,
                "user:ada@example.org",
                "user:ada@example.org needs an issuer of identity tokens: name one, such as \
                 https://accounts.google.com: rouse.dev/issuers",
            ),
            (
                keys::INVOKERS,
                "robot",
                "\"robot\" is no member; write allUsers, allAuthenticatedUsers, \
                 serviceAccount:NAME@NAMESPACE, user:EMAIL, subject:SUBJECT or key:NAME=sha256:DIGEST: \
                 rouse.dev/invokers",
            ),
        ] {
            check(&[(key, value)], says);
        }
        check(
            &[(keys::INVOKERS, &"allUsers ".repeat(1001))],
            "expected 0 <= 1001 <= 1000: rouse.dev/invokers",
        );
    }
}
