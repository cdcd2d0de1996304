//! Which requests of its owner a budget is for.

use super::fault::{DefinitionError, shortened};
use crate::models::ModelList;

/// Names of operations in one list at most.
pub const MAX_OPERATIONS: usize = 16;

/// Which of the owner's requests are charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetScope {
    /// Those for these models. [`ModelPolicy::None`] is no scope.
    pub models: ModelScope,
    /// Those of these operations.
    pub operations: OperationScope,
}

/// All models, or some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelScope {
    /// Also requests that use no model.
    All,
    /// Only these names and patterns.
    Only(ModelList),
}

/// All operations, or some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationScope {
    /// Every request.
    All,
    /// Only these, by the names that the log has: `inference`, `batch`, …
    Only(Vec<String>),
}

impl BudgetScope {
    /// Everything.
    pub const ALL: Self = Self { models: ModelScope::All, operations: OperationScope::All };

    /// Whether a request is charged. One whose model cannot be told is charged to every budget: a budget that it could
    /// slip past by being unreadable would be no limit.
    pub fn charges(&self, model: ScopeModel<'_>, operation: &str) -> bool {
        let model = match (&self.models, model) {
            (ModelScope::All, _) | (ModelScope::Only(_), ScopeModel::Unknown) => true,
            (ModelScope::Only(_), ScopeModel::None) => false,
            (ModelScope::Only(list), ScopeModel::Named(name)) => list.allows(name),
        };
        let operation = match &self.operations {
            OperationScope::All => true,
            OperationScope::Only(names) => names.iter().any(|name| name == operation),
        };
        model && operation
    }
}

/// What is known of a request's model when it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeModel<'a> {
    /// This one.
    Named(&'a str),
    /// It uses none.
    None,
    /// It cannot be told.
    Unknown,
}

impl OperationScope {
    /// Only these.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn only(names: Vec<String>) -> Result<Self, DefinitionError> {
        if names.is_empty() {
            return Err(DefinitionError::NoOperations);
        }
        if names.len() > MAX_OPERATIONS {
            return Err(DefinitionError::TooManyOperations);
        }
        for (at, name) in names.iter().enumerate() {
            let fits = (1..=32).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !fits {
                return Err(DefinitionError::Operation(shortened(name)));
            }
            if names[..at].contains(name) {
                return Err(DefinitionError::OperationTwice(name.clone()));
            }
        }
        Ok(Self::Only(names))
    }
}
