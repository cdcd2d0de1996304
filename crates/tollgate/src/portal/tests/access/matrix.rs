//! Role × endpoint. `UPDATE_REFERENCE=1 cargo test -p tollgate access` writes the committed table anew; look at its diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::world::{ROLES, World};
use super::{operations, proof, samples};

const HEAD: &str = "\
Who may do what through the API (/api/v1): the status that each role gets at each endpoint, in a world where every id
exists and every body is good. Written and compared by a test; a new endpoint or another outcome fails it.

anonymous  no credential                     owner     owner of the project
stranger   a person, member of neither       member    member of the organization, not of the project
viewer     of the project                    admin     administrator of the organization
developer  of the project; the key is theirs platform  administrator of the deployment
manager    of the project                    key       an API key of the developer

404 hides what is not visible to the caller. 403 is for what they see and may not do. A person's key is rotated by that
person alone, and made by somebody who is in the project by more than the platform's right. Keys below /api-keys are those of
the caller's personal project; the one here is the developer's. So is the session below /me/sessions.

The last column says whether the endpoint asks for a recent proof of who is there (docs/login.md): asked is always, wider
when the change gives more than there was, - never.

";

/// One row for each operation, one column for each role.
async fn table(world: &World) -> String {
    let mut text = HEAD.to_owned();
    let _ = write!(text, "{:<85}", "");
    for role in ROLES {
        let _ = write!(text, "{role:>10}");
    }
    text.push_str("     proof\n");
    // A try that changed something spoils the world for the next one; one that did not, does not.
    let mut untouched = None;
    for (method, template) in operations() {
        let body = samples::body(world, &method, &template)
            .unwrap_or_else(|| panic!("{method} {template} has no sample body in access/samples.rs"));
        let path = samples::path(&template, |name| world.ids.get(name).cloned()).unwrap_or_else(|| {
            panic!("{method} {template} has a parameter without an id in access/world.rs")
        });
        let _ = write!(text, "{:<85}", format!("{method:<7}{template}"));
        let mut may = None;
        for role in ROLES {
            let awake = match untouched.take() {
                Some(awake) => awake,
                None => world.copy().await,
            };
            let (api, before) = (&awake.api, awake.written().await);
            let reply = api.call(&method, &path, &world.credential(api, role), body.clone()).await;
            let status = reply.status.as_u16();
            assert!(status < 500 && status != 405, "{method} {path} as {role}: {status} {}", reply.body);
            let _ = write!(text, "{status:>10}");
            if status < 300 {
                may = may.or(Some(role));
            }
            if method == "GET" || status >= 400 {
                assert_eq!(awake.written().await, before, "{method} {path} as {role} wrote something");
                untouched = Some(awake);
            } else {
                awake.end().await;
            }
        }
        if let Some(awake) = untouched.take() {
            awake.end().await;
        }
        let proof = proof::column(world, (&method, &template), may).await;
        let _ = writeln!(text, "{proof:>10}");
    }
    if let Some(awake) = untouched {
        awake.end().await;
    }
    text
}

pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/access-matrix.txt")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_access_matrix_is_the_tried_one() {
    compare(&table(&World::make().await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_matrix_is_the_same_on_postgres() {
    if let Some(world) = World::on_postgres().await {
        compare(&table(&world).await);
    }
}

#[expect(clippy::disallowed_methods, reason = "how the reference is asked to be rewritten")]
fn compare(tried: &str) {
    let path = committed();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, tried).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    for (line, (is, was)) in tried.lines().zip(committed.lines()).enumerate() {
        assert_eq!(is, was, "line {} of access-matrix.txt", line + 1);
    }
    assert_eq!(
        tried, committed,
        "access-matrix.txt is out of date; run UPDATE_REFERENCE=1 cargo test -p tollgate access"
    );
}

#[test]
fn rights_grow_with_the_role() {
    let table = std::fs::read_to_string(committed()).unwrap();
    let rows = table.lines().filter(|line| line.contains("{project_id}"));
    let mut seen = 0;
    for row in rows {
        let statuses: Vec<u16> = row[85..].split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [anonymous, stranger, viewer, developer, manager, owner, member, admin, platform, key] =
            statuses[..]
        else {
            panic!("{row}")
        };
        assert_eq!((anonymous, stranger, member), (401, 404, 404), "{row}");
        assert_eq!(key, 401, "a key opens no door but /me: {row}");
        let may = |status: u16| status < 300;
        for (weaker, stronger) in
            [(viewer, developer), (developer, manager), (manager, owner), (owner, admin)]
        {
            // A person's key is rotated by that person alone.
            assert!(!may(weaker) || may(stronger) || row.contains("/rotate"), "{row}");
        }
        // What gives rights or secrets takes a membership: the platform's right alone does not.
        let as_member = ["/projects/{project_id}/keys ", "/projects/{project_id}/invitations ", "/rotate "];
        let gives = row.starts_with("POST") && as_member.iter().any(|path| row.contains(path));
        assert!(may(admin) || row.contains("/rotate"), "{row}");
        assert!(if gives { platform == 403 } else { may(platform) }, "{row}");
        assert!(
            [viewer, developer, manager, owner].iter().all(|status| may(*status) || *status == 403),
            "{row}"
        );
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}
