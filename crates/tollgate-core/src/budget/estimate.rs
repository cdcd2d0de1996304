//! What a request may use, estimated before it runs: the amounts that its holds take.
//!
//! A tokenizer is too slow for this path. Byte-level BPE and SentencePiece with byte fallback never give more tokens than
//! bytes, so the body's length bounds text; how many bytes a token really has is learnt per model family from requests
//! that were settled. Encoded media in a body would be counted at a byte a token, far too much: they are counted by kind.

use super::amount::{Amount, Amounts};

/// Bytes in a token of one model family, in thousandths: at least 1.000, the bound that always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BytesPerToken(u32);

/// How cautious an estimate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// Likely not below the truth: for soft and hard budgets.
    Likely(BytesPerToken),
    /// Never below the truth for text: for strict budgets.
    UpperBound,
}

/// What an estimate is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the body, as the gateway says: its length, also when only a part of it was forwarded.
    pub body_bytes: u64,
    /// Those of them that are encoded media (base64 of images, audio, files).
    pub media_bytes: u64,
    /// Tokens that media can be, inline and by address: how many there are, times the most that the model makes of one.
    pub media_tokens: u64,
    /// Output that the request itself allows: `max_tokens`, `max_completion_tokens` or `max_output_tokens`.
    pub requested_output: Option<u64>,
    /// The most that the model puts out, from the catalogue or the route.
    pub most_output: u64,
    /// Answers to one request (`n`).
    pub answers: u32,
    /// Images to be made.
    pub images: u32,
    /// Seconds of audio to be made or read.
    pub audio_seconds: u64,
}

/// Prices for an estimate: the dearest rate that could apply to each kind, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Pico-dollars per input token.
    pub input: u64,
    /// Pico-dollars per output token.
    pub output: u64,
    /// Nano-dollars per request.
    pub request: u64,
    /// Nano-dollars per image.
    pub image: u64,
    /// Nano-dollars per second of audio.
    pub audio_second: u64,
}

/// Tokens that a chat template and a request's frame add beside the body's text.
const FRAME_TOKENS: u64 = 64;

/// Pico-dollars in a nano-dollar.
const PICOS_PER_NANO: u128 = 1_000;

impl BytesPerToken {
    /// The bound that always holds.
    pub const ONE: Self = Self(1_000);
    /// Before anything was learnt.
    pub const AT_FIRST: Self = Self(2_000);
    /// More than any language has.
    const MOST: u32 = 16_000;

    /// From thousandths, held between 1 and 16 bytes.
    pub fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths.clamp(Self::ONE.0, Self::MOST))
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// What is known after one more request of this many bytes and input tokens. It falls at once to half of the way and
    /// rises slowly: an estimate that is too low lets a limit be passed, one that is too high only holds too long.
    #[must_use]
    pub fn learn(self, body_bytes: u64, input_tokens: u64) -> Self {
        if input_tokens == 0 || body_bytes == 0 {
            return self;
        }
        let seen = u128::from(body_bytes) * 1_000 / u128::from(input_tokens);
        let seen = u32::try_from(seen).unwrap_or(Self::MOST).clamp(Self::ONE.0, Self::MOST);
        let next =
            if seen < self.0 { self.0 - (self.0 - seen).div_ceil(2) } else { self.0 + (seen - self.0) / 32 };
        Self::from_thousandths(next)
    }
}

impl Request {
    /// Input tokens, at most or likely at most.
    pub fn input_tokens(&self, caution: Caution) -> u64 {
        let text = self.body_bytes.saturating_sub(self.media_bytes);
        let ratio = match caution {
            Caution::Likely(ratio) => ratio,
            Caution::UpperBound => BytesPerToken::ONE,
        };
        let tokens = (u128::from(text) * 1_000).div_ceil(u128::from(ratio.0));
        let tokens = u64::try_from(tokens).unwrap_or(u64::MAX);
        tokens.saturating_add(self.media_tokens).saturating_add(FRAME_TOKENS)
    }

    /// Output tokens at most. A request may ask for more than the model gives; it does not get it. `n` of 0 counts as 1.
    pub fn output_tokens(&self) -> u64 {
        let each = self.requested_output.map_or(self.most_output, |asked| {
            // A catalogue without a maximum must not turn the request's own into nothing.
            if self.most_output == 0 { asked } else { asked.min(self.most_output) }
        });
        each.saturating_mul(u64::from(self.answers.max(1)))
    }

