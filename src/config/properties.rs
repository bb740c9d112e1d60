//! `.properties` files, as `java.util.Properties` and Spring Boot read them.

use java_properties::{LineContent, PropertiesIter};

use super::source::{Document, Entry};

/// The documents of a file; lines of `#---` or `!---` separate them. The bytes are Latin-1.
pub(super) fn documents(bytes: &[u8]) -> Result<Vec<Document>, String> {
    let text: String = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).iter().copied().map(char::from).collect();
    let (mut documents, mut part, mut first, mut count) = (Vec::new(), String::new(), 0, 0);
    for line in text.split_inclusive(['\n']) {
        count += 1;
        if matches!(line.trim_end(), "#---" | "!---") {
            documents.push(document(&part, first)?);
            (part, first) = (String::new(), count);
        } else {
            part.push_str(line);
        }
    }
    documents.push(document(&part, first)?);
    Ok(documents)
}

/// The values of a document that begins after so many lines.
fn document(text: &str, lines_before: usize) -> Result<Document, String> {
    let mut entries = Document::new();
    for line in PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|error| {
            let number = error.line_number().map_or(String::new(), |line| format!(" at line {}", line + lines_before));
            format!("not a properties file{number}: a backslash and a u need four hexadecimal digits")
        })?;
        let number = line.line_number() + lines_before;
        if let LineContent::KVPair(name, value) = line.consume_content() {
            push(&mut entries, name, value, number);
        }
    }
    Ok(entries)
}

/// `key[]=a,b` is a list, as Spring Boot reads it.
fn push(entries: &mut Document, name: String, value: String, line: usize) {
    let line = Some(line);
    let Some(list) = name.strip_suffix("[]") else {
        entries.push(Entry { name, value, line });
        return;
    };
    for (number, value) in value.split(',').enumerate() {
        entries.push(Entry { name: format!("{list}[{number}]"), value: value.trim().to_owned(), line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(String, String, usize)> {
        let entries = documents(text).unwrap().into_iter().flatten();
        entries.map(|entry| (entry.name, entry.value, entry.line.unwrap())).collect()
    }

    #[test]
    fn lines_are_read_as_java_reads_them() {
        let text = b"# c\n! c\nserver.port=1\n a.b : c,\\\n  d\n\nurl=http\\://a\\:1/?x\\=y\nalone\nkey value \nb\\ c=\\u00e9\n\xe9=\xe4\nl[]=a, b\n";
        let expected = [
            ("server.port", "1", 3),
            ("a.b", "c,d", 4),
            ("url", "http://a:1/?x=y", 7),
            ("alone", "", 8),
            ("key", "value ", 9),
            ("b c", "\u{e9}", 10),
            ("\u{e9}", "\u{e4}", 11),
            ("l[0]", "a", 12),
            ("l[1]", "b", 12),
        ];
        assert_eq!(read(text), expected.map(|(name, value, line)| (name.to_owned(), value.to_owned(), line)));
        assert!(documents(b"a=1\nb=\\u12\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn a_comment_of_dashes_begins_a_document() {
        let documents = documents(b"a=1\n#---\nb=2\r\n!---\r\nc=3").unwrap();
        let lines: Vec<_> = documents.iter().flatten().map(|entry| (entry.name.as_str(), entry.line)).collect();
        assert_eq!(documents.len(), 3);
        assert_eq!(lines, [("a", Some(1)), ("b", Some(3)), ("c", Some(5))]);
    }
}
