//! The report: one Markdown table, with the machine it was measured on.

use std::fmt::Write as _;

use crate::keys::Facts;
use crate::scenario::{OPEN_RATE, Row};

/// The machine, as the kernel describes it.
pub fn hardware() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("unknown CPU", |m| m.trim_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores, shared by load generator and servers")
}

/// The rows as Markdown.
pub fn markdown(rows: &[Row], facts: &Facts, raw_verify_micros: f64, hardware: &str) -> String {
    let mut out = format!(
        "Machine: {hardware}. Closed loop: {} calls in flight. Open loop: {OPEN_RATE:.0} calls a second on the gRPC door, \
         {:.0} through Envoy, latency from the scheduled start. Alone: one call at a time. One raw RS256 signature check: \
         {raw_verify_micros:.1} µs.\n\n\
         | case | calls/s | of floor | alone p50 µs | p50 µs | p99 µs | open p50 µs | open p99 µs | open p99.9 µs |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        crate::load::IN_FLIGHT,
        crate::gateway::OPEN_RATE,
    );
    for row in rows {
        let floor = row.floor.as_ref().and_then(|name| rows.iter().find(|r| r.name == *name));
        let of_floor = floor.map_or(String::new(), |f| format!("{:.2}", row.closed.rate / f.closed.rate));
        let (closed, open) = (&row.closed.latency, &row.open.latency);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {:.0} | {of_floor} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.closed.rate,
            row.alone.latency.value_at_quantile(0.5),
            closed.value_at_quantile(0.5),
            closed.value_at_quantile(0.99),
            open.value_at_quantile(0.5),
            open.value_at_quantile(0.99),
            open.value_at_quantile(0.999),
        );
    }
    if !facts.0.is_empty() {
        out.push_str("\n| API keys | |\n|---|---|\n");
        for (what, value) in &facts.0 {
            let _ = writeln!(out, "| {what} | {value} |");
        }
    }
    out
}
