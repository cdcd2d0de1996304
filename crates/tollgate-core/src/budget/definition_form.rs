//! Budgets as JSON. The form has a flat `kind`; what only some kinds have is refused on the others instead of ignored,
//! because a setting that is silently ignored is a limit that somebody believes in.
//!
//! ```json
//! {"owner": {"project": "prj_…"}, "limit": {"usd": "50.00"}, "kind": "hard",
//!  "window": {"every": "month", "time_zone": "Europe/Berlin"}, "models": ["gpt-5*"],
//!  "when_spent": {"models": ["gpt-5-nano"]}, "when_unavailable": "deny", "carry_over": {"usd": "10.00"}}
//! ```

use serde::{Deserialize, Serialize};

use super::amount::Limit;
use super::definition::{CarryOver, Definition, Enforcement, WhenSpent, WhenUnavailable};
use super::fault::DefinitionError;
use super::owner::BudgetOwner;
use super::scope::{BudgetScope, ModelScope, OperationScope};
use super::window::WindowRule;
use crate::models::ModelPolicy;

/// What is read and written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinitionForm {
    owner: BudgetOwner,
    limit: Limit,
    window: WindowRule,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    models: Option<ModelPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operations: Option<OperationsForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when_spent: Option<WhenSpent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when_unavailable: Option<WhenUnavailable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carry_over: Option<Limit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Soft,
    Shadow,
    Hard,
    Strict,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "operations are \"all\" or a list of names")]
enum OperationsForm {
    All(All),
    Only(Vec<String>),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

impl TryFrom<DefinitionForm> for Definition {
    type Error = DefinitionError;

    fn try_from(form: DefinitionForm) -> Result<Self, DefinitionError> {
        let models = match form.models {
            None | Some(ModelPolicy::All) => ModelScope::All,
            Some(ModelPolicy::List(list)) => ModelScope::Only(list),
            Some(ModelPolicy::None) => return Err(DefinitionError::NoModels),
        };
        let operations = match form.operations {
            None | Some(OperationsForm::All(All::All)) => OperationScope::All,
            Some(OperationsForm::Only(names)) => OperationScope::only(names)?,
        };
        Ok(Self {
            owner: form.owner,
            scope: BudgetScope { models, operations },
            limit: form.limit,
            carry_over: carry_over(form.carry_over, form.limit, &form.window)?,
            window: form.window,
            enforcement: enforcement(form.kind, form.when_spent, form.when_unavailable)?,
        })
    }
}

fn carry_over(
    written: Option<Limit>,
    limit: Limit,
    window: &WindowRule,
) -> Result<CarryOver, DefinitionError> {
    match written {
        None => Ok(CarryOver::None),
        Some(_) if *window == WindowRule::Total => Err(DefinitionError::CarryOverOfTotal),
        Some(cap) if cap.unit() != limit.unit() => {
            Err(DefinitionError::CarryOverUnit { carried: cap.unit(), limit: limit.unit() })
        }
        Some(cap) => Ok(CarryOver::UpTo(cap.amount())),
    }
}

fn enforcement(
    kind: Kind,
    when_spent: Option<WhenSpent>,
    when_unavailable: Option<WhenUnavailable>,
) -> Result<Enforcement, DefinitionError> {
    let name = match kind {
        Kind::Soft => "soft",
        Kind::Shadow => "shadow",
        Kind::Hard => "hard",
        Kind::Strict => "strict",
    };
    let refused = |setting, hint| Err(DefinitionError::NotForThis { kind: name, setting, hint });
    match (kind, when_spent, when_unavailable) {
        (Kind::Hard, when_spent, when_unavailable) => Ok(Enforcement::Hard {
            when_spent: when_spent.unwrap_or_default(),
            when_unavailable: when_unavailable.unwrap_or_default(),
        }),
        (Kind::Strict, None | Some(WhenSpent::Refuse), None | Some(WhenUnavailable::Deny)) => {
            Ok(Enforcement::Strict)
        }
        (Kind::Strict, None | Some(WhenSpent::Refuse), Some(WhenUnavailable::Allow)) => {
            refused("when_unavailable \"allow\"", ", or write \"kind\": \"hard\"")
        }
        (_, Some(_), _) => refused("when_spent", ", or write \"kind\": \"hard\""),
        (Kind::Soft | Kind::Shadow, None, Some(_)) => refused("when_unavailable", ": it never refuses"),
        (Kind::Soft, None, None) => Ok(Enforcement::Soft),
        (Kind::Shadow, None, None) => Ok(Enforcement::Shadow),
    }
}

impl From<Definition> for DefinitionForm {
    fn from(budget: Definition) -> Self {
        let (kind, when_spent, when_unavailable) = match budget.enforcement {
            Enforcement::Soft => (Kind::Soft, None, None),
            Enforcement::Shadow => (Kind::Shadow, None, None),
            Enforcement::Hard { when_spent, when_unavailable } => {
                (Kind::Hard, Some(when_spent), Some(when_unavailable))
            }
            Enforcement::Strict => (Kind::Strict, None, None),
        };
        let carry_over = match budget.carry_over {
            CarryOver::None => None,
            CarryOver::UpTo(cap) => Limit::new(budget.limit.unit(), cap).ok(),
        };
        Self {
            owner: budget.owner,
            limit: budget.limit,
            window: budget.window,
            kind,
            models: match budget.scope.models {
                ModelScope::All => None,
                ModelScope::Only(list) => Some(ModelPolicy::List(list)),
            },
            operations: match budget.scope.operations {
                OperationScope::All => None,
                OperationScope::Only(names) => Some(OperationsForm::Only(names)),
            },
            when_spent,
            when_unavailable,
            carry_over,
        }
    }
}
