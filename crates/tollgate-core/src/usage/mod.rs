//! What a call used: one canonical [`Usage`] whichever API counted it, read from an answer's body as it streams by
//! ([`Meter`]), and ranked, so that several sources may report one call and it is counted once ([`Reading`]).
//!
//! `docs/reference/usage.md` says how each API's numbers become canonical.

mod anthropic;
mod bedrock;
mod capture;
mod count;
mod estimate;
mod eventstream;
mod flags;
mod gemini;
mod meter;
mod numbers;
mod openai;
mod others;
mod progress;
mod rank;
mod record;
mod scan;
mod select;
mod sse;

pub use self::bedrock::headers as bedrock_headers;
pub use self::count::{Count, MAX_COUNT};
pub use self::estimate::{Assumed, BelowOne, BytesPerToken};
pub use self::flags::{Flag, Flags};
pub use self::meter::{End, MAX_EVENT, Meter, Outcome};
pub use self::rank::{Rank, Reading};
pub use self::record::{Counts, Inconsistent, ServiceTier, Usage};
pub use self::select::{Answer, Format, Framing, Selected, Unknown};
