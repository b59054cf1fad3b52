//! Tables in README.md that a command makes, between two marks each.

use anyhow::{Context, Result};

use crate::shell;

/// Replaces what stands between the marks of this name.
pub(crate) fn update(name: &str, table: &str) -> Result<()> {
    let path = shell::root().join("README.md");
    let text = std::fs::read_to_string(&path)?;
    let text = replace(&text, name, table)
        .with_context(|| format!("README.md has lost its {name} marks"))?;
    std::fs::write(path, text)?;
    Ok(())
}

fn replace(text: &str, name: &str, table: &str) -> Option<String> {
    let mark = format!("<!-- {name}: begin -->");
    let begin = text.find(&mark)? + mark.len();
    let end = begin + text[begin..].find(&format!("<!-- {name}: end -->"))?;
    Some(format!("{}\n{table}\n{}", &text[..begin], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let with = |inside: &str| {
            format!(
                "a\n<!-- x: begin -->\n1\n<!-- x: end -->\n<!-- y: begin -->\n{inside}\n<!-- y: end -->\nb"
            )
        };
        assert_eq!(replace(&with("old"), "y", "new").unwrap(), with("new"));
        assert!(replace(&with("old"), "z", "new").is_none());
    }
}
