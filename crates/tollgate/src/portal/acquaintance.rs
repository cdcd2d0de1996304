//! First contact: whoever proves to be a person of a configured issuer gets a row, an organization and a project of their
//! own. Who was met within the last minute, with the same name and groups, is not written again.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::origin::Origin;
use super::person::Person;
use super::problem::{Answer, Code, Problem};
use super::{Portal, PortalOptions};
use crate::entropy::bytes;
use crate::store::{Contact, State};

/// How long an acquaintance is taken for granted. Suspension is noticed after this time at the latest.
const FRESH: Duration = Duration::from_secs(1);
/// People that are remembered.
const CAPACITY: usize = 10_000;

/// What a token or a login says about a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Introduction {
    /// The configured name of the issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// The name a person recognises.
    pub username: String,
    /// The e-mail address, and whether the issuer verified it.
    pub email: Option<(String, bool)>,
    /// Groups and roles.
    pub groups: Vec<String>,
    /// Whether memberships by group follow these groups: only when they were told just now. A token without any of the
    /// configured claims tells nothing, and neither does a session, whose groups are as of its login.
    pub groups_told: bool,
}

impl Introduction {
    /// Whether the groups make this person an administrator of the platform.
    fn administers(&self, options: &PortalOptions) -> bool {
        self.groups.iter().any(|group| options.admin_groups.contains(group))
    }

    /// The person of this id.
    pub fn into_person(self, id: String, options: &PortalOptions, origin: Origin) -> Person {
        let platform_admin = self.administers(options);
        let Self { issuer, subject, username, email, groups, .. } = self;
        Person {
            id,
            name: username,
            issuer,
            subject,
            email,
            groups,
            platform_admin,
            authenticated_at: None,
            origin,
            session: None,
        }
    }
}

/// Who was met lately.
#[derive(Debug)]
pub struct Acquaintances(Cache<Introduction, (String, Instant)>);

impl Default for Acquaintances {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Acquaintances {
    /// The id of this person, who is made known to the store when they are new or have changed.
    ///
    /// # Errors
    /// The person is suspended, or the store gave no answer.
    pub async fn meet(&self, who: &Introduction, origin: &Origin, portal: &Portal) -> Answer<String> {
        if let Some((id, met)) = self.0.get(who)
            && met.elapsed() < FRESH
        {
            return Ok(id);
        }
        let contact = Contact {
            issuer: &who.issuer,
            subject: &who.subject,
            username: &who.username,
            email: who.email.as_ref().map(|(address, _)| address.as_str()),
            groups: who.groups_told.then_some(who.groups.as_slice()),
            platform_admin: who.administers(portal.options()),
        };
        let random = bytes::<30>(portal.entropy())?;
        let origin = origin.stored(portal.now());
        let person = portal.store()?.meet_person(&contact, &origin, &random).await?;
        if person.state == State::Suspended {
            self.0.remove(who);
            return Err(Problem::new(Code::Forbidden, "Your access is suspended. Ask an administrator."));
        }
        self.0.insert(who.clone(), (person.id.clone(), Instant::now()));
        Ok(person.id)
    }
}
