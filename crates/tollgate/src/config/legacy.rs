//! Keys of older deployments, moved to where they live now. Each layer is translated on its own, so that a layer can
//! override another whichever names either uses.

use super::problem::Problem;
use super::tree::{Node, Value};

/// Translates one layer.
pub(super) fn translate(root: &mut Node, problems: &mut Vec<Problem>) {
    let Some(server) = root.get_mut("server") else { return };
    if let Some(rest) = server.take("rest") {
        let origin = rest.origin.clone();
        if server.get("http").is_some_and(|http| http.get("listen").is_some()) {
            let text = "the older name of server.http.listen, which is given too; remove one";
            problems.push(Problem::new("server.rest", text).at(&origin));
        } else if let Some(entries) = server.entries_mut() {
            let rest = address("server.rest", rest, problems);
            let listen = Node { value: Value::Map(vec![("listen".into(), rest)]), origin };
            match entries.iter_mut().find(|(name, _)| name == "http") {
                Some((_, http)) => http.overlay(listen),
                None => entries.push(("http".into(), listen)),
            }
        }
    }
    if let Some(grpc) = server.get_mut("grpc") {
        let whole_is_address = match &grpc.value {
            Value::String(_) => true,
            Value::Map(_) => grpc.get("port").is_some(),
            _ => false,
        };
        if whole_is_address {
            let mut rest = Node { value: Value::Map(Vec::new()), origin: grpc.origin.clone() };
            if let Some(entries) = grpc.entries_mut() {
                let (own, others) = entries
                    .drain(..)
                    .partition(|(name, _)| matches!(name.as_str(), "port" | "host" | "address"));
                *entries = own;
                rest.value = Value::Map(others);
            }
            let old = std::mem::replace(grpc, rest);
            if grpc.get("listen").is_some() {
                let text = "port is an older way to write server.grpc.listen, which is given too; remove one";
                problems.push(Problem::new("server.grpc", text).at(&old.origin));
            } else if let Some(entries) = grpc.entries_mut() {
                entries.push(("listen".into(), address("server.grpc", old, problems)));
            }
        }
    }
    for listener in ["http", "grpc", "check", "metrics"] {
        if let Some(listen) = server.get_mut(listener).and_then(|l| l.get_mut("listen")) {
            let empty = Node { value: Value::Null, origin: listen.origin.clone() };
            let given = std::mem::replace(listen, empty);
            *listen = address(&format!("server.{listener}.listen"), given, problems);
        }
    }
}

/// `{address, port}` or `{host, port}` as `address:port`; anything else as it is.
fn address(path: &str, node: Node, problems: &mut Vec<Problem>) -> Node {
    let Some(entries) = node.entries() else { return node };
    let mut host = "0.0.0.0";
    let mut port = None;
    for (name, value) in entries {
        match (name.as_str(), &value.value) {
            ("host" | "address", Value::String(text)) => host = text,
            ("port", Value::Number(number)) => port = number.as_u64(),
            ("host" | "address" | "port", _) => {
                problems.push(
                    Problem::new(format!("{path}.{name}"), "expected an address or a port").at(&value.origin),
                );
            }
            _ => {
                let text = "unknown key; known here: address (or host), port";
                problems.push(Problem::new(format!("{path}.{name}"), text).at(&value.origin));
            }
        }
    }
    match port {
        Some(port) => {
            let bare_v6 = host.contains(':') && !host.starts_with('[');
            let text = if bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            Node { value: Value::String(text), origin: node.origin }
        }
        None => {
            problems.push(Problem::new(format!("{path}.port"), "missing").at(&node.origin));
            // Reported; a harmless value keeps the same mistake from being reported twice.
            Node { value: Value::String("0.0.0.0:0".into()), origin: node.origin }
        }
    }
}
