//! The change sequence has no gaps and no double numbers, whoever writes at once; the audit chain is one chain.

use serde_json::json;

use super::rig::{at, becomes_ready, on_both, options};
use crate::store::{ActorKind, AuditEntry, Change, Store, StoreError};

fn entry(target: &str) -> AuditEntry {
    AuditEntry {
        at: at(1),
        actor_kind: ActorKind::System,
        actor_id: "system".into(),
        actor_name: "Tollgate".into(),
        action: "test.done",
        target_kind: "test",
        target_id: target.into(),
        organization_id: None,
        project_id: None,
        before: None,
        after: Some(json!({"n": 1})),
        address: None,
        user_agent: None,
        request_id: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_leave_no_gap() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let writers = (0..4).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let mut tx = store.begin().await.unwrap();
                    tx.change(Change::Key(format!("{writer}-{n}")));
                    tx.change(Change::Key(format!("{writer}-{n}")));
                    tx.change(Change::Project(format!("{writer}-{n}")));
                    tx.audit(entry(&format!("{writer}-{n}")));
                    if n == 5 {
                        drop(tx);
                    } else {
                        tx.commit(at(n)).await.unwrap();
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let changes = store.changes_since(0, 1000).await.unwrap();
        let numbers: Vec<i64> = changes.iter().map(|(seq, ..)| *seq).collect();
        assert_eq!(
            numbers,
            (1..=72).collect::<Vec<_>>(),
            "a change said twice counts once; an undone one never"
        );
        assert_eq!(store.change_position().await.unwrap().seq, 72);
        assert_eq!(*store.published().borrow(), 72);
        assert_eq!(store.changes_since(70, 1000).await.unwrap().len(), 2);
        store.trim_changes(at(9)).await.unwrap();
        assert!(store.changes_since(0, 1000).await.unwrap().len() < 72);
        store.bump_epoch(at(1)).await.unwrap();
        assert_eq!(store.change_position().await.unwrap().epoch, 1);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_of_change_is_never_skipped() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let mut tx = store.begin().await.unwrap();
        crate::store::tx::on_tx!(tx, conn => {
            sqlx::query("INSERT INTO changes (seq, kind, entity, at) VALUES (1, 'novelty', 'x', 0)").execute(conn).await.map(drop)
        })
        .unwrap();
        tx.commit(at(1)).await.unwrap();
        let error = store.changes_since(0, 10).await.unwrap_err();
        assert!(matches!(error, StoreError::Inconsistent { table: "changes", .. }), "{error}");
        store.close().await;
    })
    .await;
}
