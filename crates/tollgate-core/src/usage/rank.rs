//! How good a reading is, and which of two readings of the same call counts. Readings never add up: the better one
//! replaces the other, in whatever order and however often they come.

use serde::{Deserialize, Serialize};

use super::flags::{Flag, Flags};
use super::record::Usage;

/// How good a reading is. The order is the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Nobody reported: the hold, when its lease ended.
    Hold = 1,
    /// Estimated from the bytes of text that were seen.
    Estimate = 2,
    /// The provider's own numbers up to some moment of the stream.
    SoFar = 3,
    /// The provider's own last numbers.
    Final = 4,
}

impl Rank {
    /// The number in the database.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The rank of a number.
    pub const fn of_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Hold),
            2 => Some(Self::Estimate),
            3 => Some(Self::SoFar),
            4 => Some(Self::Final),
            _ => None,
        }
    }
}

/// What one source says of one call at one moment.
///
/// The order is that of the upgrade rule: rank, then how much of the answer had been seen, then the numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// How good it is.
    pub rank: Rank,
    /// Bytes of the response's body that had been seen: of two readings of the same rank, the later one counts. 0 for a
    /// source that saw no body.
    #[serde(default)]
    pub seen: u64,
    /// The numbers.
    pub usage: Usage,
    /// What was odd.
    #[serde(default)]
    pub flags: Flags,
}

impl Reading {
    /// What the row says after `next` has come as well: the better of the two.
    ///
    /// The result does not depend on the order or the number of the calls: it is the greatest reading. A row of which two
    /// final readings differ is flagged, whichever came first.
    #[must_use]
    pub fn upgraded(self, next: Self) -> Self {
        let both_final = self.rank == Rank::Final && next.rank == Rank::Final;
        let disagree = both_final
            && (self.usage.counts() != next.usage.counts() || self.usage.model() != next.usage.model());
        let disagreed = self.flags.has(Flag::Disagreement) || next.flags.has(Flag::Disagreement);
        let (mine, other) = (self.without_disagreement(), next.without_disagreement());
        let mut better = mine.max(other);
        if disagree || (disagreed && better.rank == Rank::Final) {
            better.flags.set(Flag::Disagreement);
        }
        better
    }

    /// The flag is the row's, and no part of the order of readings.
    fn without_disagreement(mut self) -> Self {
        self.flags = self.flags.without(Flag::Disagreement);
        self
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::super::{Count, Counts, ServiceTier};
    use super::*;

    fn reading(rank: Rank, seen: u64, input: i64, output: i64) -> Reading {
        let count = |value| Count::new(value).unwrap();
        let counts = Counts { input: count(input), output: count(output), ..Counts::default() };
        let usage = Usage::new(counts, None, None, ServiceTier::Standard).unwrap();
        Reading { rank, seen, usage, flags: Flags::NONE }
    }

    fn any_reading() -> impl Strategy<Value = Reading> {
        (1_i16..=4, 0_u64..3, 0_i64..3, 0_i64..3, 0_u8..4).prop_map(|(rank, seen, input, output, odd)| {
            let mut reading = reading(Rank::of_number(rank).unwrap(), seen, input, output);
            if odd == 0 {
                reading.flags.set(Flag::TotalMismatch);
            }
            reading
        })
    }

    fn row(readings: &[Reading]) -> Reading {
        readings.iter().cloned().reduce(Reading::upgraded).unwrap()
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_give_the_same_row(
            (one, other) in prop::collection::vec(any_reading(), 1..6).prop_flat_map(|all| {
                let again = subsequence(all.clone(), 0..=all.len());
                let more = (Just(all.clone()), again).prop_map(|(mut all, again)| { all.extend(again); all });
                (Just(all), more.prop_shuffle())
            })
        ) {
            prop_assert_eq!(row(&one), row(&other));
        }

        #[test]
        fn parts_of_the_row_may_be_folded_apart(readings in prop::collection::vec(any_reading(), 2..6), at in 1_usize..5) {
            let (front, back) = readings.split_at(at.min(readings.len() - 1));
            prop_assert_eq!(row(front).upgraded(row(back)), row(&readings));
        }

        #[test]
        fn a_row_is_one_of_its_readings_and_never_a_sum(readings in prop::collection::vec(any_reading(), 1..6)) {
            let row = row(&readings);
            prop_assert!(readings.iter().any(|reading| reading.usage == row.usage && reading.rank == row.rank));
            prop_assert!(readings.iter().all(|reading| reading.rank <= row.rank));
        }
    }

    #[test]
    fn rank_counts_before_size_and_the_later_of_a_rank_wins() {
        let table = [
            (reading(Rank::Hold, 0, 900, 900), reading(Rank::Estimate, 5, 10, 10)),
            (reading(Rank::Estimate, 900, 900, 900), reading(Rank::SoFar, 5, 10, 1)),
            (reading(Rank::SoFar, 900, 900, 900), reading(Rank::Final, 0, 10, 1)),
            (reading(Rank::SoFar, 10, 10, 20), reading(Rank::SoFar, 20, 10, 15)),
            (reading(Rank::SoFar, 20, 10, 15), reading(Rank::SoFar, 20, 10, 16)),
        ];
        for (worse, better) in table {
            assert_eq!(worse.clone().upgraded(better.clone()), better);
            assert_eq!(better.clone().upgraded(worse), better);
        }
    }

    #[test]
    fn final_readings_that_differ_are_flagged_once_and_for_all() {
        let (one, other) = (reading(Rank::Final, 50, 10, 5), reading(Rank::Final, 0, 10, 6));
        let row = row(&[one.clone(), other.clone(), one.clone(), reading(Rank::Hold, 0, 1, 1)]);
        assert!(row.flags.has(Flag::Disagreement));
        assert_eq!(row.usage, one.usage);
        assert!(!one.clone().upgraded(one).flags.has(Flag::Disagreement));
        assert!(!reading(Rank::SoFar, 9, 1, 1).upgraded(other).flags.has(Flag::Disagreement));
    }

    #[test]
    fn ranks_survive_the_database() {
        for rank in [Rank::Hold, Rank::Estimate, Rank::SoFar, Rank::Final] {
            assert_eq!(Rank::of_number(rank.number()), Some(rank));
        }
        assert_eq!([0, 5, -1].map(Rank::of_number), [None; 3]);
    }
}
