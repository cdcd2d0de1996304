//! Rules against tokens and suspended people, by what a token names. Sharded like the keys, so that a logout copies a few
//! rules and not all of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

/// By what a rule names tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Token,
    Session,
    Subject,
    Issuer,
    /// A person who may not act, as a rule about the subject.
    Suspended,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub kind: Kind,
    pub issuer: String,
    /// Empty for a rule about all of the issuer's tokens.
    pub value: String,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub id: String,
    /// Tokens issued before this are meant; `None`: all.
    pub issued_before: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

impl Kind {
    /// From the text in the database.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "jti" => Self::Token,
            "sid" => Self::Session,
            "subject" => Self::Subject,
            "issued_before" => Self::Issuer,
            _ => return None,
        })
    }
}

impl Rule {
    fn over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// All rules.
#[derive(Debug, Default)]
pub(super) struct TokenRules {
    /// Nearly always zero, and then a check is done here.
    len: AtomicUsize,
    issuers: ArcSwap<HashMap<String, Arc<OfIssuer>>>,
}

#[derive(Debug, Default)]
struct OfIssuer {
    tokens: Values,
    sessions: Values,
    subjects: Values,
    all: Values,
    suspended: Values,
}

const SHARDS: usize = 256;

/// Some values with the rules about each.
type Shard = HashMap<String, Vec<Rule>>;

/// Rules of one kind and issuer, by the value that they name.
#[derive(Debug)]
struct Values {
    len: AtomicUsize,
    shards: Box<[ArcSwap<Shard>]>,
}

impl Default for Values {
    fn default() -> Self {
        let empty = Arc::default();
        Self {
            len: AtomicUsize::new(0),
            shards: (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect(),
        }
    }
}

impl TokenRules {
    /// What is known against a token.
    pub fn controls(&self, names: TokenNames<'_>, now: Timestamp) -> TokenControls {
        if self.len.load(Ordering::Relaxed) == 0 {
            return TokenControls::default();
        }
        let issuers = self.issuers.load();
        let Some(rules) = issuers.get(names.issuer) else { return TokenControls::default() };
        TokenControls {
            token: names.token_id.is_some_and(|id| rules.tokens.limit(id, now).is_some()),
            session: names.session_id.is_some_and(|id| rules.sessions.limit(id, now).is_some()),
            subject_issued_before: rules.subjects.limit(names.subject, now),
            issuer_issued_before: rules.all.limit("", now),
            suspended: rules.suspended.limit(names.subject, now).is_some(),
        }
    }

    /// Rules there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Puts a rule in, in place of an earlier one of this id about the same. There is one writer.
    pub fn put(&self, name: &Name, rule: Rule) {
        let id = rule.id.clone();
        self.edit(name, &id, Some(rule));
    }

    /// Takes a rule out.
    pub fn remove(&self, name: &Name, id: &str) {
        self.edit(name, id, None);
    }

    fn edit(&self, name: &Name, id: &str, rule: Option<Rule>) {
        let known = self.issuers.load().get(&name.issuer).cloned();
        let of_issuer = match known {
            Some(of_issuer) => of_issuer,
            None if rule.is_none() => return,
            None => {
                let mut issuers = HashMap::clone(&self.issuers.load());
                let added = Arc::clone(issuers.entry(name.issuer.clone()).or_default());
                self.issuers.store(Arc::new(issuers));
                added
            }
        };
        let values = match name.kind {
            Kind::Token => &of_issuer.tokens,
            Kind::Session => &of_issuer.sessions,
            Kind::Subject => &of_issuer.subjects,
            Kind::Issuer => &of_issuer.all,
            Kind::Suspended => &of_issuer.suspended,
        };
        let (before, after) = values.edit(&name.value, id, rule);
        self.len.store((self.len() + after).saturating_sub(before), Ordering::Relaxed);
    }
}

impl Values {
    fn shard(&self, value: &str) -> &ArcSwap<Shard> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        &self.shards[hasher.finish() as usize % SHARDS]
    }

    /// The latest time before which a token of this value is refused, if it is named at all.
    fn limit(&self, value: &str, now: Timestamp) -> Option<Timestamp> {
        if self.len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let shard = self.shard(value).load();
        let live = shard.get(value)?.iter().filter(|rule| !rule.over(now));
        live.map(|rule| rule.issued_before.unwrap_or(Timestamp::from_millis(i64::MAX))).max()
    }

    /// Replaces the rule of this id; how many there were in the shard, and how many there are.
    fn edit(&self, value: &str, id: &str, rule: Option<Rule>) -> (usize, usize) {
        let shard = self.shard(value);
        let mut rules = HashMap::clone(&shard.load());
        let count = |rules: &Shard| rules.values().map(Vec::len).sum::<usize>();
        let before = count(&rules);
        let list = rules.entry(value.to_owned()).or_default();
        list.retain(|known| known.id != id);
        list.extend(rule);
        if list.is_empty() {
            rules.remove(value);
        }
        let after = count(&rules);
        shard.store(Arc::new(rules));
        self.len.store((self.len.load(Ordering::Relaxed) + after).saturating_sub(before), Ordering::Relaxed);
        (before, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn name(kind: Kind, value: &str) -> Name {
        Name { kind, issuer: "one".into(), value: value.into() }
    }

    fn rule(id: &str, issued_before: Option<i64>, expires_at: Option<i64>) -> Rule {
        let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        Rule { id: id.into(), issued_before: at(issued_before), expires_at: at(expires_at) }
    }

    #[test]
    fn each_kind_names_what_it_names() {
        let rules = TokenRules::default();
        let names = TokenNames { issuer: "one", subject: "u", token_id: Some("t"), session_id: Some("s") };
        let none = TokenControls::default();
        let later = Timestamp::from_millis(i64::MAX);
        let table = [
            (Kind::Token, "t", TokenControls { token: true, ..none }),
            (Kind::Token, "s", none),
            (Kind::Session, "s", TokenControls { session: true, ..none }),
            (Kind::Subject, "u", TokenControls { subject_issued_before: Some(later), ..none }),
            (Kind::Issuer, "", TokenControls { issuer_issued_before: Some(later), ..none }),
            (Kind::Suspended, "u", TokenControls { suspended: true, ..none }),
            (Kind::Suspended, "v", none),
        ];
        for (kind, value, expected) in table {
            let name = name(kind, value);
            rules.put(&name, rule("r", None, None));
            assert_eq!(rules.controls(names, NOW), expected, "{kind:?} {value}");
            assert_eq!(rules.controls(TokenNames { issuer: "two", ..names }, NOW), none);
            rules.remove(&name, "r");
            assert_eq!((rules.controls(names, NOW), rules.len()), (none, 0));
        }
    }

    #[test]
    fn several_rules_about_one_subject_and_their_ends() {
        let rules = TokenRules::default();
        let subject = name(Kind::Subject, "u");
        let limit = |now| {
            let names = TokenNames { issuer: "one", subject: "u", token_id: None, session_id: None };
            rules.controls(names, now).subject_issued_before.map(Timestamp::as_millis)
        };
        rules.put(&subject, rule("a", Some(10), None));
        rules.put(&subject, rule("b", Some(20), Some(1_000_001)));
        rules.put(&subject, rule("a", Some(11), None));
        assert_eq!((limit(NOW), rules.len()), (Some(20), 2), "the strictest counts");
        assert_eq!(limit(Timestamp::from_millis(1_000_001)), Some(11), "a rule that is over refuses nothing");
        rules.remove(&subject, "a");
        rules.remove(&subject, "unknown");
        assert_eq!((limit(NOW), rules.len()), (Some(20), 1));
    }
}
