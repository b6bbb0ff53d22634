//! The state of the Secret that a mapping names.

use rouse_kit::certificates::CertificateError;

/// The state of the user's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    Usable,
    /// No Secret of this name has the type of a certificate.
    Missing {
        secret: String,
    },
    Broken {
        secret: String,
        cause: CertificateError,
    },
}
