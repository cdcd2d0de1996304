//! Whether so many people at once can really be gone. A realm that was set up anew has another id for everybody: a directory
//! that knows nobody any more is rather the wrong one than one whose people all left.

/// People that a round may suspend whatever their share is.
const FEW: usize = 10;

/// What a round found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// People who may act, and about whom there was an answer.
    pub active: usize,
    /// Of these, how many do not exist there.
    pub absent: usize,
    /// Of these, how many are disabled there.
    pub disabled: usize,
}

impl Found {
    /// Whether these suspensions must not be carried out before a person has looked at it.
    pub const fn is_implausible(self, max_percent: u8) -> bool {
        if max_percent >= 100 {
            return false;
        }
        let gone = self.absent + self.disabled;
        let share = self.active * max_percent as usize / 100;
        let most = if share > FEW { share } else { FEW };
        let nobody_known = self.active >= 2 && self.absent == self.active;
        gone > most || nobody_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_leave_and_a_multitude_does_not() {
        for (active, absent, disabled, percent, expected) in [
            (0, 0, 0, 10, false),
            (1, 1, 0, 10, false),
            (2, 2, 0, 10, true),
            (2, 0, 2, 10, false),
            (3, 2, 1, 10, false),
            (12, 10, 0, 10, false),
            (12, 11, 0, 10, true),
            (100, 0, 11, 10, true),
            (200, 15, 5, 10, false),
            (200, 15, 6, 10, true),
            (200, 200, 0, 100, false),
            (200, 10, 0, 0, false),
            (200, 11, 0, 0, true),
        ] {
            let found = Found { active, absent, disabled };
            assert_eq!(found.is_implausible(percent), expected, "{found:?} {percent}");
        }
    }
}
