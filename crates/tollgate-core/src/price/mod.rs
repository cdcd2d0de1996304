//! What a call costs: prices as integers, a catalogue whose versions never change, the operator's prices over it, and
//! money rounded up once. What has no price is [`Unpriced`], which is not zero.
//!
//! `docs/reference/prices.md` says where prices come from and how a call is charged.

mod book;
mod catalogue;
mod cost;
mod row;
mod rule;
mod unit;

pub use self::book::{Asked, DiscountRule, Found, Overlay, OwnPrices, PriceBook, Unpriced};
pub use self::catalogue::{
    BUILT_IN, Catalogue, CatalogueError, CatalogueFile, Entry, FORMAT, Model, Provider, Source,
};
pub use self::cost::{Cost, CostError, Discount, NotADiscount};
pub use self::row::{Daily, Rate, Rates, Row};
pub use self::rule::{Pattern, Rule};
pub use self::unit::{Price, PriceError, Unit};
