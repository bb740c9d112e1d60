//! The Java server's configuration file: what the new server says of it at its start.

use crate::commands::migrate_check::finding::{Finding, count};
use crate::commands::migrate_check::survey::Survey;
use crate::config::{Notice, Unheeded};

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let examined = match &survey.config {
        None => return Vec::new(),
        Some(Err(why)) => {
            let refused = Finding::act("config-refused", format!("The server would not start with this file: {why}."));
            return vec![refused.todo("Correct this, and ask again: further mistakes show only then.")];
        }
        Some(Ok(examined)) => examined,
    };
    let said = |what: fn(&Unheeded) -> bool| -> Vec<String> {
        let notices = examined.notices.iter().filter(|notice| what(&notice.what));
        notices.map(|Notice { key, origin, what }| format!("{key} ({origin}): {}", what.words())).collect()
    };
    let missing = said(|what| matches!(what, Unheeded::Missing(_)));
    let unknown = said(|what| matches!(what, Unheeded::Unknown(_)));
    let harmless = said(|what| matches!(what, Unheeded::Harmless(_)));
    let mut found = vec![
        Finding::same(
            "config-honoured",
            format!("{} of the file and the environment are honoured.", count(examined.honoured.len(), "key")),
        )
        .about(&examined.honoured),
    ];
    if !missing.is_empty() {
        found.push(
            Finding::act(
                "config-missing",
                format!("{} set something that this server does not do.", count(missing.len(), "key")),
            )
            .todo("Decide for each whether you need it, and take it out of the file.")
            .about(missing),
        );
    }
    if !unknown.is_empty() {
        found.push(
            Finding::differs(
                "config-unknown",
                format!("{} unknown. Is it a typing mistake, the Java server ignores it, too.", are(unknown.len())),
            )
            .todo("Correct or delete them.")
            .about(unknown),
        );
    }
    if !harmless.is_empty() {
        let says = format!("{} no effect here, and nothing is lost.", have(harmless.len()));
        found.push(Finding::same("config-harmless", says).about(harmless));
    }
    found
}

fn are(number: usize) -> String {
    if number == 1 { "1 key is".to_owned() } else { format!("{number} keys are") }
}

fn have(number: usize) -> String {
    if number == 1 { "1 key has".to_owned() } else { format!("{number} keys have") }
}
