//! Errors of decoding a protobuf body.

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    #[error("it does not begin with the four bytes \"k8s\\0\"")]
    Magic,
    #[error("it is cut off, or its lengths do not add up")]
    Broken,
    #[error("its content is encoded as {0:?}")]
    Encoding(String),
    #[error("field {0} is not UTF-8 text")]
    Text(String),
    #[error("field {0} is not JSON")]
    Json(String),
    #[error("field {0} has a value of another type")]
    Form(String),
    #[error("its messages are nested too deeply")]
    Deep,
}
