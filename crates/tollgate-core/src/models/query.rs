//! The model that a query names: OpenAI's realtime connections (`?model=`), Azure's (`?deployment=`).

use std::borrow::Cow;

use super::member::{Folded, Member, member};
use super::request::Undecidable;

/// The value of the one parameter `model` of `query`, or `deployment` in the query of a realtime connection. `looks` is for
/// requests that use no model unless it is named: parameters such as `models` filter a list there.
///
/// # Errors
/// [`Undecidable`] when there are several, or one that some readers spell differently.
pub fn model(query: Option<&str>, realtime: bool, looks: bool) -> Result<Option<Cow<'_, str>>, Undecidable> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A key that is not even text is nobody's.
        let Some(key) = percent_decoded(key, true) else { continue };
        let base = key.split(['[', '\0']).next().unwrap_or_default();
        let deployment = realtime && Folded::new(base).is("deployment");
        match member(base) {
            Member::Model | Member::AlmostModel => {}
            Member::Further if deployment => {}
            Member::Further if looks && !realtime => continue,
            Member::Further => return Err(Undecidable::Further),
            Member::Other => continue,
        }
        if found.is_some() || !(key == "model" || key == "deployment") {
            return Err(Undecidable::Twice);
        }
        found = Some(percent_decoded(value, true).ok_or(Undecidable::Name)?);
    }
    Ok(found)
}

/// Decodes percent-escapes, and `+` as a space when `plus` says so; `None` for what is not UTF-8 or has broken escapes.
pub fn percent_decoded(text: &str, plus: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            b'+' if plus => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_or_none() {
        use Undecidable::{Further, Name, Twice};
        type Line<'a> = (&'a str, bool, Result<Option<&'a str>, Undecidable>);
        let table: &[Line<'_>] = &[
            ("", false, Ok(None)),
            ("a=b&modelx=c", false, Ok(None)),
            ("a=b&model=gpt%2D4o", false, Ok(Some("gpt-4o"))),
            ("%6dodel=x+y", false, Ok(Some("x y"))),
            ("model=a&model=a", false, Err(Twice)),
            ("model=a&Model=b", false, Err(Twice)),
            ("Model=b", false, Err(Twice)),
            ("model[]=b", false, Err(Twice)),
            ("model", false, Ok(Some(""))),
            ("model=%zz", false, Err(Name)),
            ("model=%ff", false, Err(Name)),
            ("deployment=d", false, Err(Further)),
            ("model=a&fallbac%e2%84%aas=b", false, Err(Further)),
            ("engine=a", true, Err(Further)),
            ("deployment=d", true, Ok(Some("d"))),
            ("deployment=d&model=d", true, Err(Twice)),
        ];
        for (query, deployments, expected) in table {
            let found = model(Some(query), *deployments, false);
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(|why| *why), *expected, "{query}");
        }
        assert_eq!(model(None, true, false), Ok(None));
        assert_eq!(model(Some("models=a&model=b"), false, true), Ok(Some("b".into())));
    }
}
