//! Members: those who may call a Service, in the words of Cloud Run's IAM.
//!
//! ```text
//! allUsers                          anybody
//! allAuthenticatedUsers             whoever has a valid token
//! serviceAccount:NAME@NAMESPACE     a service account of the cluster
//! serviceAccount:EMAIL, user:EMAIL  whose token has this verified email
//! subject:SUBJECT                   whose token has this `sub`
//! key:NAME=sha256:DIGEST            who sends the API key with this digest
//! ```

use std::fmt;
use std::str::FromStr;

use rouse_k8s::form;

/// Bytes of a SHA-256 digest.
pub const DIGEST_LEN: usize = 32;

/// Longest text of a member that is read.
const TEXT_MAX: usize = 512;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    AllUsers,
    AllAuthenticatedUsers,
    /// A service account of the cluster; without a namespace, in the Service's.
    Account {
        name: String,
        namespace: Option<String>,
    },
    /// `account`: it was written as a service account.
    Email {
        email: String,
        account: bool,
    },
    Subject(String),
    Key {
        name: String,
        digest: [u8; DIGEST_LEN],
    },
}

/// A text that is no member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    #[error(
        "{0:?} is no member; write allUsers, allAuthenticatedUsers, serviceAccount:NAME@NAMESPACE, user:EMAIL, \
         subject:SUBJECT or key:NAME=sha256:DIGEST"
    )]
    Form(String),
    #[error(
        "{0:?} names no service account; write serviceAccount:NAME or serviceAccount:NAME@NAMESPACE"
    )]
    Account(String),
    #[error("{0:?} names no email address; write user:NAME@DOMAIN")]
    Email(String),
    #[error("{0:?} names no subject; write what the token's `sub` says, without spaces and commas")]
    Subject(String),
    #[error(
        "{0:?} is no API key; write key:NAME=sha256: and the 64 hexadecimal digits of the key's SHA-256, \
         or let `rouse invokers add` make one"
    )]
    Key(String),
}

impl Member {
    /// The same with the namespace that it is in if it names none.
    #[must_use]
    pub fn within(self, own: &str) -> Self {
        match self {
            Self::Account { name, namespace: None } => {
                Self::Account { name, namespace: Some(own.to_owned()) }
            }
            other => other,
        }
    }

    /// Its name without secrets, as commands show it.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Key { name, .. } => format!("key:{name}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllUsers => f.write_str("allUsers"),
            Self::AllAuthenticatedUsers => f.write_str("allAuthenticatedUsers"),
            Self::Account { name, namespace: None } => write!(f, "serviceAccount:{name}"),
            Self::Account { name, namespace: Some(namespace) } => {
                write!(f, "serviceAccount:{name}@{namespace}")
            }
            Self::Email { email, account: true } => write!(f, "serviceAccount:{email}"),
            Self::Email { email, account: false } => write!(f, "user:{email}"),
            Self::Subject(subject) => write!(f, "subject:{subject}"),
            Self::Key { name, digest } => {
                write!(f, "key:{name}=sha256:")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let shown = || text.chars().take(80).collect::<String>();
        if text.len() > TEXT_MAX {
            return Err(MemberError::Form(shown()));
        }
        match text.split_once(':') {
            None if text == "allUsers" => Ok(Self::AllUsers),
            None if text == "allAuthenticatedUsers" => Ok(Self::AllAuthenticatedUsers),
            Some(("serviceAccount", rest)) => {
                account(rest).ok_or_else(|| MemberError::Account(shown()))
            }
            Some(("user", email)) if is_email(email) => {
                Ok(Self::Email { email: email.to_owned(), account: false })
            }
            Some(("user", _)) => Err(MemberError::Email(shown())),
            Some(("subject", subject))
                if !subject.is_empty() && !subject.contains(is_separator) =>
            {
                Ok(Self::Subject(subject.to_owned()))
            }
            Some(("subject", _)) => Err(MemberError::Subject(shown())),
            Some(("key", rest)) => key(rest).ok_or_else(|| MemberError::Key(shown())),
            None | Some(_) => Err(MemberError::Form(shown())),
        }
    }
}

