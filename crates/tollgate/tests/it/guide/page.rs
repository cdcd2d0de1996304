//! The guide's page, read for the commands on it.

use super::objects::root;

/// The headings of Step 6 and of the two tests, in order; each has one block of commands.
pub const TESTS: [&str; 4] = [
    "Get Gateway External IP",
    "Generate Test JWT Token",
    "Test 1: Request without auth header (Should be denied)",
    "Test 2: Request with valid JWT auth header",
];

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The heading above it, without its number signs.
    pub heading: String,
    /// What stands behind the opening fence.
    pub language: String,
    /// The lines between the fences.
    pub text: String,
}

/// The page.
pub fn guide() -> String {
    std::fs::read_to_string(root().join("docs/guide.md")).unwrap()
}

/// Every fenced block of a Markdown page, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let (mut blocks, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) => {
                open = Some(Block {
                    heading: heading.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) if line.starts_with('#') => {
                heading = line.trim_start_matches('#').trim().to_owned();
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block under '{heading}' does not end");
    blocks
}

#[test]
fn comments_in_a_block_are_no_headings() {
    let found = blocks("# One\n```bash\n# Two\nls\n```\ntext\n## Three\n```text\nx\n```\n");
    let found: Vec<_> =
        found.iter().map(|b| (b.heading.as_str(), b.language.as_str(), b.text.as_str())).collect();
    assert_eq!(found, [("One", "bash", "# Two\nls\n"), ("Three", "text", "x\n")]);
}
