//! YAML, as Spring Boot reads it: by `SnakeYAML`, whose plain scalars are those of YAML 1.1 (`yes` is `true`, `5_000` is 5000), with
//! merge keys (`<<`), and without duplicate keys.

mod scalar;

use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Input, Parser, ScalarStyle, Span};

use super::source::{Document, Entry};

/// Deeper documents are refused; `SnakeYAML`'s own limit is 50.
const DEEPEST: usize = 50;
/// Maximum number of values of a document: aliases of aliases would multiply without end.
const MOST_ENTRIES: usize = 20_000;

/// A value, with the line it begins at.
#[derive(Debug)]
struct Node {
    line: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

#[derive(Debug)]
enum Key {
    /// `<<`
    Merge,
    Name(String),
}

/// The documents of a text.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, String> {
    let text = quote_what_maven_fills_in(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut reader = Reader { parser: Parser::new_from_str(&text), anchors: BTreeMap::new() };
    let mut documents = Vec::new();
    loop {
        let (event, _) = reader.next()?;
        if matches!(event, Event::StreamEnd) {
            return Ok(documents);
        }
        if !matches!(event, Event::DocumentStart(_)) {
            continue;
        }
        let (event, span) = reader.next()?;
        let root = reader.node(event, span, 0)?;
        let mut entries = Document::new();
        if matches!(root.content, Content::Map(_)) {
            flatten("", &root, 0, &mut entries)?;
        }
        documents.push(entries);
        reader.anchors.clear();
    }
}

struct Reader<'input, T: Input> {
    parser: Parser<'input, T>,
    anchors: BTreeMap<usize, Rc<Node>>,
}

impl<'input, T: Input> Reader<'input, T> {
    fn next(&mut self) -> Result<(Event<'input>, Span), String> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(format!("{} at line {}", error.info(), error.marker().line())),
            None => Err("it ends within a document".to_owned()),
        }
    }

    /// The node that begins with an event.
    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Rc<Node>, String> {
        let line = span.start.line();
        if depth > DEEPEST {
            return Err(format!("it is nested too deep at line {line}"));
        }
        let (anchor, content) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| format!("an alias of what is not complete at line {line}"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                let text = if is_text { text.into_owned() } else { scalar::plain(&text) };
                (anchor, Content::Scalar(text))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(format!("a value is missing at line {line}")),
        };
        let node = Rc::new(Node { line, content });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Content, String> {
        let mut elements = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Content::List(elements));
            }
            elements.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, String> {
        let mut members: Vec<(Key, Rc<Node>)> = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            if matches!(event, Event::MappingEnd) {
                return Ok(Content::Map(members));
            }
            let Event::Scalar(text, style, _, tag) = event else {
                return Err(format!("a key must be a text, at line {line}"));
            };
            let is_plain = style == ScalarStyle::Plain;
            let key = if is_plain && tag.is_none() && text == "<<" {
                Key::Merge
            } else {
                let name = if is_plain { scalar::key(&text) } else { text.into_owned() };
                if !names.insert(name.clone()) {
                    return Err(format!("duplicate key {name:?} at line {line}"));
                }
                Key::Name(name)
            };
            let (event, span) = self.next()?;
            members.push((key, self.node(event, span, depth + 1)?));
        }
    }
}

/// `a: {b: c}` as `a.b` = `c`, an element of a list as `a[0]`.
fn flatten(key: &str, node: &Node, depth: usize, entries: &mut Document) -> Result<(), String> {
    if entries.len() >= MOST_ENTRIES || depth > 2 * DEEPEST {
        return Err(format!("it says too much, at line {}", node.line));
    }
    match &node.content {
        Content::Scalar(text) => {
            entries.push(Entry { name: key.to_owned(), value: text.clone(), line: Some(node.line) });
        }
        Content::List(elements) if elements.is_empty() => {
            entries.push(Entry { name: key.to_owned(), value: String::new(), line: Some(node.line) });
        }
        Content::List(elements) => {
            for (number, element) in elements.iter().enumerate() {
                flatten(&format!("{key}[{number}]"), element, depth + 1, entries)?;
            }
        }
        Content::Map(_) => {
            let mut members = Vec::new();
            merged(node, depth, &mut members)?;
            for (name, member) in members {
                let key = match (key.is_empty(), name.starts_with('[')) {
                    (true, _) => name.to_owned(),
                    (false, true) => format!("{key}{name}"),
                    (false, false) => format!("{key}.{name}"),
                };
                flatten(&key, &member, depth + 1, entries)?;
            }
        }
    }
    Ok(())
}

