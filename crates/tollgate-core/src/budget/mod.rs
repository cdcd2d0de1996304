//! Budgets: how much may be used in a window, and the machine that keeps it so before the money is spent.

pub mod amount;
pub mod definition;
mod definition_form;
pub mod estimate;
pub mod fault;
pub mod owner;
pub mod raise;
pub mod scope;
pub mod window;
mod window_form;