/// Whether a character parts two members of a list.
pub(crate) fn is_separator(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// The members of a list as text: parted by commas, spaces and line ends.
pub fn texts(list: &str) -> impl Iterator<Item = &str> {
    list.split(is_separator).filter(|text| !text.is_empty())
}

fn account(text: &str) -> Option<Member> {
    let (name, namespace) = match text.split_once('@') {
        // A domain has a dot, which no namespace has.
        Some((_, domain)) if domain.contains('.') => {
            let email = is_email(text).then(|| text.to_owned())?;
            return Some(Member::Email { email, account: true });
        }
        Some((name, namespace)) => (name, Some(namespace)),
        None => (text, None),
    };
    let valid = form::dns_1123_subdomain(name).is_empty()
        && namespace.is_none_or(|namespace| form::dns_1123_label(namespace).is_empty());
    valid.then(|| Member::Account {
        name: name.to_owned(),
        namespace: namespace.map(ToOwned::to_owned),
    })
}

/// Whether a text has the form of an address; whether it exists only its issuer knows.
fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@')
    }) && !text.contains(is_separator)
}

/// Whether a text may be the name of an API key.
#[must_use]
pub fn is_key_name(text: &str) -> bool {
    form::dns_1123_subdomain(text).is_empty()
}

fn key(text: &str) -> Option<Member> {
    let (name, digest) = text.split_once("=sha256:")?;
    Some(Member::Key {
        name: is_key_name(name).then(|| name.to_owned())?,
        digest: digest_of_hex(digest)?,
    })
}

fn digest_of_hex(hex: &str) -> Option<[u8; DIGEST_LEN]> {
    let mut digest = [0; DIGEST_LEN];
    if hex.len() != 2 * DIGEST_LEN || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:00ff000000000000000000000000000000000000000000000000000000000010";

    #[test]
    fn members_are_read_and_written_alike() {
        let key = format!("key:ci={DIGEST}");
        for text in [
            "allUsers",
            "allAuthenticatedUsers",
            "serviceAccount:robot",
            "serviceAccount:robot@shop",
            "serviceAccount:robot@project.iam.gserviceaccount.com",
            "user:ada@example.org",
            "subject:repo:org/app:ref:refs/heads/main",
            &key,
        ] {
            let member = text.parse::<Member>();
            assert_eq!(member.map(|member| member.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(key.parse::<Member>().map(|key| key.label()).as_deref(), Ok("key:ci"));
        let robot = "serviceAccount:robot".parse::<Member>().expect("a member");
        assert_eq!(robot.within("shop").to_string(), "serviceAccount:robot@shop");
    }

    #[test]
    fn what_is_no_member_is_refused_with_its_right_form() {
        for (text, says) in [
            ("robot", "allUsers, allAuthenticatedUsers"),
            ("group:staff@example.org", "is no member"),
            ("serviceAccount:", "write serviceAccount:NAME"),
            ("serviceAccount:Robot@shop", "write serviceAccount:NAME"),
            ("user:ada", "write user:NAME@DOMAIN"),
            ("user:a@b@c", "write user:NAME@DOMAIN"),
            ("subject:", "names no subject"),
            ("key:ci", "key:NAME=sha256:"),
            ("key:ci=sha256:00", "64 hexadecimal digits"),
            ("key:=sha256:00", "64 hexadecimal digits"),
        ] {
            let error = text.parse::<Member>().expect_err(text).to_string();
            assert!(error.contains(says), "{error}");
        }
        let long = format!("subject:{}", "x".repeat(600));
        assert!(long.parse::<Member>().expect_err("too long").to_string().len() < 300);
    }

    #[test]
    fn a_list_is_parted_by_commas_spaces_and_lines() {
        assert_eq!(texts(" a, b\n c,,d ").collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}
