//! Commands over the REST API: what they share, which is whom they talk to, as whom, and how they answer.

pub mod audit;
pub mod invitations;
pub mod keys;
pub mod login;
pub mod members;
pub mod organizations;
pub mod projects;
pub mod service_accounts;
mod table;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

use self::table::Columns;
use crate::client::login::renew;
use crate::client::{Answer, Api, Call, ClientError, HttpOptions, Remedy, SavedLogins};
use crate::clock::{Clock as _, SystemClock};

/// The API of a Tollgate on this machine, such as that of `tollgate dev`.
const DEFAULT_API: &str = "http://localhost:3000";
/// EX_UNAVAILABLE: try again later.
const UNAVAILABLE: u8 = 69;
/// EX_NOPERM: sign in, or get other rights.
const NO_PERMISSION: u8 = 77;

/// Which API, as whom, and how to answer.
#[derive(Debug, Args)]
#[command(next_help_heading = "API")]
pub struct ApiArgs {
    /// The API's address; without it that of the last login, else http://localhost:3000.
    #[arg(long, global = true, env = "TOLLGATE_API", value_name = "URL")]
    pub api: Option<String>,
    /// An access token. Others on this machine may see it; better are --token-file or TOLLGATE_TOKEN.
    #[arg(long, global = true, env = "TOLLGATE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<SecretString>,
    /// A file that holds an access token.
    #[arg(long, global = true, conflicts_with = "token", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A PEM file with further authorities for the API's and the issuer's certificates.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Let the token go over plain HTTP to another machine.
    #[arg(long, global = true)]
    pub allow_http: bool,
    /// How to answer.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs: the API's own JSON.
    Json,
}

/// A caller of the API, and a terminal.
pub struct Session {
    api: Api,
    output: Output,
}

/// The exit code of an error, when it is the API's.
pub fn exit_code(error: &anyhow::Error) -> Option<ExitCode> {
    let error = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>())?;
    Some(match error.remedy() {
        Remedy::SignIn => ExitCode::from(NO_PERMISSION),
        Remedy::Later => ExitCode::from(UNAVAILABLE),
        Remedy::Other => ExitCode::FAILURE,
    })
}

/// Runs a command against the API.
fn run(args: ApiArgs, command: impl AsyncFnOnce(Session) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let session = Session::start(args).await?;
        command(session).await
    })?;
    Ok(ExitCode::SUCCESS)
}

impl ApiArgs {
    fn http(&self) -> HttpOptions {
        HttpOptions { ca_file: self.ca_file.clone(), allow_http: self.allow_http }
    }

    /// The API's address, without a slash at the end: that is also the name of its login.
    fn base(&self, saved: &SavedLogins) -> String {
        let named = self.api.as_deref().or(saved.current()).unwrap_or(DEFAULT_API);
        named.trim_end_matches('/').to_owned()
    }
}

impl Session {
    async fn start(args: ApiArgs) -> anyhow::Result<Self> {
        let mut saved = SavedLogins::open(&logins_file()?)?;
        let base = args.base(&saved);
        let http = args.http();
        let token = match (args.token, &args.token_file) {
            (Some(token), _) => token,
            (None, Some(file)) => token_in(file)?,
            (None, None) => saved_token(&mut saved, &base, &http).await?,
        };
        let api = Api::new(&base, Some(token), &http)?;
        Ok(Self { api, output: args.output })
    }

    async fn call(&self, call: &Call) -> Result<Answer, ClientError> {
        self.api.call(call).await
    }

    async fn items(&self, call: &Call, limit: Option<usize>) -> Result<Vec<Value>, ClientError> {
        self.api.items(call, limit).await
    }

    /// Shows a list.
    fn list(&self, items: Vec<Value>, columns: &Columns) -> anyhow::Result<()> {
        match self.output {
            Output::Table if items.is_empty() => note("nothing"),
            Output::Table => print(&table::table(&items, columns)),
            Output::Json => print_json(&Value::Array(items)),
        }
    }