/// The members of a mapping, those of what it merges among them; its own win, then those that are merged first.
fn merged<'a>(node: &'a Node, depth: usize, members: &mut Vec<(&'a str, Rc<Node>)>) -> Result<(), String> {
    let Content::Map(own) = &node.content else {
        return Err(format!("only mappings can be merged, at line {}", node.line));
    };
    if depth > 2 * DEEPEST {
        return Err(format!("it is nested too deep at line {}", node.line));
    }
    for (key, member) in own {
        if let Key::Name(name) = key
            && members.iter().all(|(known, _)| known != name)
        {
            if members.len() >= MOST_ENTRIES {
                return Err(format!("it says too much, at line {}", node.line));
            }
            members.push((name, Rc::clone(member)));
        }
    }
    for (key, member) in own {
        match (key, &member.content) {
            (Key::Name(_), _) => {}
            (Key::Merge, Content::List(all)) => {
                for one in all {
                    merged(one, depth + 1, members)?;
                }
            }
            (Key::Merge, Content::Map(_) | Content::Scalar(_)) => merged(member, depth + 1, members)?,
        }
    }
    Ok(())
}

/// `key: @project.version@`, which Maven fills in when it builds, is no YAML before that.
fn quote_what_maven_fills_in(text: &str) -> String {
    let quote = |line: &str| -> Option<String> {
        let start = [": @", "- @"].iter().find_map(|before| line.find(before))? + 2;
        let value = line[start..].trim_end();
        let name_end = value[1..].find('@')? + 1;
        let is_name = value[1..name_end].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let is_free = !value.contains(['\'', '"', '#', '}', ']', ',']);
        (is_name && is_free).then(|| format!("{}'{value}'\n", &line[..start]))
    };
    text.split_inclusive('\n').map(|line| quote(line).unwrap_or_else(|| line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let entries = documents(text).unwrap().into_iter().flatten();
        entries.map(|entry| (entry.name, entry.value)).collect()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn lists_and_objects_are_flattened() {
        check("a: {b: [1, {c: true}]}\nd:\ne: []\n", &[("a.b[0]", "1"), ("a.b[1].c", "true"), ("d", ""), ("e", "")]);
        check("1: {2: x}\n", &[("[1][2]", "x")]);
        check("--- # nothing\n---\na: 1\n...\n---\n", &[("a", "1")]);
        assert_eq!(documents("a: 1\n---\nb: 2\n").unwrap()[1][0].line, Some(3));
        check("- 1\n", &[]);
    }

    #[test]
    fn merge_keys_lend_what_is_not_there() {
        let text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 5\nw:\n  <<: *x\n";
        let expected = [
            ("x.a", "1"),
            ("x.b", "2"),
            ("y.b", "3"),
            ("y.c", "4"),
            ("z.a", "5"),
            ("z.b", "2"),
            ("z.c", "4"),
            ("w.a", "1"),
            ("w.b", "2"),
        ];
        check(text, &expected);
        check("'<<': 1\n", &[("<<", "1")]);
        assert!(documents("a:\n  <<: 1\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn what_is_no_yaml_names_its_line() {
        for (text, wanted) in
            [("a:\n\tb: 1\n", "line 2"), ("a: 1\na: 2\n", "duplicate key \"a\" at line 2"), ("a: [", "line")]
        {
            let error = documents(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn what_maven_fills_in_is_a_text() {
        check("a: @project.version@\nb:\n  - @x@-@y@\n", &[("a", "@project.version@"), ("b[0]", "@x@-@y@")]);
        assert!(documents("a: @x\n").is_err());
    }

    #[test]
    fn aliases_do_not_multiply_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let last = level - 1;
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 10].join(", ")));
        }
        assert!(documents(&text).unwrap_err().contains("too much"));
        assert!(documents(&format!("a: {}1{}", "[".repeat(200), "]".repeat(200))).is_err());
    }
}
