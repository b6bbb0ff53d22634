//! Words and assignments for a POSIX shell.

/// One `export`, quoted for any POSIX shell.
pub(crate) fn export(name: &str, value: &str) -> String {
    format!("export {name}={}", quoted(value))
}

/// One word of a shell's line.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(export("A", "/home/me/k"), "export A=/home/me/k");
        assert_eq!(export("A", "/my dir/it's"), r"export A='/my dir/it'\''s'");
    }
}
