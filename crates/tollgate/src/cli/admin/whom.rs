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

/// The owner of a key: a person or a service account.
#[derive(Debug, Args)]
pub struct OwnerArgs {
    /// The person's id (per_…).
    #[arg(long, value_name = "PER", required_unless_present_any = ["subject", "service_account"])]
    person: Option<String>,
    /// The configured name of the person's issuer.
    #[arg(long, value_name = "NAME", requires = "subject")]
    issuer: Option<String>,
    /// The person's subject at that issuer ('sub'); they need not have signed in yet.
    #[arg(long, value_name = "SUB", requires = "issuer", conflicts_with = "person")]
    subject: Option<String>,
    /// The service account's id (sva_…), instead of a person.
    #[arg(long, value_name = "SVA", conflicts_with_all = ["person", "subject"])]
    service_account: Option<String>,
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

impl OwnerArgs {
    /// Who is meant: a person, or the id of a service account.
    pub fn owner(self) -> Result<Whom, String> {
        match self.service_account {
            Some(account) => Err(account),
            None => Ok(whom(self.person, self.issuer, self.subject)),
        }
    }
}
