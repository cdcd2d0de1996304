//! What the doctor says: one finding for each thing it looked at, and what they come to.

use serde::Serialize;

use crate::ops::table::columns;

/// How bad it is, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Works, and may not be what is wanted.
    Warning,
    /// Could not be looked at from here.
    Unseen,
    /// Does not work, or is not safe.
    Error,
}

/// One thing, found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// A stable name; `docs/operations/doctor.md` lists them.
    pub code: &'static str,
    /// What was found.
    pub what: String,
    /// The object, file or address that it is about.
    #[serde(rename = "where")]
    pub place: String,
    /// The command or edit that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// All findings of one visit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Diagnosis {
    findings: Vec<Finding>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(code: &'static str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, code, place, what, None)
    }

    /// Something worth knowing.
    pub fn note(code: &'static str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, place, what, None)
    }

    /// Something that may not be what is wanted, and how to change it.
    pub fn warning(
        code: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, place, what, Some(mend.into()))
    }

    /// Something that could not be looked at, and how to look.
    pub fn unseen(
        code: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Unseen, code, place, what, Some(mend.into()))
    }

    /// Something that does not work or is not safe, and how to mend it.
    pub fn error(
        code: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, place, what, Some(mend.into()))
    }

    fn new(
        severity: Severity,
        code: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        mend: Option<String>,
    ) -> Self {
        Self { severity, code, what: what.into(), place: place.into(), mend }
    }
}

impl Severity {
    const fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Unseen => "unseen",
            Self::Error => "ERROR",
        }
    }
}

impl Diagnosis {
    /// Adds findings, in the order in which a reader should meet them.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// All of them.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether nothing but unseen things stands in it.
    pub fn is_blind(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding.severity, Severity::Unseen | Severity::Note))
    }

    /// 0 fine, 1 something is wrong, 2 something could not be looked at (or nothing could). Warnings count as wrong when
    /// `strict`.
    pub fn exit_code(&self, strict: bool) -> u8 {
        if self.count(Severity::Error) > 0 || (strict && self.count(Severity::Warning) > 0) {
            1
        } else if self.count(Severity::Unseen) > 0 || self.is_blind() {
            2
        } else {
            0
        }
    }

    /// A table of everything, then what to do, worst first.
    pub fn to_text(&self) -> String {
        let row = |finding: &Finding| {
            vec![finding.severity.mark().to_owned(), finding.place.clone(), finding.what.clone()]
        };
        let mut text = columns(&self.findings.iter().map(row).collect::<Vec<_>>());
        let mut mends: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.mend.is_some()).collect();
        mends.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        for finding in mends {
            let mend = finding.mend.as_deref().unwrap_or_default().replace('\n', "\n  ");
            text += &format!(
                "\n\n{} {} [{}]\n  {}\n  {mend}",
                finding.severity.mark(),
                finding.place,
                finding.code,
                finding.what
            );
        }
        let count = |severity| self.count(severity);
        text + &format!(
            "\n\n{} errors, {} warnings, {} could not be looked at, {} fine",
            count(Severity::Error),
            count(Severity::Warning),
            count(Severity::Unseen),
            count(Severity::Ok),
        )
    }

    /// For programs.
    ///
    /// # Errors
    /// Never in practice: every part can be written.
    pub fn to_json(&self, strict: bool) -> serde_json::Result<String> {
        let count = |severity| self.count(severity);
        serde_json::to_string_pretty(&serde_json::json!({
            "errors": count(Severity::Error),
            "warnings": count(Severity::Warning),
            "unseen": count(Severity::Unseen),
            "fine": count(Severity::Ok),
            "exit_code": self.exit_code(strict),
            "findings": self.findings,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_follows_the_worst() {
        let with = |findings: &[Finding]| {
            let mut diagnosis = Diagnosis::default();
            diagnosis.extend(findings.iter().cloned());
            (diagnosis.exit_code(false), diagnosis.exit_code(true))
        };
        let ok = Finding::ok("a", "", "");
        let (warning, unseen) = (Finding::warning("b", "", "", ""), Finding::unseen("c", "", "", ""));
        let error = Finding::error("d", "", "", "");
        assert_eq!(with(std::slice::from_ref(&ok)), (0, 0));
        assert_eq!(with(&[ok.clone(), warning.clone()]), (0, 1));
        assert_eq!(with(&[ok.clone(), unseen.clone()]), (2, 2));
        assert_eq!(with(&[ok, warning, unseen, error]), (1, 1));
        assert_eq!(with(&[]), (2, 2), "nothing was looked at");
        assert_eq!(with(&[Finding::note("e", "", "")]), (2, 2));
    }
}
