//! The one place where the server reads the clock. Everything below it takes the time as an
//! argument.

use chengmai_model::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
