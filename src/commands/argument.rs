//! Arguments of the commands.

/// The name of an option as it may be shown: without its value, and nothing at all of a word that is no option. Both may be a URL with a
/// password.
pub(super) fn shown(argument: &str) -> &str {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.[]".contains(byte);
    let end = argument.bytes().take_while(is_of_name).count();
    if argument.starts_with('-') { &argument[..end] } else { "that is no option" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_argument_only_the_name_is_shown() {
        for (argument, name) in [
            ("--uri=http://u:secret@a:1/", "--uri"),
            ("--uri", "--uri"),
            ("--url:http://u:secret@a:1/", "--url"),
            ("--users[0].name=secret", "--users[0].name"),
            ("http://u:secret@a:1/", "that is no option"),
            ("", "that is no option"),
        ] {
            assert_eq!(shown(argument), name);
        }
    }
}
