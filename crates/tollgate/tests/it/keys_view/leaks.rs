//! A key that a secret scanner found in public, reported to one replica, as all of them see it.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{HARD_BOUND, Replicas};
use crate::harness::client::http;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_found_in_public_is_refused_on_every_replica() {
    let scanner = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = scanner.public_key().as_der().unwrap();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let api = json!({"secret_scanning": {"keys": [{"id": "s1", "pem": pem}]}});
    let Some(rig) = Replicas::start_with(3, api).await else { return };
    let (leaked, other) = (rig.make().await, rig.make().await);
    rig.all_permit(&leaked.text).await;
    let body = json!([{"token": leaked.text, "type": "tollgate", "url": "https://example.com/a", "source": "commit"}]);
    let body = body.to_string();
    let report = async |replica: usize, signature: &[u8]| {
        let url =
            format!("http://127.0.0.1:{}/api/v1/secret-scanning/alerts", rig.replicas[replica].ports.http);
        let request = http().post(url).header("content-type", "application/json").body(body.clone());
        let request = request.header("github-public-key-identifier", "s1");
        let request = request.header("github-public-key-signature", STANDARD.encode(signature));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let signature = scanner.sign(&SystemRandom::new(), body.as_bytes()).unwrap();
    let forged = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let forged = forged.sign(&SystemRandom::new(), body.as_bytes()).unwrap();
    assert_eq!(report(0, forged.as_ref()).await.0, 401);
    rig.all_permit(&leaked.text).await;

    let (status, answer) = report(0, signature.as_ref()).await;
    assert_eq!((status, &answer[0]["label"]), (200, &json!("true_positive")), "{answer}");
    let took = rig.all_deny(&leaked.text, "key_unknown").await;
    #[expect(clippy::print_stderr, reason = "the measurement is part of the test's answer")]
    {
        eprintln!("from the answer to a report until three replicas refuse the key: {took:?}");
    }
    assert!(took < HARD_BOUND, "{took:?}");
    for replica in 0..3 {
        assert_eq!(report(replica, signature.as_ref()).await, (200, answer.clone()), "replica {replica}");
    }
    assert_eq!(rig.query("SELECT COUNT(*) FROM audit WHERE action = 'key.leak'").trim(), "1");
    rig.all_permit(&other.text).await;
    for replica in &rig.replicas {
        assert!(!replica.log().contains(&leaked.text[27..]), "the secret is in a log");
    }
}
