//! What a scanner says it found, and what it is told about it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tollgate_core::apikey::PlainKey;
use url::Url;
use utoipa::ToSchema;

use crate::portal::problem::{Code, Problem};

/// Bytes of a link that is kept.
const MAX_URL: usize = 2048;
/// Characters of a word that is kept.
const MAX_WORD: usize = 64;

/// A text that looks like a key, and where it was found. Scanners may say more; it is ignored.
#[derive(Deserialize, ToSchema)]
pub struct Alert {
    /// The text.
    token: String,
    /// The scanner's name for texts of this form.
    #[serde(default)]
    r#type: String,
    /// The public place, if it is known.
    #[serde(default)]
    url: Option<String>,
    /// What kind of place: `content`, `commit`, `gist_content`, …
    #[serde(default)]
    source: Option<String>,
}

/// Whether a text was a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// It is or was a key of ours.
    TruePositive,
    /// It never was.
    FalsePositive,
}

/// What a scanner is told about one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Feedback {
    /// SHA-256 of the text, in hex; the text itself is not repeated.
    pub token_hash: String,
    /// `type` of the report.
    pub token_type: String,
    /// Whether it was a key.
    pub label: Label,
}

/// The alerts of a body. What is wrong with it is not quoted: it may be a secret.
pub fn read(body: &[u8]) -> Result<Vec<Alert>, Problem> {
    serde_json::from_slice(body).map_err(|_| {
        let detail =
            "The body must be a JSON array of objects with the texts 'token', 'type', 'url' and 'source'.";
        Problem::new(Code::Invalid, detail)
    })
}

impl Alert {
    /// The key that the text could be.
    pub fn key(&self) -> Option<PlainKey<'_>> {
        PlainKey::parse(self.token.trim())
    }

    /// The answer.
    pub fn feedback(&self, label: Label) -> Feedback {
        let token_hash =
            digest(&SHA256, self.token.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        Feedback { token_hash, token_type: self.r#type.clone(), label }
    }

    /// The place as a link that can be shown to people, without the secret if that stands in it.
    pub fn place(&self, key: &PlainKey<'_>) -> Option<String> {
        let mut url = Url::parse(self.url.as_deref()?.trim()).ok()?;
        let shown = matches!(url.scheme(), "http" | "https") && url.set_username("").is_ok();
        if !shown || url.set_password(None).is_err() || url.as_str().len() > MAX_URL {
            return None;
        }
        // The whole text first, so that its checksum goes too.
        let shown = url.as_str().replace(self.token.trim(), &format!("tgk_{}_***", key.id().as_str()));
        Some(shown.replace(key.secret(), "***"))
    }

    /// What kind of place it is.
    pub fn source(&self) -> String {
        word(self.source.as_deref().unwrap_or_default())
    }

    /// The scanner's name for such texts.
    pub fn kind(&self) -> String {
        word(&self.r#type)
    }
}

/// One short word without anything that could do harm where it is shown.
fn word(text: &str) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(MAX_WORD).collect();
    if kept.is_empty() || kept.contains("tgk_") { "unknown".to_owned() } else { kept }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alert").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::convert::Infallible;

    use tollgate_core::apikey::NewKey;
    use tollgate_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_place_is_a_link_without_the_secret() {
        let new = NewKey::make(Timestamp::from_millis(5), |buffer: &mut [u8]| {
            buffer.fill(9);
            Ok::<(), Infallible>(())
        });
        let text = new.unwrap().reveal();
        let key = PlainKey::parse(&text).unwrap();
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL));
        for (url, shown) in [
            ("", None),
            ("a/b.txt", None),
            ("javascript:alert(1)", None),
            ("file:///etc/passwd", None),
            (long.as_str(), None),
            ("https://example.com/a\nb", Some("https://example.com/ab".to_owned())),
            (" https://u:p@example.com/a#L1 ", Some("https://example.com/a#L1".to_owned())),
            (
                &format!("https://example.com/?k={text}&x=1"),
                Some(format!("https://example.com/?k=tgk_{}_***&x=1", key.id().as_str())),
            ),
        ] {
            let alert =
                Alert { token: text.clone(), r#type: String::new(), url: Some(url.into()), source: None };
            let place = alert.place(&key);
            assert_eq!(place, shown, "{url}");
        }
    }

    #[test]
    fn words_are_short_and_harmless() {
        for (said, kept) in
            [("", "unknown"), ("commit", "commit"), ("a\u{1b}[31m\nb", "a[31mb"), ("tgk_x", "unknown")]
        {
            assert_eq!(word(said), kept);
        }
        assert_eq!(word(&"x".repeat(100)).len(), MAX_WORD);
    }
}
