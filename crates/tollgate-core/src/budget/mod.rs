//! Budgets: how much may be used in a window, and the machine that keeps it so before the money is spent.

pub mod amount;
pub mod credit;
pub mod definition;
mod definition_form;
pub mod estimate;
pub mod fault;
pub mod ledger;
pub mod owner;
pub mod raise;
pub mod rate;
pub mod replica;
pub mod round;
pub mod scope;
pub mod status;
pub mod window;
mod window_form;
