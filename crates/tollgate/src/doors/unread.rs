//! The denial of a check whose message or body could not be read.

use tollgate_core::denial::{Denial, DenialCode};

use crate::listener::Unread;

/// Why it is denied.
pub fn unread(why: Unread) -> Denial {
    match why {
        Unread::TooLarge | Unread::Broken => {
            Denial::new(DenialCode::RequestMalformed, "the forwarded body is broken or too large")
        }
        Unread::Late => Denial::new(DenialCode::Deadline, "the forwarded body did not arrive in time"),
        Unread::Full => {
            let reason = "requests hold more bytes than server.limits.max_bytes_in_flight";
            Denial::new(DenialCode::Overloaded, reason)
        }
    }
}
