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
    #[error("field {0} is no text in UTF-8")]
    Text(String),
    #[error("field {0} holds no JSON")]
    Json(String),
    #[error("field {0} is no number, time or text as its type has it")]
    Form(String),
    #[error("its messages are nested too deeply")]
    Deep,
}
