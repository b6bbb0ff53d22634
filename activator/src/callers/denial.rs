//! Why a caller is refused: the status, the challenge, a word for programs, and a sentence that never repeats what was
//! sent as a secret.
//!
//! As Cloud Run: 403 without credentials or without an invitation, 401 for a token that is not valid.

use http::HeaderValue;

/// Why a caller is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("this service may not be called from {address}")]
    Network { address: String },
    #[error(
        "this service asks its callers who they are; send an identity token as Authorization: Bearer TOKEN, \
         or an API key as X-API-Key"
    )]
    NoCredentials,
    #[error("the request has more than one {header} header; send one")]
    TwoCredentials { header: &'static str },
    #[error("the token is longer than {} bytes", super::token::TOKEN_MAX)]
    TokenTooLong,
    #[error("the token is no identity token: it is not a signed JSON Web Token with an issuer")]
    NoToken,
    #[error("the token is signed by an algorithm other than RS256 and ES256")]
    Algorithm,
    #[error("this service does not accept tokens of the token's issuer")]
    UnknownIssuer,
    #[error("the token is signed by a key that {issuer} does not publish")]
    UnknownKey { issuer: String },
    #[error("the token's signature is not that of {issuer}")]
    BadSignature { issuer: String },
    #[error("the token has no expiry")]
    NoExpiry,
    #[error("the token expired {seconds} seconds ago")]
    Expired { seconds: i64 },
    #[error("the token is not valid before {seconds} seconds from now")]
    NotYetValid { seconds: i64 },
    #[error("the token is for another audience; ask for one for the URL of this service")]
    WrongAudience,
    #[error("this service does not know the API key")]
    UnknownApiKey,
    #[error("{caller} may not call this service")]
    NotInvited { caller: String },
    #[error("the keys of {issuer} cannot be read now, so the token cannot be verified: {cause}")]
    IssuerUnreachable { issuer: String, cause: String },
}

impl Denial {
    /// The words of all denials, in the order of the metric's counters.
    pub(crate) const REASONS: [&str; 16] = [
        "NetworkNotAllowed",
        "NoCredentials",
        "TwoCredentials",
        "TokenTooLong",
        "NoToken",
        "TokenAlgorithm",
        "UnknownIssuer",
        "UnknownKey",
        "BadSignature",
        "TokenWithoutExpiry",
        "TokenExpired",
        "TokenNotYetValid",
        "WrongAudience",
        "UnknownApiKey",
        "NotInvited",
        "IssuerUnreachable",
    ];

    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Network { .. } => 0,
            Self::NoCredentials => 1,
            Self::TwoCredentials { .. } => 2,
            Self::TokenTooLong => 3,
            Self::NoToken => 4,
            Self::Algorithm => 5,
            Self::UnknownIssuer => 6,
            Self::UnknownKey { .. } => 7,
            Self::BadSignature { .. } => 8,
            Self::NoExpiry => 9,
            Self::Expired { .. } => 10,
            Self::NotYetValid { .. } => 11,
            Self::WrongAudience => 12,
            Self::UnknownApiKey => 13,
            Self::NotInvited { .. } => 14,
            Self::IssuerUnreachable { .. } => 15,
        }
    }

    /// A word for programs; stable.
    pub(crate) fn reason(&self) -> &'static str {
        Self::REASONS[self.index()]
    }

    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(match self {
            Self::Network { .. } | Self::IssuerUnreachable { .. } => return None,
            Self::NoCredentials => "Bearer",
            Self::NotInvited { .. } => {
                "Bearer error=\"insufficient_scope\", error_description=\"The caller is not invited\""
            }
            Self::UnknownApiKey => {
                "Bearer error=\"invalid_token\", error_description=\"The API key is not known\""
            }
            Self::Expired { .. } => {
                "Bearer error=\"invalid_token\", error_description=\"The token has expired\""
            }
            Self::WrongAudience => {
                "Bearer error=\"invalid_token\", error_description=\"The token is for another audience\""
            }
            Self::TwoCredentials { .. }
            | Self::TokenTooLong
            | Self::NoToken
            | Self::Algorithm
            | Self::UnknownIssuer
            | Self::UnknownKey { .. }
            | Self::BadSignature { .. }
            | Self::NoExpiry
            | Self::NotYetValid { .. } => {
                "Bearer error=\"invalid_token\", error_description=\"The token could not be verified\""
            }
        }))
    }

    /// How the answer counts; its code itself originates with the gateway's other ones.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Network { .. } | Self::NoCredentials | Self::NotInvited { .. } => Kind::Forbidden,
            Self::TwoCredentials { .. }
            | Self::TokenTooLong
            | Self::NoToken
            | Self::Algorithm
            | Self::UnknownIssuer
            | Self::UnknownKey { .. }
            | Self::BadSignature { .. }
            | Self::NoExpiry
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::WrongAudience
            | Self::UnknownApiKey => Kind::Unauthenticated,
            Self::IssuerUnreachable { .. } => Kind::Unavailable,
        }
    }
}

/// Kinds of denials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 401: what was sent proves nothing.
    Unauthenticated,
    /// 403: nobody, or somebody who is not invited.
    Forbidden,
    /// 503: it cannot be known now.
    Unavailable,
}
