//! Names as XML elements: XStream's `XmlFriendlyNameCoder`, which Netflix's metadata goes through.

/// Appends `name` so that it is an element's name: `_` doubled, `$` as `_-`, and whatever XML does not allow as `_.` and
/// four hexadecimal digits of each UTF-16 unit. A colon, which XStream writes as it is, is written so, too: readers that
/// know namespaces take what stands before it for an undeclared one and fail.
pub(super) fn encode(name: &str, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    for (at, character) in name.chars().enumerate() {
        match character {
            '_' => out.extend_from_slice(b"__"),
            '$' => out.extend_from_slice(b"_-"),
            _ if if at == 0 { is_start(character) } else { is_start(character) || is_inner(character) } => {
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(format!("_.{unit:04x}").as_bytes());
                }
            }
        }
    }
}

/// The name that an element's name stands for. What looks like an escape and is none stays as it is.
pub(super) fn decode(name: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let escaped = match rest.as_bytes() {
            [b'_', b'_', ..] => Some((u16::from(b'_'), 2)),
            [b'_', b'-', ..] => Some((u16::from(b'$'), 2)),
            [b'_', b'.', ..] => rest.get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok()).map(|unit| (unit, 6)),
            _ => None,
        };
        if let Some((unit, len)) = escaped {
            units.push(unit);
            rest = &rest[len..];
        } else {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            rest = &rest[character.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

/// Letters that every edition of XML 1.0 has in names. XStream also writes as they are those that only the fifth edition
/// has; expat and Go's reader know the fourth and take the whole document for broken.
fn is_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{131}' | '\u{134}'..='\u{13e}'
        | '\u{141}'..='\u{148}' | '\u{14a}'..='\u{17e}' | '\u{391}'..='\u{3a1}' | '\u{3a3}'..='\u{3ce}'
        | '\u{401}'..='\u{40c}' | '\u{40e}'..='\u{44f}' | '\u{451}'..='\u{45c}' | '\u{5d0}'..='\u{5ea}'
        | '\u{621}'..='\u{63a}' | '\u{641}'..='\u{64a}' | '\u{3041}'..='\u{3094}' | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}')
}

fn is_inner(character: char) -> bool {
    matches!(character, '-' | '.' | '0'..='9' | '\u{b7}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(name: &str) -> String {
        let mut out = Vec::new();
        encode(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_escaped_as_recorded() {
        for (name, element) in [
            ("management.port", "management.port"),
            ("k<&>\"", "k_.003c_.0026_.003e_.0022"),
            ("a_b$c", "a__b_-c"),
            ("1num", "_.0031num"),
            ("a:b c", "a_.003ab_.0020c"),
            ("é中", "é中"),
            ("😀", "_.d83d_.de00"),
        ] {
            assert_eq!(encoded(name), element);
            assert_eq!(decode(element), name);
        }
        assert_eq!(decode("a_x_.zz"), "a_x_.zz");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{1,40}") {
            prop_assert_eq!(decode(&encoded(&name)), name);
        }
    }
}