    /// Shows one thing.
    fn show(&self, item: &Value, columns: &Columns) -> anyhow::Result<()> {
        match self.output {
            Output::Table => print(&table::fields(item, columns)),
            Output::Json => print_json(item),
        }
    }

    /// Says what was done; programs get the API's answer.
    fn done(&self, text: &str, answer: &Value) -> anyhow::Result<()> {
        match self.output {
            Output::Table => print(&format!("{}\n", table::plain(text))),
            Output::Json => print_json(answer),
        }
    }

    /// The id of a project: given as an id or a name, or the only one there is.
    async fn project(&self, wanted: Option<&str>) -> anyhow::Result<String> {
        self.find("project", "prj_", wanted).await
    }

    /// The id of an organization, in the same way.
    async fn organization(&self, wanted: Option<&str>) -> anyhow::Result<String> {
        self.find("organization", "org_", wanted).await
    }

    async fn find(&self, kind: &str, prefix: &str, wanted: Option<&str>) -> anyhow::Result<String> {
        if let Some(id) = wanted.filter(|text| text.starts_with(prefix)) {
            return Ok(id.to_owned());
        }
        let all = self.items(&Call::get(&[&format!("{kind}s")]), None).await?;
        let of = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let fitting: Vec<&Value> =
            all.iter().filter(|item| wanted.is_none_or(|name| of(item, "name") == name)).collect();
        match (fitting.as_slice(), wanted) {
            ([one], _) => Ok(of(one, "id")),
            ([], Some(name)) => {
                anyhow::bail!("you have no {kind} of the name '{name}'; `tollgate {kind}s list` shows yours")
            }
            ([], None) => anyhow::bail!("you have no {kind}"),
            (several, _) => {
                let names = several.iter().map(|item| format!("  {}  {}", of(item, "id"), of(item, "name")));
                let names: Vec<String> = names.collect();
                anyhow::bail!(
                    "say which {kind}, by --{kind} or TOLLGATE_{}:\n{}",
                    kind.to_uppercase(),
                    names.join("\n")
                )
            }
        }
    }
}

/// A POST without a body to one thing.
fn act(path: &[&str]) -> Call {
    Call::new(Method::POST, path)
}

/// The token of the login that was kept, renewed when it is over.
async fn saved_token(
    saved: &mut SavedLogins,
    base: &str,
    http: &HttpOptions,
) -> anyhow::Result<SecretString> {
    let now = SystemClock.now();
    let login = saved.get(base).cloned().ok_or_else(|| ClientError::SignedOut(base.to_owned()))?;
    if !login.is_over(now) {
        return Ok(login.access_token.into());
    }
    let renewed = renew(&login, http, now).await?;
    let token = renewed.access_token.clone();
    saved.put(base, renewed)?;
    Ok(token.into())
}

fn token_in(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("--token-file {}", file.display()))?;
    Ok(text.trim().to_owned().into())
}

/// Where logins are kept: the state directory of the XDG base directory specification.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn logins_file() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Ok(state
        .context("neither XDG_STATE_HOME nor HOME says where to keep a login")?
        .join("tollgate/logins.json"))
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("writing to standard output")
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

/// For the person at the terminal, so that standard output is the answer alone.
fn note(text: &str) -> anyhow::Result<()> {
    // Nobody reads standard error: the answer is worth giving all the same.
    let _ = writeln!(std::io::stderr(), "{text}");
    Ok(())
}

/// Asks before something that cannot be undone. Where nobody can answer, it has to be said on the command line.
fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    use std::io::IsTerminal as _;
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("{question} Say --yes if that is meant.");
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { anyhow::bail!("not done") }
}

/// A secret from standard input, so that it is in no list of processes and no history.
fn secret_from_stdin(what: &str) -> anyhow::Result<String> {
    use std::io::{IsTerminal as _, Read as _};
    if std::io::stdin().is_terminal() {
        note(&format!("paste {what}, then Enter and Ctrl-D:"))?;
    }
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).with_context(|| format!("reading {what}"))?;
    Ok(text.trim().to_owned())
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("output", &self.output).finish_non_exhaustive()
    }
}
