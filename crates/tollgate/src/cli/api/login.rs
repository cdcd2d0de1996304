//! `tollgate login`, `logout` and `whoami`.

use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use serde_json::Value;

use super::table::{Column, plain, text};
use super::{ApiArgs, logins_file, note, run};
use crate::client::login::{Issuer, SignIn, by_browser, by_device, revoke};
use crate::client::{Api, Call, SavedLogins};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;

/// Options of `tollgate login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Show a code that is typed in a browser on any device, even if this machine has one.
    #[arg(long, conflicts_with = "browser")]
    device: bool,
    /// Use this machine's browser, even if the issuer offers codes.
    #[arg(long)]
    browser: bool,
    /// Only print the address to open.
    #[arg(long)]
    no_open: bool,
    /// The issuer, when the API does not say.
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,
    /// The client that this command is at the issuer, when the API does not say.
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Options of `tollgate logout` and `tollgate whoami`.
#[derive(Debug, Args)]
pub struct PlainArgs {
    #[command(flatten)]
    api: ApiArgs,
}

const ME: &[Column] = &[
    ("NAME", |me| text(&me["name"])),
    ("ID", |me| text(&me["id"])),
    ("EMAIL", |me| text(&me["email"])),
    ("ISSUER", |me| text(&me["issuer"])),
    ("GROUPS", |me| text(&me["groups"])),
    ("PLATFORM ADMIN", |me| text(&me["platform_admin"])),
    ("PROJECTS", projects),
];

/// `name (role), …`, and a sign that there are more.
fn projects(me: &Value) -> String {
    let items = me["projects"]["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut shown: Vec<String> = items
        .iter()
        .map(|project| format!("{} ({})", text(&project["name"]), text(&project["role"])))
        .collect();
    if me["projects"]["next"].is_string() {
        shown.push("…".into());
    }
    if shown.is_empty() { "-".into() } else { shown.join(", ") }
}

/// Signs in, and keeps the login.
///
/// # Errors
/// In words for the person at the terminal.
pub fn login(args: LoginArgs) -> anyhow::Result<ExitCode> {
    super::super::runtime()?.block_on(async {
        let http = args.api.http();
        let mut saved = SavedLogins::open(&logins_file()?)?;
        let base = args.api.base(&saved);
        let anonymous = Api::new(&base, None, &http)?;
        let sign_in = match (args.issuer, args.client_id) {
            (Some(issuer), Some(client_id)) => SignIn { issuer, client_id, scopes: vec!["openid".into()] },
            _ => SignIn::of(&anonymous).await?,
        };
        let issuer = Issuer::discover(sign_in, &http).await?;
        let open = !args.no_open;
        let login = if args.device || (issuer.offers_device() && !args.browser) {
            by_device(&issuer, &SystemClock, &|url, code| {
                let _ =
                    note(&format!("Open {}\nand check that it shows the code {}", plain(url), plain(code)));
                start_browser(url, open);
            })
            .await?
        } else {
            by_browser(&issuer, &SystemClock, &SystemEntropy, &|url| {
                let _ = note(&format!("Open {}", plain(url)));
                start_browser(url, open);
            })
            .await?
        };
        let api = Api::new(&base, Some(login.access_token.clone().into()), &http)?;
        // A token that the API does not take is not kept.
        let me = api.call(&Call::get(&["me"])).await?.body;
        saved.put(&base, login)?;
        let session = super::Session { api, output: args.api.output };
        session.done(&format!("Signed in at {base} as {}.", text(&me["name"])), &me)?;
        anyhow::Ok(ExitCode::SUCCESS)
    })
}

/// Forgets the login, and tells the issuer.
///
/// # Errors
/// The file of logins cannot be read or written.
pub fn logout(args: &PlainArgs) -> anyhow::Result<ExitCode> {
    super::super::runtime()?.block_on(async {
        let mut saved = SavedLogins::open(&logins_file()?)?;
        let base = args.api.base(&saved);
        let login = saved.get(&base).cloned();
        saved.remove(&base)?;
        match login {
            None => note(&format!("nobody was signed in at {base}"))?,
            Some(login) => {
                revoke(&login, &args.api.http()).await;
                note(&format!("Signed out at {base}."))?;
            }
        }
        anyhow::Ok(ExitCode::SUCCESS)
    })
}

/// Who am I?
///
/// # Errors
/// In words for the person at the terminal.
pub fn whoami(args: PlainArgs) -> anyhow::Result<ExitCode> {
    run(args.api, async |session| {
        let me = session.call(&Call::get(&["me"])).await?.body;
        session.show(&me, ME)
    })
}

/// Tries to open the address; the person has it in any case.
fn start_browser(url: &str, open: bool) {
    use std::io::IsTerminal as _;
    // What an issuer calls an address must be one before a program is started with it.
    let address = url.parse::<url::Url>().ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let Some(address) = address.filter(|_| open && std::io::stderr().is_terminal()) else { return };
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    // A machine without a browser is what the printed address is for.
    let _ = Command::new(program)
        .arg(address.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
