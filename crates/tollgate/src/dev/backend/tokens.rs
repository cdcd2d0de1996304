//! A tokenizer that anybody can repeat by hand: a token is up to six letters or digits, with the space before them, or
//! one other character. Joining the tokens gives the text back, so a streamed answer is its tokens, one per piece.

/// Letters or digits in one token, at most.
const MAX_WORD: usize = 6;

/// Splits `text` into its tokens, in order.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (token, tail) = rest.split_at(first_token_len(rest));
        tokens.push(token);
        rest = tail;
    }
    tokens
}

/// How many tokens `text` has.
pub(super) fn count(text: &str) -> usize {
    split(text).len()
}

/// Bytes of the first token of a text that is not empty.
fn first_token_len(text: &str) -> usize {
    let space = usize::from(text.starts_with(' '));
    let word: usize =
        text[space..].chars().take_while(|c| c.is_alphanumeric()).take(MAX_WORD).map(char::len_utf8).sum();
    if word > 0 { space + word } else { text.chars().next().map_or(0, char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_words_spaces_and_signs() {
        assert_eq!(split("Hello, big world"), ["Hello", ",", " big", " world"]);
        assert_eq!(split("internationalisation"), ["intern", "ationa", "lisati", "on"]);
        assert_eq!(split("  é\n"), [" ", " é", "\n"]);
        assert!(split("").is_empty());
    }

    proptest! {
        #[test]
        fn tokens_join_to_the_text(text in ".{0,200}") {
            prop_assert_eq!(split(&text).concat(), text);
        }

        #[test]
        fn no_token_is_empty(text in ".{0,200}") {
            prop_assert!(split(&text).iter().all(|token| !token.is_empty()));
        }
    }
}
