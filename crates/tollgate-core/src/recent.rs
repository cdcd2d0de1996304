//! A recent proof of who somebody is (step-up, RFC 9470): what gives or widens a right, or shows a secret, asks for one.

use std::time::Duration;

use crate::time::Timestamp;

/// Evidence that somebody proved lately enough who they are. There is no other way to it than [`RecentProof::judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentProof(());

impl RecentProof {
    /// Whether a proof of the moment `proven` is recent at `now`. Without a bound everybody's is, since the deployment asks
    /// for none; with one, somebody who does not say when they proved it has not proved it.
    pub fn judge(proven: Option<Timestamp>, bound: Option<Duration>, now: Timestamp) -> Option<Self> {
        let Some(bound) = bound else { return Some(Self(())) };
        let bound = i64::try_from(bound.as_millis()).unwrap_or(i64::MAX);
        proven.filter(|at| now.millis_since(*at) <= bound).map(|_| Self(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_is_up_to_the_bound() {
        let now = Timestamp::from_secs(10_000);
        let hour = Some(Duration::from_secs(3600));
        for (ago, expected) in [(0, true), (3600, true), (3601, false), (-5, true)] {
            let at = Some(now.plus_secs(-ago));
            assert_eq!(RecentProof::judge(at, hour, now).is_some(), expected, "{ago}");
        }
        assert_eq!(RecentProof::judge(None, hour, now), None, "who does not say it has not proved it");
        assert_eq!(RecentProof::judge(Some(Timestamp::from_millis(i64::MIN)), hour, now), None);
        assert!(RecentProof::judge(None, None, now).is_some(), "nothing is asked");
    }
}
