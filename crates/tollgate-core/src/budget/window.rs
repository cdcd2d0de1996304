//! Windows: the stretches of the calendar that a limit is for. Bounds are midnights of one time zone, so a day may have
//! 23 or 25 hours; windows tile time without gap or overlap, whatever clocks do.
//!
//! Which window runs is decided in one place, the database's transaction (see [`super::ledger`]), and stored. The next
//! one starts where the stored one ended. So replicas with different time zone data, or with a clock that is wrong, still
//! charge the same window.

use std::fmt;

use jiff::civil::{Date, Weekday as Day};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Timestamp;

/// One window of one budget: from `start` on, up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    start: Timestamp,
    end: Option<Timestamp>,
}

/// Which windows a budget has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "super::window_form::WindowForm", into = "super::window_form::WindowForm")]
pub enum WindowRule {
    /// One window that never ends.
    Total,
    /// One after the other.
    Calendar(Calendar),
}

/// Windows of the calendar of one time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    every: Every,
    zone: Zone,
}

/// How long a calendar window is, and on which day it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// From midnight to midnight.
    Day,
    /// Seven days.
    Week {
        /// Its first day.
        starts_on: Weekday,
    },
    /// From this day of the month.
    Month {
        /// 29 to 31 mean the last day of shorter months.
        start_day: StartDay,
    },
    /// Three months.
    Quarter {
        /// A month in which a quarter starts; the others follow from it.
        start_month: StartMonth,
        /// As for months.
        start_day: StartDay,
    },
    /// Twelve months.
    Year {
        /// The month in which it starts.
        start_month: StartMonth,
        /// As for months.
        start_day: StartDay,
    },
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// ISO 8601's first.
    #[default]
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

/// A day of the month, 1 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartDay(i8);

/// A month of the year, 1 to 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartMonth(i8);

/// A time zone of the IANA database, in the edition that is compiled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
}

/// Why a window cannot be what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// No such zone.
    #[error("'{0}' is not a time zone; write one of the IANA database, such as \"Europe/Berlin\" or \"UTC\"")]
    Zone(String),
    /// Not 1 to 31.
    #[error("start_day is {0}; write 1 to 31 (29 to 31 mean the last day of shorter months)")]
    StartDay(i64),
    /// Not 1 to 12.
    #[error("start_month is {0}; write 1 to 12")]
    StartMonth(i64),
    /// A setting that this length of window does not have.
    #[error("a window of a {every} has no {setting}; leave it out")]
    NotForThis {
        /// The window's length.
        every: &'static str,
        /// The setting.
        setting: &'static str,
    },
    /// A calendar setting on a window that never ends.
    #[error("the window \"total\" never ends and has no settings; write \"window\": \"total\"")]
    Total,
}

impl Window {
    /// The window that never ends.
    pub const fn total() -> Self {
        Self { start: Timestamp::from_millis(0), end: None }
    }

    /// A window as it was stored; `None` when it would end before it starts.
    pub fn from_bounds(start: Timestamp, end: Option<Timestamp>) -> Option<Self> {
        end.is_none_or(|end| start < end).then_some(Self { start, end })
    }

    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// The first moment after it, when the budget resets; `None` when it never does.
    pub const fn end(self) -> Option<Timestamp> {
        self.end
    }

    /// Whether it is over.
    pub fn is_over(self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Whether this moment is in it.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.start <= moment && !self.is_over(moment)
    }
}

impl WindowRule {
    /// The window of the calendar that holds this moment.
    pub fn window_at(&self, moment: Timestamp) -> Window {
        match self {
            Self::Total => Window::total(),
            Self::Calendar(calendar) => calendar.window_at(moment),
        }
    }

    /// The window that runs at `now` after a stored one: that one as long as it is not over, else the calendar's. It never
    /// starts before the stored one ended, so that no moment is in two windows even when rules or time zone data changed.
    #[must_use]
    pub fn following(&self, stored: Window, now: Timestamp) -> Window {
        match stored.end {
            Some(end) if end <= now => {
                let next = self.window_at(now);
                Window { start: next.start.max(end), ..next }
            }
            _ => stored,
        }
    }

    /// The running window after the rule was changed at `now` to this one: it keeps its start and what was charged to it,
    /// and ends when the new rule's window ends.
    #[must_use]
    pub fn changed(&self, running: Window, now: Timestamp) -> Window {
        let running = self.following(running, now);
        Window { end: self.window_at(now).end, ..running }
    }
}

impl Calendar {
    /// Windows of this length in this zone.
    pub const fn new(every: Every, zone: Zone) -> Self {
        Self { every, zone }
    }

    /// How long they are.
    pub const fn every(&self) -> Every {
        self.every
    }

