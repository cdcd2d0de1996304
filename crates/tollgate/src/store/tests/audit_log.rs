//! The audit log is read by scope, and its chain shows what was changed, taken out or cut off behind its back.

use tollgate_core::ids::IdKind;

use super::people::*;
use super::rig::{at, becomes_ready, on_both, options};
use crate::store::tx::on_tx;
use crate::store::{
    ActorKind, AuditScope, ChainReport, Change, NewTokenRule, Origin, ProjectEdit, Refusal, Store,
    TokenRuleKind,
};

async fn open(url: String) -> std::sync::Arc<Store> {
    let store = Store::open(&options(url)).unwrap();
    becomes_ready(&store).await;
    store
}

async fn tamper(store: &Store, statement: &'static str) {
    let mut tx = store.begin().await.unwrap();
    on_tx!(tx, conn => sqlx::query(statement).execute(conn).await.map(drop)).unwrap();
    tx.commit(at(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_seen_where_they_belong() {
    on_both(async |url| {
        let store = open(url).await;
        let (alice, bob) = (meet(&store, "alice").await, meet(&store, "bob").await);
        let (organization, project) = home(&store, &alice).await;
        let mut author = (*by(&alice)).clone();
        author.origin = Origin {
            at: at(1_700_000_000_123),
            address: Some("192.0.2.7".into()),
            user_agent: Some("curl/8".into()),
            request_id: Some("r-1".into()),
        };
        let edit = ProjectEdit { name: Some("tools"), models: None };
        commit!(store, tx => tx.update_project(&author, &project, (edit, None), proof)).unwrap();
        let of_project = store.audit_page(AuditScope::Project(&project), i64::MAX, 50).await.unwrap();
        let named: Vec<_> = of_project.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(named, ["project.update", "project.member.add", "project.create"], "newest first");
        let shown = serde_json::to_value(&of_project[0]).unwrap();
        assert_eq!(shown["at"], "2023-11-14T22:13:20.123Z");
        assert_eq!(shown["actor"]["id"], alice.id);
        assert_eq!(
            (&shown["before"]["name"], &shown["after"]["name"]),
            (&"personal".into(), &"tools".into())
        );
        assert_eq!((&shown["address"], &shown["user_agent"]), (&"192.0.2.7".into(), &"curl/8".into()));
        let next = store.audit_page(AuditScope::Project(&project), of_project[0].seq, 1).await.unwrap();
        assert_eq!(next[0].action, "project.member.add");
        let of_organization =
            store.audit_page(AuditScope::Organization(&organization), i64::MAX, 50).await.unwrap();
        assert_eq!(of_organization.len(), 5);
        let all = store.audit_page(AuditScope::All, i64::MAX, 50).await.unwrap();
        assert_eq!(all.len(), 11);
        assert!(of_organization.iter().all(|record| record.actor.id != bob.id));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_shows_what_was_done_behind_its_back() {
    on_both(async |url| {
        let store = open(url).await;
        let whole = |report: &ChainReport| matches!(report, ChainReport::Whole { .. });
        assert!(whole(&store.verify_audit_chain().await.unwrap()), "an empty chain is whole");
        for n in 0..4 {
            meet(&store, &format!("p{n}")).await;
        }
        let ChainReport::Whole { head } = store.verify_audit_chain().await.unwrap() else { panic!("broken") };
        assert_eq!((head.seq, head.hash.len()), (20, 64));

        tamper(&store, "UPDATE audit SET actor_name = 'nobody' WHERE seq = 7").await;
        let broken = ChainReport::Broken { seq: 7, what: "not as it was written" };
        assert_eq!(store.verify_audit_chain().await.unwrap(), broken);
        tamper(&store, "UPDATE audit SET actor_name = 'p1' WHERE seq = 7").await;
        assert!(whole(&store.verify_audit_chain().await.unwrap()));
        tamper(&store, "DELETE FROM audit WHERE seq = 20").await;
        assert_eq!(
            store.verify_audit_chain().await.unwrap(),
            ChainReport::Broken { seq: 20, what: "missing" }
        );
        tamper(&store, "UPDATE audit_head SET seq = 19").await;
        let cut = ChainReport::Broken { seq: 19, what: "not the end that the chain had" };
        assert_eq!(store.verify_audit_chain().await.unwrap(), cut);
        tamper(&store, "DELETE FROM audit WHERE seq = 3").await;
        assert_eq!(
            store.verify_audit_chain().await.unwrap(),
            ChainReport::Broken { seq: 3, what: "missing" }
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_rules_are_made_lifted_and_forgotten() {
    on_both(async |url| {
        let store = open(url).await;
        let alice = meet(&store, "alice").await;
        let id = make_id(IdKind::TokenRule);
        let new = NewTokenRule {
            id: &id,
            issuer: "keycloak",
            kind: TokenRuleKind::Subject,
            value: "alice",
            issued_before: Some(at(4_000)),
            expires_at: Some(at(8_000)),
            reason: "laptop lost",
        };
        assert_eq!(
            refusal(commit!(store, tx => tx.create_token_rule(&by(&alice), new))),
            Refusal::PlatformAdminNeeded
        );
        let made = commit!(store, tx => tx.create_token_rule(&operator(), new)).unwrap();
        assert_eq!(store.token_rules(FIRST).await.unwrap(), [made]);
        let last = store.audit_after(AuditScope::All, 0, 100).await.unwrap().pop().unwrap();
        assert_eq!(last.actor.kind, ActorKind::Operator.as_str());
        assert_eq!(store.forget_expired_token_rules(at(8_000)).await.unwrap(), 0);
        assert_eq!(store.forget_expired_token_rules(at(8_001)).await.unwrap(), 1);
        let forever = NewTokenRule { expires_at: None, ..new };
        commit!(store, tx => tx.create_token_rule(&operator(), forever)).unwrap();
        assert_eq!(store.forget_expired_token_rules(at(i64::MAX)).await.unwrap(), 0);
        commit!(store, tx => tx.delete_token_rule(&operator(), &id)).unwrap();
        assert_eq!(store.token_rules(FIRST).await.unwrap(), []);
        let said = store.changes_since(0, 100).await.unwrap();
        let said = said.iter().filter(|(_, change, _)| *change == Change::TokenRule(id.clone()));
        assert_eq!(said.count(), 4);
        store.close().await;
    })
    .await;
}
