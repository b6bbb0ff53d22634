//! Members, issuers and networks of a Service, as its annotations hold them, and their changes. Pure but for new keys.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use rouse_api::member::{Member, is_key_name, texts};
use rouse_api::{callers, keys, network};
use serde_json::{Map, Value};

use crate::outcome::{Context, Failure, Result};

/// Random bytes of an API key.
const KEY_LEN: usize = 32;
/// Begins every API key, so that people and scanners know one when they see it.
const KEY_PREFIX: &str = "rouse_";

type Annotations = BTreeMap<String, String>;

/// What a command names.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    members: Vec<Name>,
    networks: Vec<String>,
    issuers: Vec<String>,
    /// Keys that were made, by name.
    pub(super) fresh_keys: BTreeMap<String, String>,
}

/// A member, or the name of a key whose digest is not known.
#[derive(Clone, Debug, PartialEq)]
enum Name {
    Member(Member),
    Key(String),
}

impl Wanted {
    /// Makes a key for each `key:NAME` that is to be added.
    pub(super) fn of(members: &[String], issuers: &[String], adds: bool) -> Result<Self> {
        let mut wanted = Self { issuers: issuers.to_vec(), ..Self::default() };
        for url in issuers {
            if let Some(why) = callers::issuer_problem(url).filter(|_| adds) {
                return Err(Failure::usage(format!("--issuer {url:?}: {why}")));
            }
        }
        for text in members {
            if let Some(range) = text.strip_prefix("cidr:") {
                if network::parse(range).is_none() {
                    return Err(Failure::usage(format!(
                        "{range:?} is no address range; write cidr:10.0.0.0/8"
                    )));
                }
                wanted.networks.push(range.to_owned());
            } else if let Some(name) = text.strip_prefix("key:").filter(|name| is_key_name(name)) {
                if adds {
                    let (secret, member) = key(name)?;
                    wanted.fresh_keys.insert(name.to_owned(), secret);
                    wanted.members.push(Name::Member(member));
                } else {
                    wanted.members.push(Name::Key(name.to_owned()));
                }
            } else {
                let member = text.parse::<Member>().map_err(|e| Failure::usage(e.to_string()))?;
                wanted.members.push(Name::Member(member));
            }
        }
        Ok(wanted)
    }
}