    /// The amounts to hold.
    pub fn estimate(&self, caution: Caution, rates: &Rates) -> Amounts {
        let (input, output) = (self.input_tokens(caution), self.output_tokens());
        let product = |a: u64, b: u64| u128::from(a).saturating_mul(u128::from(b));
        let by_token = product(input, rates.input).saturating_add(product(output, rates.output));
        let money = by_token
            .div_ceil(PICOS_PER_NANO)
            .saturating_add(u128::from(rates.request))
            .saturating_add(product(u64::from(self.images), rates.image))
            .saturating_add(product(self.audio_seconds, rates.audio_second));
        Amounts {
            money: Amount::saturating_from(money),
            tokens: Amount::saturating_from(input.saturating_add(output)),
            requests: Amount::ONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(body_bytes: u64) -> Request {
        Request {
            body_bytes,
            media_bytes: 0,
            media_tokens: 0,
            requested_output: Some(100),
            most_output: 4_096,
            answers: 1,
            images: 0,
            audio_seconds: 0,
        }
    }

    prop_compose! {
        fn any_request()(
            numbers: [u64; 5], requested_output: Option<u64>, answers: u32, images: u32,
        ) -> Request {
            let [body_bytes, media_bytes, media_tokens, most_output, audio_seconds] = numbers;
            Request { body_bytes, media_bytes, media_tokens, requested_output, most_output, answers, images, audio_seconds }
        }
    }

    proptest! {
        #[test]
        fn nothing_overflows_and_an_upper_bound_is_one(
            request in any_request(), ratio: u32, rates: [u64; 5],
        ) {
            let [input, output, request_rate, image, audio_second] = rates;
            let rates = Rates { input, output, request: request_rate, image, audio_second };
            let likely = request.estimate(Caution::Likely(BytesPerToken::from_thousandths(ratio)), &rates);
            let bound = request.estimate(Caution::UpperBound, &rates);
            prop_assert!(likely.money <= bound.money && likely.tokens <= bound.tokens);
            let text = request.body_bytes.saturating_sub(request.media_bytes);
            prop_assert!(bound.tokens >= Amount::saturating_from(text));
        }

        #[test]
        fn more_of_anything_is_never_estimated_lower(request in any_request(), more in 0_u64..1 << 32) {
            let rates = Rates { input: 3, output: 7, request: 11, image: 13, audio_second: 17 };
            let larger = Request {
                body_bytes: request.body_bytes.saturating_add(more),
                audio_seconds: request.audio_seconds.saturating_add(more),
                media_tokens: request.media_tokens.saturating_add(more),
                answers: request.answers.saturating_add(1),
                ..request
            };
            let (a, b) = (request.estimate(Caution::UpperBound, &rates), larger.estimate(Caution::UpperBound, &rates));
            prop_assert!(a.money <= b.money && a.tokens <= b.tokens);
        }

        #[test]
        fn a_learnt_ratio_stays_in_its_bounds(start: u32, seen: Vec<(u64, u64)>) {
            let mut ratio = BytesPerToken::from_thousandths(start);
            for (bytes, tokens) in seen {
                ratio = ratio.learn(bytes, tokens);
                prop_assert!(ratio >= BytesPerToken::ONE && ratio.thousandths() <= BytesPerToken::MOST);
            }
        }
    }

    #[test]
    fn known_estimates() {
        let rates = Rates { input: 2_500, output: 10_000, ..Rates::default() };
        let strict = request(1_000).estimate(Caution::UpperBound, &rates);
        assert_eq!(strict.tokens.get(), 1_000 + 64 + 100);
        assert_eq!(strict.money.get(), (1_064 * 2_500 + 100 * 10_000) / 1_000);
        let likely = request(1_001).estimate(Caution::Likely(BytesPerToken::AT_FIRST), &rates);
        assert_eq!(likely.tokens.get(), 501 + 64 + 100);
        // A fraction of a nano-dollar is held as a whole one.
        assert_eq!(
            request(0).estimate(Caution::UpperBound, &Rates { input: 1, ..Rates::default() }).money.get(),
            1
        );
    }

    #[test]
    fn output_is_what_was_asked_for_or_the_most_there_is() {
        for (asked, most, answers, expected) in [
            (Some(100), 4_096, 1, 100),
            (None, 4_096, 1, 4_096),
            (Some(1_000_000), 4_096, 1, 4_096),
            (Some(100), 0, 1, 100),
            (Some(100), 4_096, 3, 300),
            (Some(100), 4_096, 0, 100),
            (Some(0), 4_096, 2, 0),
            (Some(u64::MAX), u64::MAX, u32::MAX, u64::MAX),
        ] {
            let request = Request { requested_output: asked, most_output: most, answers, ..request(10) };
            assert_eq!(request.output_tokens(), expected, "{asked:?} {most} {answers}");
        }
    }

    #[test]
    fn media_count_by_kind_and_not_by_their_bytes() {
        let picture = Request { media_bytes: 900_000, media_tokens: 1_600, ..request(901_000) };
        assert_eq!(picture.input_tokens(Caution::UpperBound), 1_000 + 1_600 + 64);
        let rates = Rates { image: 40_000_000, audio_second: 100, ..Rates::default() };
        let made = Request { images: 2, audio_seconds: 60, ..request(0) };
        assert_eq!(made.estimate(Caution::UpperBound, &rates).money.get(), 80_006_000);
    }

    #[test]
    fn a_ratio_falls_fast_and_rises_slowly() {
        let fallen = BytesPerToken::AT_FIRST.learn(1_000, 1_000);
        assert_eq!(fallen.thousandths(), 1_500);
        let mut ratio = BytesPerToken::AT_FIRST;
        for _ in 0..200 {
            ratio = ratio.learn(3_830, 1_000);
        }
        assert!((3_700..=3_830).contains(&ratio.thousandths()), "{ratio:?}");
    }
}
