//! The parts of every document: members, keys, scalars and lists, read as Jackson reads them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;

/// An object of which one member is wanted.
pub(super) struct Member<S> {
    pub(super) name: &'static str,
    pub(super) seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Member<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Member<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let (name, mut seed) = (self.name, Some(self.seed));
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match seed.take_if(|_| *key.0 == *name.as_bytes()) {
                Some(seed) => found = Some(map.next_value_seed(seed)?),
                None => skip(&mut map)?,
            }
        }
        Ok(found)
    }
}

/// Skips an unknown value with all its content (quirk 29: the Java server reads into it).
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|IgnoredAny| ())
}

/// A key, not copied unless it holds escapes, as bytes: nearly all are looked at once and found to be a known name.
pub(super) struct Key<'de>(pub(super) Cow<'de, [u8]>);

impl Key<'_> {
    pub(super) fn text(&self) -> SmolStr {
        String::from_utf8_lossy(&self.0).into()
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_bytes<E>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_bytes<E>(self, key: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_vec())))
            }
        }
        // As bytes, since half of a surrogate pair is not an error there.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

/// A value that is no object and no list.
///
/// Read as its token, since Jackson gives a text field the text of whatever token stands there: `1.50` stays `1.50`.
pub(super) enum Scalar<'de> {
    Null,
    Text(Cow<'de, str>),
    Number(&'de str),
    Boolean(bool),
}

impl<'de> Scalar<'de> {
    /// What a well-formed token is.
    pub(super) fn of_token(token: &'de str) -> Result<Self, &'static str> {
        match token.as_bytes() {
            [b'"', .., b'"'] => Ok(Self::Text(unescape(&token[1..token.len() - 1]))),
            [b'n', ..] => Ok(Self::Null),
            [b't', ..] => Ok(Self::Boolean(true)),
            [b'f', ..] => Ok(Self::Boolean(false)),
            [b'{' | b'[', ..] => Err("expected a text, a number or a boolean"),
            _ => Ok(Self::Number(token)),
        }
    }

    /// The text of the token (`getValueAsString`).
    pub(super) fn into_text(self) -> Option<Cow<'de, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text),
            Self::Number(token) => Some(Cow::Borrowed(token)),
            Self::Boolean(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
        }
    }

    pub(super) fn text(self) -> Option<SmolStr> {
        self.into_text().map(SmolStr::from)
    }

    /// The number (`getValueAsLong`): a fraction is cut off, a text that is none is zero; a number out of range is an
    /// error, a text out of range zero.
    pub(super) fn integer(&self) -> Result<Option<i64>, &'static str> {
        match self {
            Self::Null => Ok(None),
            Self::Boolean(value) => Ok(Some((*value).into())),
            Self::Text(text) => Ok(Some(integer_in_text(text.trim()))),
            Self::Number(token) => match token.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => cut_off(token).map(Some).ok_or("a number is out of range"),
            },
        }
    }

    /// The same for what Java keeps as `int`.
    pub(super) fn int(&self) -> Result<Option<i32>, &'static str> {
        let Some(number) = self.integer()? else { return Ok(None) };
        match (i32::try_from(number), self) {
            (Ok(number), _) => Ok(Some(number)),
            (Err(_), Self::Text(_)) => Ok(Some(0)),
            (Err(_), _) => Err("a number is out of range"),
        }
    }

    /// A text that is exactly `true`, or an integer other than zero (`getValueAsBoolean`).
    pub(super) fn boolean(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Boolean(value) => *value,
            Self::Text(text) => text.trim() == "true",
            Self::Number(token) => token.parse::<i64>().is_ok_and(|number| number != 0),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_token(<&'de RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
    }
}

/// The integer in a text. Java's words for numbers, such as `Infinity`, are not accepted: a time of which nothing is later would
/// never be replaced.
pub(super) fn integer_in_text(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_not_an_integer| {
        let fraction = text.contains(['.', 'e', 'E']) && text.starts_with(|c: char| !c.is_ascii_alphabetic());
        if fraction { cut_off(text).unwrap_or(0) } else { 0 }
    })
}

/// The integral part, if it is within range.
pub(super) fn cut_off(number: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "within range, or saturated and left out")]
    let cut = number.parse::<f64>().ok()? as i64;
    (cut > i64::MIN && cut < i64::MAX).then_some(cut)
}

/// What stands between the quotes of a string that is known to be well-formed. Half of a surrogate pair, which no text
/// can hold, becomes U+FFFD.
pub(super) fn unescape(escaped: &str) -> Cow<'_, str> {
    if !escaped.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(escaped);
    }
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut characters = after.chars();
        let escape = characters.next().unwrap_or('\\');
        rest = characters.as_str();
        match escape {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let (character, len) = code_point(rest);
                text.push(character);
                rest = rest.get(len..).unwrap_or_default();
            }
            itself => text.push(itself),
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the hexadecimal digits after `\u`, including those of a second `\u` if it takes two, and the number of bytes
/// read.
pub(super) fn code_point(digits: &str) -> (char, usize) {
    let unit = |from: usize| digits.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let first = unit(0).unwrap_or(0xfffd);
    if let Some(character) = char::from_u32(first.into()) {
        return (character, 4);
    }
    let second = digits.get(4..6).filter(|escape| *escape == "\\u").and_then(|_| unit(6));
    match char::decode_utf16([first, second.unwrap_or(0)]).next() {
        Some(Ok(character)) => (character, 10),
        _ => (char::REPLACEMENT_CHARACTER, 4),
    }
}

/// A value that may be null.
pub(super) struct Nullable<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

/// A list of at most `most` elements, or a single element in its place, as older servers write lists of one.
pub(crate) struct ListSeed<S> {
    pub(crate) most: usize,
    pub(crate) seed: S,
}

impl<'de, S: DeserializeSeed<'de> + Clone> DeserializeSeed<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Clone> Visitor<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element_seed(self.seed.clone())? {
            if list.len() == self.most {
                return Err(A::Error::custom(format_args!("the list has more than {} elements", self.most)));
            }
            list.push(element);
        }
        Ok(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.seed.deserialize(MapAccessDeserializer::new(map)).map(|element| vec![element])
    }
}
