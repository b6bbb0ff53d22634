//! Carries requests and answers between a client and a pod that is already chosen.

pub(crate) mod describe;
pub(crate) mod due;
pub(crate) mod exec;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod held;
pub(crate) mod pod_stream;
pub(crate) mod pool;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod stream_ends;
pub(crate) mod timeout;
pub(crate) mod tunnel;
pub(crate) mod unread;
