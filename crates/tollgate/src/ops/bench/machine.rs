//! The machine that made the load, as its kernel describes it: a number without it cannot be compared.

use serde::Serialize;

/// The facts.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: Option<u64>,
    kernel: Option<String>,
    /// The load average of the last minute, before the run.
    load_average: Option<f64>,
}

impl Machine {
    /// This one, now. What the kernel does not tell stays out.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let cpu = read("/proc/cpuinfo").and_then(|text| field(&text, "model name"));
        let memory = read("/proc/meminfo").and_then(|text| field(&text, "MemTotal"));
        let memory_kib: Option<u64> = memory.and_then(|text| text.split(' ').next()?.parse().ok());
        Self {
            cpu: cpu.unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_kib.map(|kib| kib / 1024),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            load_average: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let memory = self.memory_mib.map_or(String::new(), |mib| format!(", {mib} MiB"));
        format!("{}, {} cores{memory}", self.cpu, self.cores)
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}
