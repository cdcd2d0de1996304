//! Answers for people: columns with a title each, and what they show of the API's JSON.

use std::fmt::Write as _;

use serde_json::Value;

/// A title, and how its text is made.
pub type Column = (&'static str, fn(&Value) -> String);
/// Columns, in order.
pub type Columns = [Column];

/// A list, one line for each item.
pub fn table(items: &[Value], columns: &Columns) -> String {
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|(_, text)| plain(&text(item))).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    let titles: Vec<String> = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// One thing, one line for each field.
pub fn fields(item: &Value, columns: &Columns) -> String {
    let width = columns.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (title, text) in columns {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:width$}  {}", title.to_lowercase(), plain(&text(item)));
    }
    out
}

/// Text that does nothing to a terminal but stand there.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text, a number, a truth; `-` for nothing; lists with commas.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(entries) if entries.is_empty() => "-".to_owned(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect::<Vec<_>>()
            .join(","),
        other => other.to_string(),
    }
}

/// A moment to the minute, in UTC.
pub fn minute(value: &Value) -> String {
    match value.as_str() {
        Some(moment) if moment.len() >= 16 && moment.is_ascii() => {
            format!("{} {}Z", &moment[..10], &moment[11..16])
        }
        _ => text(value),
    }
}

/// A moment, or that it never comes.
pub fn end(value: &Value) -> String {
    if value.is_null() { "never".to_owned() } else { minute(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let items =
            [json!({"n": "a", "at": "2030-01-31T12:00:00.000Z"}), json!({"n": "\u{1b}[31mé", "at": null})];
        let columns: [Column; 2] = [("NAME", |v| text(&v["n"])), ("ENDS", |v| end(&v["at"]))];
        assert_eq!(
            table(&items, &columns),
            "NAME    ENDS\na       2030-01-31 12:00Z\n\u{fffd}[31mé  never\n"
        );
        assert_eq!(fields(&items[0], &columns), "name  a\nends  2030-01-31 12:00Z\n");
        assert_eq!(text(&json!({"a": [1, true], "b": {}})), "a=1,true,b=-");
    }
}
