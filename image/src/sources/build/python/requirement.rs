//! Lines of requirements, as pip takes them.

/// The package on a line of requirements, in lower case with `-` as on PyPI; empty if there is none.
pub(super) fn name(line: &str) -> String {
    let spelled = line
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    spelled.map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_recognised_in_any_spelling() {
        for line in [
            "functions-framework==3.9.2",
            "Functions_Framework",
            " functions.framework>=3",
            "functions-framework[x]",
        ] {
            assert_eq!(name(line), "functions-framework", "{line}");
        }
        for line in
            ["", "# functions-framework", "functions-framework-extra", "flask", "-r more.txt"]
        {
            assert_ne!(name(line), "functions-framework", "{line}");
        }
    }
}
