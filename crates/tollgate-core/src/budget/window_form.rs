//! Windows as JSON: `"total"`, or `{"every": "month", "time_zone": "Europe/Berlin", "start_day": 15}`.

use serde::{Deserialize, Serialize};

use super::window::{Calendar, Every, StartDay, StartMonth, Weekday, WindowError, WindowRule, Zone};

/// What is read and written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a window is \"total\" or {\"every\": \"day|week|month|quarter|year\", \"time_zone\": …}"
)]
pub(super) enum WindowForm {
    /// A word.
    Word(Word),
    /// An object.
    Calendar(CalendarForm),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    /// Never ends.
    Total,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Length {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Total,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarForm {
    every: Length,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_on: Option<Weekday>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_day: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_month: Option<i64>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl TryFrom<WindowForm> for WindowRule {
    type Error = WindowError;

    fn try_from(form: WindowForm) -> Result<Self, WindowError> {
        let form = match form {
            WindowForm::Word(Word::Total) => return Ok(Self::Total),
            WindowForm::Calendar(form) => form,
        };
        let (name, takes): (_, &[&str]) = match form.every {
            Length::Total => return Err(WindowError::Total),
            Length::Day => ("day", &[]),
            Length::Week => ("week", &["starts_on"]),
            Length::Month => ("month", &["start_day"]),
            Length::Quarter => ("quarter", &["start_day", "start_month"]),
            Length::Year => ("year", &["start_day", "start_month"]),
        };
        for (setting, given) in [
            ("starts_on", form.starts_on.is_some()),
            ("start_day", form.start_day.is_some()),
            ("start_month", form.start_month.is_some()),
        ] {
            if given && !takes.contains(&setting) {
                return Err(WindowError::NotForThis { every: name, setting });
            }
        }
        let start_day = form.start_day.map_or(Ok(StartDay::FIRST), StartDay::new)?;
        let start_month = form.start_month.map_or(Ok(StartMonth::JANUARY), StartMonth::new)?;
        let every = match form.every {
            Length::Day | Length::Total => Every::Day,
            Length::Week => Every::Week { starts_on: form.starts_on.unwrap_or_default() },
            Length::Month => Every::Month { start_day },
            Length::Quarter => Every::Quarter { start_month, start_day },
            Length::Year => Every::Year { start_month, start_day },
        };
        Ok(Self::Calendar(Calendar::new(every, Zone::named(&form.time_zone)?)))
    }
}

impl From<WindowRule> for WindowForm {
    fn from(rule: WindowRule) -> Self {
        let WindowRule::Calendar(calendar) = rule else { return Self::Word(Word::Total) };
        let (every, starts_on, start_day, start_month) = match calendar.every() {
            Every::Day => (Length::Day, None, None, None),
            Every::Week { starts_on } => (Length::Week, Some(starts_on), None, None),
            Every::Month { start_day } => (Length::Month, None, Some(start_day), None),
            Every::Quarter { start_month, start_day } => {
                (Length::Quarter, None, Some(start_day), Some(start_month))
            }
            Every::Year { start_month, start_day } => {
                (Length::Year, None, Some(start_day), Some(start_month))
            }
        };
        Self::Calendar(CalendarForm {
            every,
            time_zone: calendar.zone().name().to_owned(),
            starts_on,
            start_day: start_day.map(|day| i64::from(day.get())),
            start_month: start_month.map(|month| i64::from(month.get())),
        })
    }
}
