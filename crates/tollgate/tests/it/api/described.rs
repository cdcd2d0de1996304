//! What the API does is what its OpenAPI document says: schemathesis makes requests of it, good and bad, and holds every
//! answer against it.

use std::process::Command;

use crate::api::ApiStand;
use crate::harness::need;

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_meet_no_surprise() {
    let Some(schemathesis) = need("TOLLGATE_TEST_SCHEMATHESIS") else { return };
    let api = ApiStand::start().await;
    let report = api.database.with_file_name("schemathesis.txt");
    let mut command = Command::new(schemathesis);
    command
        .arg("run")
        .arg(api.url("/api/v1/openapi.json"))
        .args(["--header", &format!("Authorization: Bearer {}", api.stand.token())])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "8",
            "--max-time",
            "90",
            "--seed",
            "7",
        ])
        // Whether bad data is refused is judged by our own tables: the document does not state every rule.
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--no-color"])
        .env("SCHEMATHESIS_HOOKS", "")
        .current_dir(api.database.parent().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    std::fs::write(&report, &said).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("passed") || said.contains("No issues found"), "nothing was tried: {said}");
    // None of it may have hurt the process.
    let (status, me) = api.call("GET", "/me", None).await.unwrap();
    assert_eq!(status, 200, "{me}");
    assert!(!api.stand.tollgate.log().contains("panicked"), "{}", api.stand.tollgate.log());
}
