//! The README says what is.

use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- configuration:begin -->\n";
const END: &str = "<!-- configuration:end -->";

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for whoever edits the table")]
fn the_configuration_table_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README marks where the table begins");
    let (found, after) = rest.split_once(END).expect("the README marks where the table ends");
    let expected = eureka_registry::config::table();
    if found != expected && std::env::var("UPDATE_README").is_ok() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(found == expected, "run `UPDATE_README=1 cargo test readme` and commit the README");
    }
}
