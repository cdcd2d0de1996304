//! The directory's word, and whose turn it is to ask, on both engines.

use super::people::{key, make_id, meet, operator};
use super::rig::{at, becomes_ready, on_both, options, write};
use crate::store::{
    Author, Change, DirectoryVerdict, Lease, Origin, Person, Slice, StandingChange, State, Store,
    SuspensionCause,
};

const ABSENT: DirectoryVerdict = DirectoryVerdict::Gone(SuspensionCause::DirectoryAbsent);
const DISABLED: DirectoryVerdict = DirectoryVerdict::Gone(SuspensionCause::DirectoryDisabled);

async fn obey(store: &Store, person: &Person, verdict: DirectoryVerdict) -> Option<Person> {
    let mut tx = store.begin().await.unwrap();
    let author = Author::directory("keycloak", Origin::here(at(9_000)));
    let changed = tx.obey_directory(&author, &person.id, verdict).await.unwrap();
    tx.commit(at(9_000)).await.unwrap();
    changed
}

async fn by_hand(store: &Store, person: &Person, suspended: bool) {
    let mut tx = store.begin().await.unwrap();
    let author = operator();
    let change = if suspended { StandingChange::Suspend(&author) } else { StandingChange::Resume(&author) };
    tx.set_person_suspended(change, &person.id).await.unwrap();
    tx.commit(at(9_000)).await.unwrap();
}

async fn asked(store: &Store, after: &str, limit: i64) -> Vec<(String, Option<SuspensionCause>)> {
    let slice = Slice { after, limit };
    let people = store.people_to_ask_about("keycloak", slice, at(5_000)).await.unwrap();
    people.into_iter().map(|person| (person.subject, person.suspended_because)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_a_directory_is_kept_apart_from_an_administrators() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let (ada, bob) = (meet(&store, "ada").await, meet(&store, "bob").await);
        for person in [&ada, &bob] {
            let (_, project) = super::people::home(&store, person).await;
            key(&store, &format!("key-{}", person.subject), &project, &person.id).await;
        }
        let both = vec![("ada".to_owned(), None), ("bob".to_owned(), None)];
        let mut first = asked(&store, "", 10).await;
        first.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(first, both);
        assert_eq!(asked(&store, "", 1).await.len(), 1);
        let later = ada.id.clone().max(bob.id.clone());
        assert!(asked(&store, &later, 10).await.is_empty());

        assert_eq!(obey(&store, &ada, DirectoryVerdict::Enabled).await, None, "nothing to do");
        let seen = store.find_person(&ada.id).await.unwrap().unwrap().last_seen_at;
        let gone = obey(&store, &ada, DISABLED).await.unwrap();
        assert_eq!(
            (gone.state, gone.suspended_because),
            (State::Suspended, Some(SuspensionCause::DirectoryDisabled))
        );
        assert_eq!(
            (gone.last_seen_at, gone.version),
            (seen, ada.version + 1),
            "to be looked after is no contact"
        );
        assert_eq!(obey(&store, &ada, DISABLED).await, None);
        let absent = obey(&store, &ada, ABSENT).await.unwrap();
        assert_eq!(absent.suspended_because, Some(SuspensionCause::DirectoryAbsent));
        let back = obey(&store, &ada, DirectoryVerdict::Enabled).await.unwrap();
        assert_eq!((back.state, back.suspended_because), (State::Active, None));

        by_hand(&store, &bob, true).await;
        assert_eq!(obey(&store, &bob, DirectoryVerdict::Enabled).await, None);
        assert_eq!(obey(&store, &bob, ABSENT).await, None);
        assert_eq!(asked(&store, "", 10).await, [("ada".to_owned(), None)], "it is not even asked");
        by_hand(&store, &bob, false).await;
        obey(&store, &bob, ABSENT).await.unwrap();
        by_hand(&store, &bob, true).await;
        assert_eq!(
            obey(&store, &bob, DirectoryVerdict::Enabled).await,
            None,
            "an administrator's word stays"
        );

        // The release before lets somebody act without knowing of causes; what it leaves behind means nothing.
        by_hand(&store, &bob, false).await;
        obey(&store, &bob, ABSENT).await.unwrap();
        let resumed =
            format!("UPDATE people SET state = 'active', version = version + 1 WHERE id = '{}'", bob.id);
        write(&store, &resumed, Some(Change::Person(bob.id.clone()))).await;
        let bob = store.find_person(&bob.id).await.unwrap().unwrap();
        assert_eq!((bob.state, bob.suspended_because), (State::Active, None));
        assert!(asked(&store, "", 10).await.contains(&("bob".to_owned(), None)));
        assert!(obey(&store, &bob, ABSENT).await.is_some());
        let nobody = Person { id: make_id(tollgate_core::ids::IdKind::Person), ..bob };
        let mut tx = store.begin().await.unwrap();
        assert!(tx.obey_directory(&operator(), &nobody.id, ABSENT).await.is_err());
        drop(tx);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_one_holders_until_it_ends() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let take = async |holder: &str, now: i64, until: i64| {
            store.take_lease("work", holder, at(now), at(until)).await.unwrap()
        };
        let theirs = |until: i64| Lease::Theirs { until: at(until) };
        assert_eq!(take("a", 0, 100).await, Lease::Ours);
        assert_eq!(take("b", 50, 150).await, theirs(100));
        assert_eq!(take("a", 60, 200).await, Lease::Ours, "prolonged");
        assert_eq!(take("b", 199, 300).await, theirs(200));
        assert_eq!(take("b", 200, 300).await, Lease::Ours, "its time was over");
        assert_eq!(take("a", 201, 300).await, theirs(300));
        assert_eq!(store.take_lease("other work", "a", at(0), at(1)).await.unwrap(), Lease::Ours);
        // Of many who come at once one has it.
        let rush = (0..8).map(|n| {
            let (store, holder) = (std::sync::Arc::clone(&store), format!("r{n}"));
            tokio::spawn(async move { store.take_lease("rush", &holder, at(0), at(100)).await.unwrap() })
        });
        let mut ours = 0;
        for one in rush.collect::<Vec<_>>() {
            ours += usize::from(one.await.unwrap() == Lease::Ours);
        }
        assert_eq!(ours, 1);
        store.close().await;
    })
    .await;
}
