//! Programs that insist on fixed paths outside the tree, or leave children behind, run in namespaces of their own: they
//! see other files at those paths, and all their processes end with the one that the test holds.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// Binds `$1` over `$2` for each pair up to `--`, then becomes the program that follows.
const ENTER: &str = r#"
set -e
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"
"#;

/// One directory or file that takes another's place: `(what is seen, where)`.
pub type Bind<'a> = (&'a Path, &'a Path);

/// A command that will run `program` apart, with these binds, with `home` as its user's home and place for temporary
/// files, and with `hosts` as names of 127.0.0.1. `None` after a skip where the kernel does not let us.
pub fn apart(program: &Path, home: &Path, hosts: &[String], binds: &[Bind<'_>]) -> Option<Command> {
    if !base().arg("true").output().is_ok_and(|output| output.status.success()) {
        skip("unshare(1) may not make mount and process namespaces here");
        return None;
    }
    let mut command = base();
    command.args(["sh", "-c", ENTER, "sh"]);
    // Go asks this file for the home, whatever the environment says.
    let users = home.join("passwd");
    std::fs::write(&users, format!("root:x:0:0:root:{}:/bin/sh\n", home.display())).unwrap();
    let names = home.join("hosts");
    std::fs::write(&names, format!("127.0.0.1 localhost {}\n", hosts.join(" "))).unwrap();
    let own = [(users.as_path(), Path::new("/etc/passwd")), (names.as_path(), Path::new("/etc/hosts"))];
    for (seen, place) in binds.iter().chain(&own) {
        command.arg(seen).arg(place);
    }
    command.arg("--").arg(program).env("HOME", home).env("TMPDIR", home);
    Some(command)
}

fn base() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--map-root-user"]);
    command
}

/// A directory that only has to exist to be bound over, removed again when it is empty.
#[derive(Debug)]
pub struct MountPoint(PathBuf);

impl MountPoint {
    pub fn new(path: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        // Somebody else's files stay.
        let _not_empty = std::fs::remove_dir(&self.0);
    }
}
