//! How a person is named on the command line: by id, or by issuer and subject.

use clap::Args;

use crate::ops::admin::Whom;

/// A person.
#[derive(Debug, Args)]
pub struct PersonArgs {
    /// The person's id (per_…).
    #[arg(long, value_name = "PER", required_unless_present = "subject")]
    person: Option<String>,
    /// The configured name of the person's issuer.
    #[arg(long, value_name = "NAME", requires = "subject")]
    issuer: Option<String>,
    /// The person's subject at that issuer ('sub'); they need not have signed in yet.
    #[arg(long, value_name = "SUB", requires = "issuer", conflicts_with = "person")]
    subject: Option<String>,
}

fn whom(person: Option<String>, issuer: Option<String>, subject: Option<String>) -> Whom {
    match (issuer, subject) {
        (Some(issuer), Some(subject)) => Whom::Subject { issuer, subject },
        _ => Whom::Id(person.unwrap_or_default()),
    }
}

impl PersonArgs {
    /// Who is meant.
    pub fn whom(self) -> Whom {
        whom(self.person, self.issuer, self.subject)
    }
}
