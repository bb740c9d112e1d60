//! Whatever a configuration holds, reading it ends, and panics nowhere.

use std::path::Path;

use proptest::prelude::*;

use super::location::Location;
use super::placeholders::Resolver;
use super::source::{Kind, Source};
use super::system::System;
use super::{java_options, profiles, properties, shown, yaml};

/// Texts of the characters that mean something to a reader.
const TEXTS: &str = "[a-c0-9${}:.,@#!&|*<>\\[\\]'\"\\\\ \\-_%~\u{e9}\n\t]{0,60}";

proptest! {
    #[test]
    fn every_text_is_read_or_refused(text in TEXTS, other in TEXTS) {
        let _refused = yaml::documents(&text).is_err();
        let _refused = properties::documents(text.as_bytes()).is_err();
        let _refused = profiles::applies(&text, &["a".to_owned()]).is_err();
        Location::groups(&text, Path::new("/"));
        java_options::sources(&[("JAVA_OPTS".to_owned(), text.clone())].into());
        let mut source = Source::new(Kind::File, "a file");
        source.set("a", &text);
        source.set("b", &other);
        let system = System::new(&[].into(), Path::new("/"));
        let resolver = Resolver { sources: &[&source], system: &system };
        let kept = resolver.resolve(&format!("${{a}}{other}${{b:{text}}}"), true);
        let asks = [&text, &other].iter().any(|text| text.contains("${"));
        let is_bounded = asks || kept.is_ok_and(|kept| kept.len() < 1 << 21);
        prop_assert!(is_bounded);
    }

    #[test]
    fn no_password_of_a_url_is_shown(password in "[a-c:/@,#$%]{0,12}secret[a-c:/@#$%]{0,12}") {
        let shown = shown::shown("eurekaclientserviceurldefaultzone", &format!("http://peer:{password}@host:1/eureka/"));
        prop_assert!(!shown.contains("secret"), "{shown}");
    }
}
