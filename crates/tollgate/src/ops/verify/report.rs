//! What came of the cases, for people and for programs.

use serde::Serialize;

use crate::ops::table::columns;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it must be.
    Pass,
    /// Not as it must be.
    Fail,
    /// It happened where nobody could see it.
    NotObservable,
    /// Not tried.
    Skipped,
}

/// The judgement on one case.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// How it ended.
    pub outcome: Outcome,
    /// What the gateway did, or why the case was not tried.
    pub got: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One case with its judgement.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// A stable name.
    pub id: &'static str,
    /// What must hold.
    pub title: &'static str,
    /// Whether it does.
    #[serde(flatten)]
    pub judged: Judged,
}

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    gateway: String,
    host: String,
    backend: &'static str,
    passed: usize,
    failed: usize,
    not_observable: usize,
    skipped: usize,
    cases: Vec<CaseResult>,
}

impl Judged {
    pub(super) fn pass(got: impl Into<String>) -> Self {
        Self { outcome: Outcome::Pass, got: got.into(), next: None }
    }

    pub(super) fn fail(got: impl Into<String>, next: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, got: got.into(), next: Some(next.into()) }
    }

    pub(super) fn not_observable(got: impl Into<String>, next: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotObservable, got: got.into(), next: Some(next.into()) }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, got: why.into(), next: None }
    }
}

impl Outcome {
    const fn mark(self) -> &'static str {
        match self {
            Self::Pass => "ok",
            Self::Fail => "FAILED",
            Self::NotObservable => "unseen",
            Self::Skipped => "skipped",
        }
    }
}

impl Report {
    pub(super) fn new(gateway: String, host: String, backend: &'static str, cases: Vec<CaseResult>) -> Self {
        let count = |outcome| cases.iter().filter(|case| case.judged.outcome == outcome).count();
        let (passed, failed) = (count(Outcome::Pass), count(Outcome::Fail));
        let (not_observable, skipped) = (count(Outcome::NotObservable), count(Outcome::Skipped));
        Self { gateway, host, backend, passed, failed, not_observable, skipped, cases }
    }

    /// Whether no case failed.
    pub const fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// The cases in order.
    pub fn cases(&self) -> &[CaseResult] {
        &self.cases
    }

    /// A table, then what to do about each case that is not as it should be.
    pub fn to_text(&self) -> String {
        let row = |case: &CaseResult| {
            let cells = [case.judged.outcome.mark(), case.id, case.title, &case.judged.got];
            cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()
        };
        let table = columns(&self.cases.iter().map(row).collect::<Vec<_>>());
        let mut text =
            format!("{} (host {}, backend: {})\n\n{table}\n", self.gateway, self.host, self.backend);
        for (next, cases) in self.advice() {
            text += "\n";
            for case in cases {
                text += &format!("{} {}: {}\n", case.judged.outcome.mark(), case.id, case.judged.got);
            }
            text += &format!("  {next}\n");
        }
        text + &format!(
            "\n{} passed, {} failed, {} not observable, {} skipped",
            self.passed, self.failed, self.not_observable, self.skipped
        )
    }

    /// Each piece of advice once, with the cases that it is for.
    fn advice(&self) -> Vec<(&str, Vec<&CaseResult>)> {
        let mut all: Vec<(&str, Vec<&CaseResult>)> = Vec::new();
        for case in &self.cases {
            let Some(next) = case.judged.next.as_deref() else { continue };
            match all.iter_mut().find(|(known, _)| *known == next) {
                Some((_, cases)) => cases.push(case),
                None => all.push((next, vec![case])),
            }
        }
        all
    }
}
