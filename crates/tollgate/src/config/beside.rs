//! Files beside the configuration that it names: secrets, certificates, key sets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::secret::{Secret, read_secret_file};
use super::settings::Settings;
use super::tree::Node;

/// Fills in the secrets that stand in files. Of a value and a file the higher layer's wins.
pub(super) fn read_secrets(
    settings: &mut Settings,
    merged: &Node,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let rank = |path: &str| merged.nearest(path).origin.rank();
    let mut read = |path: &str, file: &Path| match read_secret_file(file) {
        Ok(secret) => {
            if secret.world_readable {
                let text =
                    format!("'{}' can be read by every user of this machine; chmod o-r it", file.display());
                warnings.push(Problem::new(path, text));
            }
            Some(secret.text)
        }
        Err(text) => {
            problems.push(Problem::new(path, text));
            None
        }
    };
    let database = &mut settings.database;
    let mut both = false;
    if let Some(file) = database.url_file.clone() {
        let (value, path) = (rank("database.url"), rank("database.url_file"));
        if database.url.is_some() && value == path {
            both = true;
        } else if database.url.is_none() || path > value {
            database.url = read("database.url_file", &file).map(Secret::new);
        }
    }
    let mut twice: Vec<(String, &str)> = Vec::new();
    if let Some(login) = &mut settings.portal.login {
        match (&login.client_secret, login.client_secret_file.clone()) {
            (Some(_), Some(_)) => {
                twice.push(("portal.login.client_secret_file".into(), "portal.login.client_secret"));
            }
            (None, Some(file)) => {
                login.client_secret = read("portal.login.client_secret_file", &file).map(Secret::new);
            }
            (_, None) => {}
        }
    }
    for (at, client) in settings.introspection.clients.iter_mut().enumerate() {
        let path = format!("introspection.clients[{at}].secret_file");
        match (&client.secret, client.secret_file.clone()) {
            (Some(_), Some(_)) => twice.push((path, "secret")),
            (None, Some(file)) => client.secret = read(&path, &file).map(Secret::new),
            (_, None) => {}
        }
    }
    for (at, directory) in settings.tenancy.directories.iter_mut().enumerate() {
        let path = format!("tenancy.directories[{at}].client_secret_file");
        match (&directory.client_secret, directory.client_secret_file.clone()) {
            (Some(_), Some(_)) => twice.push((path, "client_secret")),
            (None, Some(file)) => directory.client_secret = read(&path, &file).map(Secret::new),
            (_, None) => {}
        }
    }
    let otlp = &mut settings.telemetry.otlp;
    let mut lines = BTreeMap::new();
    let mut odd_line = None;
    if let Some(text) = otlp.headers_file.as_deref().and_then(|f| read("telemetry.otlp.headers_file", f)) {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match line.split_once(':') {
                Some((name, value)) => {
                    lines.insert(name.trim().to_owned(), Secret::new(value.trim()));
                }
                None => odd_line = Some(at + 1),
            }
        }
    }
    for (name, value) in lines {
        otlp.headers.entry(name).or_insert(value);
    }
    for (path, other) in twice {
        problems.push(Problem::new(path, format!("{other} is given too; remove one")));
    }
    if both {
        problems.push(Problem::new("database.url_file", "database.url is given too; remove one"));
    }
    if let Some(line) = odd_line {
        problems
            .push(Problem::new("telemetry.otlp.headers_file", format!("line {line} is not `name: value`")));
    }
}

/// The files whose content is part of the configuration.
pub(super) fn referenced_files(settings: &Settings) -> Vec<PathBuf> {
    let tls = [&settings.server.grpc.tls, &settings.server.check.tls].into_iter().flatten();
    let mut files: Vec<PathBuf> = Vec::new();
    for tls in tls {
        files.extend([tls.cert_file.clone(), tls.key_file.clone()]);
        files.extend(tls.client_ca_file.clone());
    }
    for issuer in &settings.issuers {
        files.extend(issuer.ca_file.clone());
        files.extend(issuer.jwks_file.clone());
    }
    files.extend(settings.database.url_file.clone());
    files.extend(settings.telemetry.otlp.headers_file.clone());
    files.extend(settings.portal.login.as_ref().and_then(|login| login.client_secret_file.clone()));
    files.extend(settings.introspection.clients.iter().filter_map(|client| client.secret_file.clone()));
    let directories = settings.tenancy.directories.iter();
    files.extend(directories.filter_map(|directory| directory.client_secret_file.clone()));
    files
}
