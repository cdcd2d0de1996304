//! Rules against tokens hold on every replica, also for tokens that were verified before.

use serde_json::{Value, json};

use super::{Replicas, now};
use crate::stand;

impl Replicas {
    fn token(&self, more: &Value) -> String {
        let mut claims = stand::claims(&self.issuer);
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signing.sign_claims(&claims)
    }

    fn rule(&self, id: &str, kind: &str, value: &str, issued_before: &str) {
        let insert = format!(
            "INSERT INTO token_rules VALUES ('{id}', 'test', '{kind}', '{value}', {issued_before}, NULL, 'a test', \
             'per_1', 0)"
        );
        self.write(&insert, "token_rule", id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_die_by_rule_and_by_suspension() {
    let Some(rig) = Replicas::start(2).await else { return };
    let issued = now().as_secs() - 30;
    let base = |jti: &str, sid: &str, sub: &str| {
        rig.token(&json!({"jti": jti, "sid": sid, "sub": sub, "iat": issued, "preferred_username": sub}))
    };
    let (by_id, by_session, by_subject) =
        (base("t1", "s1", "u1"), base("t2", "s2", "u2"), base("t3", "s3", "u3"));
    let (person, other) = (base("t4", "s4", "user-1"), base("t5", "s5", "u5"));
    for token in [&by_id, &by_session, &by_subject, &person, &other] {
        // Twice: the second one is a remembered token.
        rig.all_permit(token).await;
        rig.all_permit(token).await;
    }
    rig.rule("trl_1", "jti", "t1", "NULL");
    rig.all_deny(&by_id, "token_invalid").await;
    rig.rule("trl_2", "sid", "s2", "NULL");
    rig.all_deny(&by_session, "token_invalid").await;
    rig.rule("trl_3", "subject", "u3", &(now().as_millis() - 1000).to_string());
    rig.all_deny(&by_subject, "token_invalid").await;
    let newer = rig.token(&json!({"sub": "u3", "iat": now().as_secs()}));
    rig.all_permit(&newer).await;
    rig.write("UPDATE people SET state = 'suspended' WHERE id = 'per_1'", "person", "per_1");
    rig.all_deny(&person, "caller_suspended").await;
    rig.all_permit(&other).await;

    rig.rule("trl_4", "issued_before", "", &(now().as_millis() - 10_000).to_string());
    rig.all_deny(&other, "token_invalid").await;
    rig.all_permit(&newer).await;

    rig.write("DELETE FROM token_rules", "token_rule", "trl_4");
    rig.all_permit(&other).await;
    rig.write("UPDATE people SET state = 'active' WHERE id = 'per_1'", "person", "per_1");
    rig.all_permit(&person).await;
    // The log knows what the caller does not learn.
    let log = rig.replicas[0].log();
    assert!(log.contains("token_revoked") && log.contains("caller_suspended"));
}
