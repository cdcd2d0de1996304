//! `tollgate config`: check a configuration, show what is in force, print its schema.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use crate::config::{self, EXIT_CONFIG, Loaded, ShowFormat, Sources};

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check file and environment; exits with 78 when they cannot be used.
    Check,
    /// Show the configuration in force; secrets are masked.
    Show {
        /// The form to write it in.
        #[arg(long, value_enum, default_value_t = Output::Yaml)]
        output: Output,
        /// Say for each value which layer set it.
        #[arg(long)]
        origin: bool,
    },
    /// Print the JSON schema of the configuration file.
    Schema,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A configuration file.
    Yaml,
    /// JSON.
    Json,
}

impl ConfigCommand {
    /// Runs the command on the file at `path` (or `CONFIG_PATH`) and the environment.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn run(self, path: Option<&Path>) -> anyhow::Result<ExitCode> {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        self.write(&Sources::of_process(path), &mut out, &mut err)
    }

    fn write(
        self,
        sources: &Sources,
        out: &mut impl io::Write,
        err: &mut impl io::Write,
    ) -> anyhow::Result<ExitCode> {
        if matches!(self, Self::Schema) {
            writeln!(out, "{:#}", config::schema())?;
            return Ok(ExitCode::SUCCESS);
        }
        let loaded = match config::load(sources) {
            Ok(loaded) => loaded,
            Err(error) => {
                writeln!(err, "{error}")?;
                return Ok(ExitCode::from(EXIT_CONFIG));
            }
        };
        for warning in &loaded.warnings {
            writeln!(err, "warning: {warning}")?;
        }
        match self {
            Self::Show { output, origin } => {
                let format = match output {
                    Output::Yaml => ShowFormat::Yaml,
                    Output::Json => ShowFormat::Json,
                };
                out.write_all(config::show(&loaded, format, origin).as_bytes())?;
            }
            Self::Check | Self::Schema => writeln!(out, "{}", summary(sources, &loaded))?,
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(sources: &Sources, loaded: &Loaded) -> String {
    let policy = &loaded.compiled.policy;
    let file =
        sources.file().map_or_else(|| "defaults and environment".to_owned(), |p| p.display().to_string());
    format!(
        "{file}: OK ({} routes, {} issuers, {} warnings)",
        policy.routes().len(),
        policy.issuers().len(),
        loaded.warnings.len()
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn run(command: ConfigCommand, content: &str) -> (String, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, content).unwrap();
        let sources = Sources { path: Some(path), environment: Vec::new() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = command.write(&sources, &mut out, &mut err).unwrap();
        (format!("{code:?}"), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn check_says_yes_or_what_is_wrong() {
        let (code, out, err) = run(ConfigCommand::Check, "");
        assert_eq!(code, format!("{:?}", ExitCode::SUCCESS));
        assert!(out.ends_with("c.yaml: OK (0 routes, 0 issuers, 1 warnings)\n"), "{out}");
        assert!(err.starts_with("warning: routes: "), "{err}");

        let (code, out, err) = run(ConfigCommand::Check, "a: 1\nb: 2\n");
        assert_eq!(code, format!("{:?}", ExitCode::from(EXIT_CONFIG)));
        assert_eq!(out, "");
        assert_eq!(err.lines().count(), 2, "{err}");
    }

    #[test]
    fn show_and_schema_print_to_standard_output() {
        let show = |output, origin| run(ConfigCommand::Show { output, origin }, "checks: {realm: x}").1;
        assert!(show(Output::Yaml, false).contains("\n  realm: x\n"));
        assert!(show(Output::Yaml, true).contains("c.yaml:1\n"));
        let json: serde_json::Value = serde_json::from_str(&show(Output::Json, false)).unwrap();
        assert_eq!(json["checks"]["realm"], "x");
        let (_, out, _) = run(ConfigCommand::Schema, "not: read");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), config::schema());
    }
}