    /// In whose midnights they start.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    fn window_at(&self, moment: Timestamp) -> Window {
        let moment = Timestamp::from_millis(moment.as_millis().clamp(MOMENTS.0, MOMENTS.1));
        let mut first = self.every.first_day(self.zone.date(moment));
        // Where clocks go back over midnight, a date comes twice: the window is what its bounds say, not the date.
        if moment < self.zone.midnight(first) {
            first = self.every.first_day(days_later(first, -1));
        }
        let mut next = self.every.next(first);
        if self.zone.midnight(next) <= moment {
            first = next;
            next = self.every.next(first);
        }
        Window { start: self.zone.midnight(first), end: Some(self.zone.midnight(next)) }
    }
}

impl Every {
    /// The first day of the window that has this day.
    fn first_day(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week { starts_on } => {
                let since = day.weekday().since(starts_on.day());
                days_later(day, -i32::from(since))
            }
            Self::Month { start_day } => first_of_months(day, 1, 1, start_day),
            Self::Quarter { start_month, start_day } => first_of_months(day, 3, start_month.0, start_day),
            Self::Year { start_month, start_day } => first_of_months(day, 12, start_month.0, start_day),
        }
    }

    /// The first day of the window after the one that starts on `first`.
    fn next(self, first: Date) -> Date {
        let (months, start_day) = match self {
            Self::Day => return days_later(first, 1),
            Self::Week { .. } => return days_later(first, 7),
            Self::Month { start_day } => (1, start_day),
            Self::Quarter { start_day, .. } => (3, start_day),
            Self::Year { start_day, .. } => (12, start_day),
        };
        start_in(month_number(first) + months, start_day)
    }
}

/// The months of year 0 are 0 to 11.
fn month_number(day: Date) -> i32 {
    i32::from(day.year()) * 12 + i32::from(day.month()) - 1
}

/// The day on which a window starts in this month: the last one if the month has no such day.
fn start_in(month: i32, StartDay(start_day): StartDay) -> Date {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let first = i16::try_from(year).ok().zip(i8::try_from(month).ok());
    // Months come from moments that were held to the years below, so there is one.
    let first = first.and_then(|(year, month)| Date::new(year, month, 1).ok()).unwrap_or(Date::ZERO);
    days_later(first, i32::from(start_day.min(first.days_in_month())) - 1)
}

fn first_of_months(day: Date, months: i32, start_month: i8, start_day: StartDay) -> Date {
    let since = |month: i32| (month - (i32::from(start_month) - 1)).rem_euclid(months);
    let month = month_number(day);
    let start = start_in(month - since(month), start_day);
    if start <= day { start } else { start_in(month - since(month) - months, start_day) }
}

/// Moments are held to the years 1 to 8973, so that one of a hostile clock is far away and not an error.
const MOMENTS: (i64, i64) = (-62_000_000_000_000, 221_000_000_000_000);

fn days_later(day: Date, days: i32) -> Date {
    day.saturating_add(jiff::Span::new().days(days))
}

impl Zone {
    /// The zone of this name.
    ///
    /// # Errors
    /// [`WindowError::Zone`]
    pub fn named(name: &str) -> Result<Self, WindowError> {
        let unknown = || WindowError::Zone(name.chars().take(64).collect());
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
        // A zone without a name could not be stored.
        zone.iana_name().is_some().then_some(Self { zone }).ok_or_else(unknown)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    fn date(&self, moment: Timestamp) -> Date {
        // Moments are held to years that every zone has.
        let moment =
            jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(moment).date()
    }

    /// The first moment of this day: later than 00:00 where clocks jump over it.
    fn midnight(&self, day: Date) -> Timestamp {
        let first = day.to_zoned_datetime(self.zone.clone()).and_then(|midnight| midnight.start_of_day());
        // Days come from moments that were held to the years above, which all have a first moment.
        first.map_or(Timestamp::from_millis(0), |first| {
            Timestamp::from_millis(first.timestamp().as_millisecond())
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Weekday {
    const fn day(self) -> Day {
        match self {
            Self::Monday => Day::Monday,
            Self::Tuesday => Day::Tuesday,
            Self::Wednesday => Day::Wednesday,
            Self::Thursday => Day::Thursday,
            Self::Friday => Day::Friday,
            Self::Saturday => Day::Saturday,
            Self::Sunday => Day::Sunday,
        }
    }
}

impl StartDay {
    /// The first of the month.
    pub const FIRST: Self = Self(1);

    /// This day.
    ///
    /// # Errors
    /// [`WindowError::StartDay`]
    pub fn new(day: i64) -> Result<Self, WindowError> {
        let held = i8::try_from(day).ok().filter(|day| (1..=31).contains(day));
        held.map(Self).ok_or(WindowError::StartDay(day))
    }

    /// As a number.
    pub const fn get(self) -> i8 {
        self.0
    }
}

impl StartMonth {
    /// January.
    pub const JANUARY: Self = Self(1);

    /// This month.
    ///
    /// # Errors
    /// [`WindowError::StartMonth`]
    pub fn new(month: i64) -> Result<Self, WindowError> {
        let held = i8::try_from(month).ok().filter(|month| (1..=12).contains(month));
        held.map(Self).ok_or(WindowError::StartMonth(month))
    }

    /// As a number.
    pub const fn get(self) -> i8 {
        self.0
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
