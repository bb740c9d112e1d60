//! `-Dkey=value` in the variables that are for a Java virtual machine: Spring reads them as system properties.

use std::collections::BTreeMap;

use super::source::{Kind, Source};

/// The variables, later ones win. The first two are read by the virtual machine itself, the others by the scripts that start it.
const VARIABLES: [&str; 6] =
    ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS", "CATALINA_OPTS", "JAVA_ARGS", "_JAVA_OPTIONS"];

/// What each of the variables sets.
pub(super) fn sources(environment: &BTreeMap<String, String>) -> Vec<Source> {
    let set = VARIABLES.iter().filter_map(|name| Some((*name, environment.get(*name)?)));
    let read = set.map(|(name, text)| {
        let mut source = Source::new(Kind::JavaOptions, name);
        for word in words(text) {
            if let Some((key, value)) = word.strip_prefix("-D").map(|set| set.split_once('=').unwrap_or((set, ""))) {
                source.set(key, value);
            }
        }
        source
    });
    read.filter(|source| source.slots().next().is_some()).collect()
}

/// The words of a command line, as a shell parts them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut begun) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    let mut quote = None;
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', Some('"') | None)
                if characters.peek().is_some_and(|next| matches!(next, '"' | '\'' | '\\' | ' ')) =>
            {
                word.extend(characters.next());
                begun = true;
            }
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.push(character),
            ('"' | '\'', None) => {
                quote = Some(character);
                begun = true;
            }
            (_, None) if character.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, None) => {
                word.push(character);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sets_a_property_is_taken() {
        let environment = [
            (
                "JAVA_OPTS",
                "-Xmx512m -Dserver.port=1 '-Dspring.application.name=two words' -Da=\"b \\\"c\\\"\" -Dflag -jar x.jar",
            ),
            ("JAVA_TOOL_OPTIONS", "-Dserver.port=2"),
            ("CATALINA_OPTS", "-Xms1g"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sources = sources(&environment);
        let origins: Vec<&str> = sources.iter().map(|source| source.origin.as_str()).collect();
        assert_eq!(origins, ["JAVA_TOOL_OPTIONS", "JAVA_OPTS"]);
        let value = |slot| sources[1].get(slot).map(|entry| entry.value.as_str());
        assert_eq!((value("serverport"), value("springapplicationname")), (Some("1"), Some("two words")));
        assert_eq!((value("a"), value("flag"), value("xmx512m")), (Some("b \"c\""), Some(""), None));
    }
}
