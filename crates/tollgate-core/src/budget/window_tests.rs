//! Windows: known calendars by table, and the tiling of time by property.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// Zones whose clocks jump over midnight, come to midnight twice, skipped a whole day, or moved by half an hour.
const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
];

fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn rule(json: &str) -> WindowRule {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn every() -> impl Strategy<Value = Every> {
    let day = || (1_i64..=31).prop_map(|day| StartDay::new(day).unwrap());
    let month = || (1_i64..=12).prop_map(|month| StartMonth::new(month).unwrap());
    let weekday = prop::sample::select(vec![Weekday::Monday, Weekday::Thursday, Weekday::Sunday]);
    prop_oneof![
        Just(Every::Day),
        weekday.prop_map(|starts_on| Every::Week { starts_on }),
        day().prop_map(|start_day| Every::Month { start_day }),
        (month(), day()).prop_map(|(start_month, start_day)| Every::Quarter { start_month, start_day }),
        (month(), day()).prop_map(|(start_month, start_day)| Every::Year { start_month, start_day }),
    ]
}

fn calendars() -> impl Strategy<Value = WindowRule> {
    let zone = prop::sample::select(ZONES.to_vec()).prop_map(|name| Zone::named(name).unwrap());
    (every(), zone).prop_map(|(every, zone)| WindowRule::Calendar(Calendar::new(every, zone)))
}

/// 1970 to 2060, and half of the time close to a midnight of the zones above in a year when their clocks moved.
fn moments() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0_i64..2_840_000_000_000).prop_map(Timestamp::from_millis),
        (5_000_i64..16_000, -50_i64..50).prop_map(|(day, quarter_hours)| {
            Timestamp::from_millis(day * 86_400_000 + quarter_hours * 900_000)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn windows_tile_time(rule in calendars(), moment in moments()) {
        let window = rule.window_at(moment);
        prop_assert!(window.contains(moment), "{window:?}");
        let end = window.end().unwrap();
        let last = Timestamp::from_millis(end.as_millis() - 1);
        prop_assert_eq!(rule.window_at(window.start()), window);
        prop_assert_eq!(rule.window_at(last), window);
        prop_assert_eq!(rule.window_at(end).start(), end);
        let before = rule.window_at(Timestamp::from_millis(window.start().as_millis() - 1));
        prop_assert_eq!(before.end(), Some(window.start()));
    }

    #[test]
    fn a_window_is_as_long_as_its_calendar_says(rule in calendars(), moment in moments()) {
        let window = rule.window_at(moment);
        let hours = window.end().unwrap().millis_since(window.start()) / 3_600_000;
        let WindowRule::Calendar(calendar) = &rule else { unreachable!("only calendars") };
        let days = match calendar.every() {
            Every::Day => 1..=1,
            Every::Week { .. } => 7..=7,
            Every::Month { .. } => 28..=31,
            Every::Quarter { .. } => 89..=92,
            Every::Year { .. } => 365..=366,
        };
        // Apia once lost a day; elsewhere clocks move by an hour or two.
        prop_assert!((days.start() * 24 - 25..=days.end() * 24 + 2).contains(&hours), "{hours} h: {window:?}");
    }

    #[test]
    fn a_changed_rule_leaves_no_gap_and_no_overlap(
        old in calendars(), new in calendars(), moment in moments(), later in 0_i64..40_000_000_000,
    ) {
        let running = old.window_at(moment);
        let changed = new.changed(running, moment);
        prop_assert_eq!(changed.start(), running.start());
        prop_assert!(changed.contains(moment));
        prop_assert_eq!(changed.end(), new.window_at(moment).end());
        let now = Timestamp::from_millis(moment.as_millis() + later);
        let next = new.following(changed, now);
        prop_assert!(next.contains(now));
        prop_assert!(next == changed || next.start() >= changed.end().unwrap());
    }

    #[test]
    fn every_rule_survives_its_json(rule in calendars()) {
        let json = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(serde_json::from_str::<WindowRule>(&json).unwrap(), rule);
    }

    #[test]
    fn hostile_moments_are_far_away_and_no_panic(rule in calendars(), moment: i64) {
        rule.window_at(Timestamp::from_millis(moment));
    }
}

#[test]
fn known_calendars() {
    for (json, moment, start, end) in [
        // Clocks go forward: 23 hours. Back: 25.
        (
            r#"{"every":"day","time_zone":"Europe/Berlin"}"#,
            "2026-03-29T10:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        (
            r#"{"every":"day","time_zone":"Europe/Berlin"}"#,
            "2026-10-25T10:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        ),
        // São Paulo had no midnight on this day: it began at 01:00.
        (
            r#"{"every":"day","time_zone":"America/Sao_Paulo"}"#,
            "2018-11-04T12:00:00Z",
            "2018-11-04T03:00:00Z",
            "2018-11-05T02:00:00Z",
        ),
        // St. John's clocks went back from 00:01 to 23:01: the day that had begun went on.
        (
            r#"{"every":"day","time_zone":"America/St_Johns"}"#,
            "2010-11-07T03:00:00Z",
            "2010-11-07T02:30:00Z",
            "2010-11-08T03:30:00Z",
        ),
        // Samoa had no 30 December 2011.
        (
            r#"{"every":"day","time_zone":"Pacific/Apia"}"#,
            "2011-12-30T09:00:00Z",
            "2011-12-29T10:00:00Z",
            "2011-12-30T10:00:00Z",
        ),
        (r#"{"every":"week"}"#, "2026-03-01T00:00:00Z", "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"),
        (
            r#"{"every":"week","starts_on":"sunday"}"#,
            "2026-03-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-03-08T00:00:00Z",
        ),
        // A day that February does not have is its last; the day of the next month is again the 31st or its last.
        (
            r#"{"every":"month","start_day":31}"#,
            "2026-03-01T00:00:00Z",
            "2026-02-28T00:00:00Z",
            "2026-03-31T00:00:00Z",
        ),
        (
            r#"{"every":"month","start_day":31}"#,
            "2028-02-29T00:00:00Z",
            "2028-02-29T00:00:00Z",
            "2028-03-31T00:00:00Z",
        ),
        (
            r#"{"every":"month","start_day":31}"#,
            "2028-02-28T23:59:59Z",
            "2028-01-31T00:00:00Z",
            "2028-02-29T00:00:00Z",
        ),
        (
            r#"{"every":"month","start_day":15}"#,
            "2026-01-14T23:59:59Z",
            "2025-12-15T00:00:00Z",
            "2026-01-15T00:00:00Z",
        ),
        (r#"{"every":"quarter"}"#, "2026-11-30T00:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (
            r#"{"every":"quarter","start_month":2,"start_day":6}"#,
            "2026-02-05T00:00:00Z",
            "2025-11-06T00:00:00Z",
            "2026-02-06T00:00:00Z",
        ),
        (
            r#"{"every":"quarter","start_month":11,"start_day":6}"#,
            "2026-02-05T00:00:00Z",
            "2025-11-06T00:00:00Z",
            "2026-02-06T00:00:00Z",
        ),
        (r#"{"every":"year"}"#, "2026-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (
            r#"{"every":"year","start_month":4,"start_day":6}"#,
            "2026-04-05T00:00:00Z",
            "2025-04-06T00:00:00Z",
            "2026-04-06T00:00:00Z",
        ),
        (
            r#"{"every":"year","start_month":2,"start_day":29}"#,
            "2027-06-01T00:00:00Z",
            "2027-02-28T00:00:00Z",
            "2028-02-29T00:00:00Z",
        ),
    ] {
        let window = rule(json).window_at(at(moment));
        assert_eq!((window.start(), window.end()), (at(start), Some(at(end))), "{json} {moment}");
    }
}

#[test]
fn total_never_ends_and_a_change_can_end_it() {
    let (total, now) = (rule(r#""total""#), at("2026-05-05T05:00:00Z"));
    assert_eq!(total.window_at(now).end(), None);
    assert_eq!(total.following(Window::total(), now), Window::total());
    let changed = rule(r#"{"every":"month"}"#).changed(Window::total(), now);
    assert_eq!(
        (changed.start(), changed.end()),
        (Timestamp::from_millis(0), Some(at("2026-06-01T00:00:00Z")))
    );
    assert_eq!(total.changed(changed, now).end(), None);
}

#[test]
fn a_window_that_ends_before_it_starts_cannot_be_made() {
    let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    assert_eq!(Window::from_bounds(late, Some(early)), None);
    assert_eq!(Window::from_bounds(early, Some(early)), None);
    assert!(Window::from_bounds(early, Some(late)).is_some());
}

#[test]
fn what_is_wrong_with_a_window_is_said() {
    for (json, expected) in [
        (r#"{"every":"month","time_zone":"Europe/Bärlin"}"#, "is not a time zone"),
        (r#"{"every":"month","time_zone":""}"#, "is not a time zone"),
        (r#"{"every":"month","start_day":0}"#, "start_day is 0; write 1 to 31"),
        (r#"{"every":"month","start_day":32}"#, "start_day is 32"),
        (r#"{"every":"year","start_month":13}"#, "start_month is 13; write 1 to 12"),
        (r#"{"every":"day","start_day":3}"#, "a window of a day has no start_day"),
        (r#"{"every":"month","start_month":3}"#, "a window of a month has no start_month"),
        (r#"{"every":"week","start_day":3}"#, "a window of a week has no start_day"),
        (r#"{"every":"total","start_day":3}"#, "never ends"),
        (r#"{"every":"fortnight"}"#, "a window is \"total\" or"),
        (r#"{"every":"day","typo":1}"#, "a window is \"total\" or"),
        ("30", "a window is \"total\" or"),
    ] {
        let error = serde_json::from_str::<WindowRule>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}
