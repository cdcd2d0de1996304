//! Models: policies of routes, lists that are answered, aliases and the trusted header.

use tollgate_core::credential::CredentialHeader;
use tollgate_core::identity::IdentityHeaders;
use tollgate_core::models::{
    ModelCatalogue, ModelList, ModelPolicy, ModelRules, ModelSource, RouteModels, check_name,
};

use crate::config::problem::Problem;
use crate::config::settings::{
    ModelFrom, ModelPolicySettings, ModelPolicyWord, ModelSettings, RouteSettings,
};
use crate::config::validate::header_name;

/// Headers that a client writes and that say something else: none of them may name a model.
const CLIENTS_OWN: [&str; 6] = ["host", "content-type", "content-length", "user-agent", "accept", "cookie"];

pub(super) fn rules(
    settings: &ModelSettings,
    credentials: &[CredentialHeader],
    identity: &IdentityHeaders,
    problems: &mut Vec<Problem>,
) -> ModelRules {
    for (alias, meant) in &settings.aliases {
        let path = format!("models.aliases.{alias}");
        if check_name(alias).is_err()
            || check_name(meant).is_err()
            || alias.contains('*')
            || meant.contains('*')
        {
            let text = format!("'{alias}: {meant}' is not a name for a name; there are no patterns here");
            problems.push(Problem::new(path, text));
        } else if settings.aliases.contains_key(meant) {
            let text = format!("'{meant}' is an alias itself; write what it stands for");
            problems.push(Problem::new(path, text));
        }
    }
    let trusted_header = settings.trusted_header.as_deref().and_then(|name| {
        let name = header_name(name).ok()?;
        let told = identity.headers().any(|(other, _)| other == name);
        let taken = CLIENTS_OWN.contains(&name.as_str()) || name == "authorization";
        if taken || told || credentials.iter().any(|header| header.name == name) {
            let text = format!(
                "'{name}' says something else; name the header that the gateway writes the model into"
            );
            problems.push(Problem::new("models.trusted_header", text));
        }
        Some(name)
    });
    ModelRules { aliases: settings.aliases.clone(), trusted_header }
}

pub(super) fn of_route(
    route: &RouteSettings,
    models: &ModelSettings,
    path: &str,
    problems: &mut Vec<Problem>,
) -> RouteModels {
    let policy = match &route.models {
        ModelPolicySettings::Word(ModelPolicyWord::All) => ModelPolicy::All,
        ModelPolicySettings::Word(ModelPolicyWord::None) => ModelPolicy::None,
        ModelPolicySettings::List(list) => {
            for (at, alias) in list.iter().enumerate() {
                if let Some(meant) = models.aliases.get(alias) {
                    let text = format!("'{alias}' is an alias; list what it stands for: '{meant}'");
                    problems.push(Problem::new(format!("{path}.models[{at}]"), text));
                }
            }
            match ModelList::new(list.clone()) {
                Ok(list) => ModelPolicy::List(list),
                Err(wrong) => {
                    problems.push(Problem::new(format!("{path}.models"), wrong.to_string()));
                    ModelPolicy::None
                }
            }
        }
    };
    if !route.uses_models && policy != ModelPolicy::All {
        let text = "says that no model is used here, so `models` would never be asked; remove one of the two";
        problems.push(Problem::new(format!("{path}.uses_models"), text));
    }
    let catalogue = route.model_list.clone().and_then(|names| match ModelCatalogue::new(names) {
        Ok(catalogue) => Some(catalogue),
        Err(wrong) => {
            problems.push(Problem::new(format!("{path}.model_list"), wrong.to_string()));
            None
        }
    });
    let source = match (route.uses_models, route.model_from) {
        (true, ModelFrom::Known) => ModelSource::Known,
        (true, ModelFrom::Body) => ModelSource::Body,
        (false, ModelFrom::Known) => ModelSource::Unused,
        (false, ModelFrom::Body) => {
            let text = "says where a model is read, but `uses_models: false` says that none is; remove one of the two";
            problems.push(Problem::new(format!("{path}.model_from"), text));
            ModelSource::Unused
        }
    };
    RouteModels { policy, source, catalogue }
}
