//! Member names against the readers that fold them: Go's `encoding/json` and Python's `casefold`, on generated names. What
//! one of them takes for a member that names a model must never be another member to us.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tollgate_core::models::bodies::{FURTHER, Member, member};

/// Names as readers have them.
const NAMES: [&str; 14] = [
    "model",
    "models",
    "modelId",
    "model_id",
    "model_list",
    "model_group",
    "deployment",
    "deployment_id",
    "engine",
    "agent_id",
    "user_config",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
];

/// Prints for each line, a name in JSON, which field of a struct Go fills from it.
const GO: &str = r#"package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
)

type body struct {
FIELDS}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var b body
		if err := json.Unmarshal([]byte("{"+lines.Text()+":\"x\"}"), &b); err != nil {
			panic(err)
		}
		at, v := -1, reflect.ValueOf(b)
		for i := 0; i < v.NumField(); i++ {
			if v.Field(i).String() != "" {
				at = i
			}
		}
		fmt.Println(at)
	}
}
"#;

/// The same for Python's `casefold`; the second number says whether it is the same without `_` and `-`, in upper case, or
/// ends in `fallbacks`.
const PYTHON: &str = r#"
import json, sys
names, further = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]))
bare = lambda text: text.split("\0")[0].translate({ord("_"): None, ord("-"): None, 0x130: "i", 0x131: "i"}).casefold()
for line in sys.stdin:
    name = json.loads(line)
    folded = [at for at, known in enumerate(names) if name.casefold() == known.casefold()]
    loose = bare(name) in further | {"model"} or bare(name).endswith("fallbacks")
    print(folded[0] if folded else -1, int(loose))
"#;

/// A program of this machine, or a line that says that the test is skipped.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/local/go/bin")]);
    let found = dirs.flat_map(|dir| names.iter().map(move |name| dir.join(name))).find(|path| path.is_file());
    if found.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let reason = format!("this machine has no {}", names.join(" or "));
        eprintln!("SKIPPED {test}: {reason}");
        if let Some(list) = std::env::var_os("TOLLGATE_SKIP_LOG") {
            let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
            writeln!(list, "{test}\t{reason}").unwrap();
        }
    }
    found
}

/// What a program prints for these names, line by line.
fn lines(command: &mut Command, names: &[String]) -> Vec<String> {
    let mut input = String::new();
    for name in names {
        writeln!(input, "{}", serde_json::to_string(name).unwrap()).unwrap();
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), names.len());
    lines
}

/// Every character that some reader may take for a letter of ASCII, and others.
fn odd_characters() -> Vec<char> {
    let ascii = |text: &str| text.chars().any(|c| c.is_ascii());
    let mut odd: Vec<char> = ('\u{80}'..='\u{2ffff}')
        .filter(|c| ascii(&c.to_lowercase().to_string()) || ascii(&c.to_uppercase().to_string()))
        .collect();
    assert!(odd.contains(&'\u{212a}') && odd.contains(&'\u{17f}') && odd.contains(&'\u{fb01}'));
    odd.extend([
        '\u{fb00}', '\u{fb06}', '\u{df}', '\u{1e9e}', '\u{200b}', '\u{301}', '\u{ff4d}', '\u{0}', '\u{fffd}',
    ]);
    odd
}

/// Names that are nearly names that are looked for.
fn generated() -> Vec<String> {
    let edit = (0..6_u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let odd = odd_characters();
    let changed = (prop::sample::select(NAMES.to_vec()), prop::collection::vec(edit, 0..4)).prop_map(
        move |(name, edits)| {
            let mut text: Vec<char> = name.chars().collect();
            for (kind, place, other) in edits {
                if text.is_empty() {
                    break;
                }
                let at = place.index(text.len());
                match kind {
                    0 => text[at] = text[at].to_ascii_uppercase(),
                    1 => {
                        // A character that folds to what stands here, if there is one.
                        let same = |c: &&char| {
                            c.to_lowercase().eq(Some(text[at]))
                                || c.to_uppercase().eq(text[at].to_uppercase())
                        };
                        if let Some(c) = odd.iter().find(same) {
                            text[at] = *c;
                        }
                    }
                    2 => {
                        let pairs =
                            [("fi", '\u{fb01}'), ("st", '\u{fb06}'), ("ss", '\u{df}'), ("ff", '\u{fb00}')];
                        let two: String = text[at..].iter().take(2).collect();
                        if let Some((_, c)) = pairs.iter().find(|(pair, _)| *pair == two) {
                            text.splice(at..at + 2, [*c]);
                        }
                    }
                    3 => text[at] = odd[other.index(odd.len())],
                    4 => text.insert(at, ['_', '-', 's', '\u{0}'][other.index(4)]),
                    _ => drop(text.remove(at)),
                }
            }
            text.into_iter().collect::<String>()
        },
    );
    let mut runner = TestRunner::deterministic();
    let mut names: Vec<_> = (0..20_000).map(|_| changed.new_tree(&mut runner).unwrap().current()).collect();
    // Every odd character once in each name, at each place.
    for name in NAMES {
        for (at, c) in name.char_indices() {
            for odd in odd_characters() {
                names.push(format!("{}{odd}{}", &name[..at], &name[at + c.len_utf8()..]));
            }
        }
    }
    names
}

fn check(names: &[String], readings: &[String], whose: &str) -> usize {
    let mut taken = 0;
    for (name, reading) in names.iter().zip(readings) {
        let at: i64 = reading.split(' ').next().unwrap().parse().unwrap();
        let Ok(at) = usize::try_from(at) else { continue };
        taken += 1;
        let ours = member(name);
        match NAMES[at] {
            "model" if name == "model" => assert_eq!(ours, Member::Model),
            "model" => assert_eq!(ours, Member::AlmostModel, "{name:?} is model to {whose}"),
            known => assert_eq!(ours, Member::Further, "{name:?} is {known} to {whose}"),
        }
    }
    taken
}

#[test]
fn v7_what_go_takes_for_a_member_is_that_member() {
    let Some(go) = program(&["go"]) else { return };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-members");
    std::fs::create_dir_all(&dir).unwrap();
    let fields: String =
        NAMES.iter().enumerate().map(|(at, name)| format!("\tF{at} string `json:\"{name}\"`\n")).collect();
    let main = dir.join("main.go");
    std::fs::write(&main, GO.replace("FIELDS", &fields)).unwrap();
    let names = generated();
    let mut run = Command::new(go);
    run.arg("run").arg(&main).current_dir(&dir).env("GO111MODULE", "off").env("GOTOOLCHAIN", "local");
    run.env("GOCACHE", dir.join("cache")).env("GOFLAGS", "");
    let taken = check(&names, &lines(&mut run, &names), "Go");
    assert!(taken > 5_000, "the names must be near enough: {taken}");
}

#[test]
fn v7_what_python_folds_to_a_member_is_that_member_and_nothing_else_is() {
    let Some(python) = program(&["python3", "python"]) else { return };
    let names = generated();
    let known = serde_json::to_string(&NAMES).unwrap();
    let further = serde_json::to_string(&FURTHER).unwrap();
    let readings = lines(Command::new(python).args(["-c", PYTHON, &known, &further]), &names);
    let taken = check(&names, &readings, "Python");
    assert!(taken > 5_000, "the names must be near enough: {taken}");
    for (name, reading) in names.iter().zip(&readings) {
        if member(name) != Member::Other {
            assert!(reading.ends_with(" 1") || name.contains('\u{0}'), "{name:?} is nobody's");
        }
    }
}