/// A new key, and the member that stands for it.
fn key(name: &str) -> Result<(String, Member)> {
    let mut bytes = [0; KEY_LEN];
    getrandom::fill(&mut bytes).or_fail(|| "the system has no random bytes".to_owned())?;
    let secret = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let sent = digest::digest(&digest::SHA256, secret.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(sent.as_ref());
    Ok((secret, Member::Key { name: name.to_owned(), digest }))
}

/// Who may call.
#[derive(Debug, PartialEq)]
pub(super) struct Access {
    pub(super) members: Vec<Member>,
    pub(super) networks: Vec<String>,
    pub(super) issuers: Vec<String>,
}

impl Access {
    pub(super) fn of(annotations: &Annotations) -> Self {
        let list = |key: &str| {
            let text = annotations.get(key).map_or("", String::as_str);
            texts(text).map(str::to_owned).collect()
        };
        Self {
            members: callers::members(annotations).unwrap_or_else(|| vec![Member::AllUsers]),
            networks: list(keys::ALLOWED_NETWORKS),
            issuers: list(keys::ISSUERS),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.members.contains(&Member::AllUsers)
    }

    pub(super) fn add(&mut self, wanted: &Wanted) {
        for member in &wanted.members {
            let Name::Member(member) = member else { continue };
            // A key of this name is replaced.
            match self.members.iter_mut().find(|own| own.label() == member.label()) {
                Some(own) => own.clone_from(member),
                None => self.members.push(member.clone()),
            }
        }
        extend(&mut self.networks, &wanted.networks);
        extend(&mut self.issuers, &wanted.issuers);
    }

    /// Refuses what is not there, so that nobody believes in a change that was none.
    pub(super) fn remove(&mut self, wanted: &Wanted, service: &str) -> Result {
        let missing = |what: &str| {
            Err(Failure::new(format!("{what} is not among the invokers of {service}"))
                .next(format!("rouse invokers list {service}")))
        };
        for member in &wanted.members {
            let label = match member {
                Name::Member(member) => member.label(),
                Name::Key(name) => format!("key:{name}"),
            };
            let before = self.members.len();
            self.members.retain(|own| own.label() != label);
            if self.members.len() == before {
                return missing(&label);
            }
        }
        for (own, gone) in
            [(&mut self.networks, &wanted.networks), (&mut self.issuers, &wanted.issuers)]
        {
            for text in gone {
                let Some(place) = own.iter().position(|one| one == text) else {
                    return missing(text);
                };
                own.remove(place);
            }
        }
        Ok(())
    }

    /// The annotations as a merge patch: null where there is nothing to say.
    pub(super) fn annotations(&self) -> Map<String, Value> {
        let list = |all: &[String]| match all {
            [] => Value::Null,
            all => all.join(",").into(),
        };
        let members: Vec<String> = self.members.iter().map(ToString::to_string).collect();
        let members = match self.members.as_slice() {
            [Member::AllUsers] => Value::Null,
            _ => members.join(",").into(),
        };
        Map::from_iter([
            (keys::INVOKERS.to_owned(), members),
            (keys::ALLOWED_NETWORKS.to_owned(), list(&self.networks)),
            (keys::ISSUERS.to_owned(), list(&self.issuers)),
        ])
    }
}

fn extend(all: &mut Vec<String>, more: &[String]) {
    for text in more {
        if !all.contains(text) {
            all.push(text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Option<&str>, adds: bool, members: &[&str]) -> Result<Access> {
        let annotations =
            start.map(|list| (keys::INVOKERS.to_owned(), list.to_owned())).into_iter().collect();
        let members: Vec<String> = members.iter().map(|text| (*text).to_owned()).collect();
        let (mut access, wanted) = (Access::of(&annotations), Wanted::of(&members, &[], adds)?);
        if adds {
            access.add(&wanted);
        } else {
            access.remove(&wanted, "hello")?;
        }
        Ok(access)
    }

    #[test]
    fn members_come_and_go_as_in_an_iam_policy() {
        for (start, adds, members, written) in [
            (None, true, &["serviceAccount:a"][..], Some("allUsers,serviceAccount:a")),
            (None, false, &["allUsers"], Some("")),
            (Some(""), true, &["user:a@b.c", "user:a@b.c"], Some("user:a@b.c")),
            (Some(""), true, &["allUsers"], None),
            (Some("user:a@b.c, allUsers"), false, &["allUsers"], Some("user:a@b.c")),
        ] {
            let access = after(start, adds, members).unwrap();
            let expected = written.map_or(Value::Null, Value::from);
            assert_eq!(access.annotations()[keys::INVOKERS], expected, "{start:?} {members:?}");
        }
        for (adds, member, says) in [
            (false, "user:a@b.c", "is not among the invokers of hello"),
            (true, "robot", "is no member"),
            (true, "cidr:office", "is no address range"),
            (true, "key:A b", "is no API key"),
        ] {
            let said = after(None, adds, &[member]).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
        let networks = after(None, true, &["cidr:10.0.0.0/8", "cidr:::1"]).unwrap();
        assert_eq!(networks.annotations()[keys::ALLOWED_NETWORKS], "10.0.0.0/8,::1");
        assert_eq!(networks.annotations()[keys::INVOKERS], Value::Null);
    }

    #[test]
    fn a_new_key_replaces_the_one_of_its_name_and_is_stored_as_a_digest() {
        let wanted = Wanted::of(&["key:ci".to_owned()], &[], true).unwrap();
        let secret = &wanted.fresh_keys["ci"];
        assert!(secret.starts_with(KEY_PREFIX) && secret.len() == KEY_PREFIX.len() + 43);
        let mut access = after(Some(""), true, &["key:ci"]).unwrap();
        let before = access.members.clone();
        access.add(&wanted);
        assert_eq!(access.members.len(), 1);
        assert_ne!(access.members, before);
        let stored = access.annotations()[keys::INVOKERS].to_string();
        assert!(stored.contains("key:ci=sha256:") && !stored.contains(secret.as_str()), "{stored}");
        access.remove(&Wanted::of(&["key:ci".to_owned()], &[], false).unwrap(), "hello").unwrap();
        assert_eq!(access.members, []);
    }
}
