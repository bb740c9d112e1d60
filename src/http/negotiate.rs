//! Content negotiation, as JAX-RS does it for `@Produces({"application/xml", "application/json"})`.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::codec::{Detail, Form, Media};

const EUREKA_ACCEPT: HeaderName = HeaderName::from_static("x-eureka-accept");

/// What Jersey's and Spring's clients accept. Nearly all requests do, and need not be taken apart for it.
const COMMON_ACCEPTS: [&[u8]; 2] = [b"application/json", b"application/json, application/*+json"];

/// The media an answer is made in, and how `Content-Type` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Produced {
    pub(super) media: Media,
    pub(super) content_type: HeaderValue,
}

impl Produced {
    pub(super) fn plain(media: Media) -> Self {
        Self { media, content_type: HeaderValue::from_static(media.content_type()) }
    }
}

/// The media that the request prefers; XML if it names none. `None` if it accepts neither: 406.
///
/// The answer always is what its `Content-Type` says; the Java server sends JSON under the name of XML when `Accept`
/// prefers XML to JSON (`mixed_accept` among the recordings).
pub(super) fn produced(headers: &HeaderMap) -> Option<Produced> {
    let Some(accept) = headers.get(ACCEPT) else { return Some(Produced::plain(Media::Xml)) };
    if COMMON_ACCEPTS.contains(&accept.as_bytes()) {
        return Some(Produced::plain(Media::Json));
    }
    let all = headers.get_all(ACCEPT);
    let ranges: Vec<Range<'_>> = all
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .enumerate()
        .filter_map(|(position, text)| Some(Range { position, ..Range::parse(text)? }))
        .collect();
    let xml = best(&ranges, "application", "xml");
    let json = best(&ranges, "application", "json");
    match (xml, json) {
        (Some(xml), Some(json)) if json.rank() > xml.rank() => Some(json.produced(Media::Json)),
        (Some(xml), _) => Some(xml.produced(Media::Xml)),
        (None, Some(json)) => Some(json.produced(Media::Json)),
        (None, None) => None,
    }
}

/// One element of `Accept`.
#[derive(Clone, Copy, Debug)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Thousandths.
    quality: u16,
    charset: Option<&'a str>,
    position: usize,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, subtype, quality: 1000, charset: None, position: 0 };
        for parameter in parts {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            if name.eq_ignore_ascii_case("q") {
                range.quality = quality(value)?;
            } else if name.eq_ignore_ascii_case("charset") {
                range.charset = Some(value);
            }
        }
        (range.quality > 0).then_some(range)
    }

    /// How specific it is: one type, a pattern, or any.
    fn specificity(&self) -> u8 {
        match (self.kind, self.subtype) {
            ("*", _) => 0,
            (_, "*") => 1,
            _ => 2,
        }
    }

    fn matches(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" && self.subtype == "*")
            || (self.kind.eq_ignore_ascii_case(kind)
                && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype)))
    }

    /// Quality first, then how specific it is, then the order in the header.
    fn rank(&self) -> (u16, u8, std::cmp::Reverse<usize>) {
        (self.quality, self.specificity(), std::cmp::Reverse(self.position))
    }

    fn produced(&self, media: Media) -> Produced {
        let named = self
            .charset
            .and_then(|charset| HeaderValue::from_str(&format!("{};charset={charset}", media.content_type())).ok());
        named.map_or_else(|| Produced::plain(media), |content_type| Produced { media, content_type })
    }
}

/// The range that decides about a type: the most specific one of those that match.
fn best<'a>(ranges: &[Range<'a>], kind: &str, subtype: &str) -> Option<Range<'a>> {
    ranges
        .iter()
        .filter(|range| range.matches(kind, subtype))
        .max_by_key(|range| (range.specificity(), range.quality))
        .copied()
}

fn quality(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        let thousandths = (value * 1000.0) as u16;
        thousandths
    })
}

/// The form of a cached resource: its media, and whether `X-Eureka-Accept` asks for the compact one.
pub(super) fn form(media: Media, headers: &HeaderMap) -> Form {
    let compact = headers.get(EUREKA_ACCEPT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"compact"));
    Form { media, detail: if compact { Detail::Compact } else { Detail::Full } }
}

/// Whether the answer may be gzip. Java only looks for the word; `gzip;q=0` means the opposite, and is honoured here.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named =
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip"));
        named
            && !parts
                .any(|parameter| parameter.replace(' ', "").strip_prefix("q=").is_some_and(|q| quality(q) == Some(0)))
    })
}

/// Whether the request's body is compressed; `None` if in a way that is not known here.
pub(super) fn is_gzip(headers: &HeaderMap) -> Option<bool> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Some(false),
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => Some(true),
        Some(_) => None,
    }
}

/// The media of the request's body, `None` if it is neither JSON nor XML or its charset is none that Eureka reads
/// (`DiscoveryJerseyProvider.isSupportedCharset`): 415.
pub(super) fn consumed(headers: &HeaderMap) -> Option<Media> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let range = Range::parse(text)?;
    let charset_is_known = range
        .charset
        .map(|charset| charset.trim_matches('"'))
        .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("iso-8859-1"));
    if !range.kind.eq_ignore_ascii_case("application") || !charset_is_known {
        return None;
    }
    match range.subtype {
        json if json.eq_ignore_ascii_case("json") => Some(Media::Json),
        xml if xml.eq_ignore_ascii_case("xml") => Some(Media::Xml),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Option<(Media, String)> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]);
        produced(&headers).map(|made| (made.media, made.content_type.to_str().unwrap_or_default().to_owned()))
    }

    #[test]
    fn the_best_accepted_media_is_produced() {
        let xml = Some((Media::Xml, "application/xml".to_owned()));
        let json = Some((Media::Json, "application/json".to_owned()));
        assert_eq!(produced(&HeaderMap::new()), Some(Produced::plain(Media::Xml)));
        for accepted in [
            "*/*",
            "application/*",
            "application/json;q=0.5, application/xml;q=0.9",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/xml,application/json",
        ] {
            assert_eq!(accept(accepted), xml, "{accepted}");
        }
        for accepted in [
            "application/json",
            "application/json, application/*+json",
            "application/xml;q=0.1,application/json",
            "application/json, */*",
            "application/json,application/xml",
        ] {
            assert_eq!(accept(accepted), json, "{accepted}");
        }
        for accepted in ["text/html", "text/xml", "application/octet-stream", "garbage", "application/json;q=0"] {
            assert_eq!(accept(accepted), None, "{accepted}");
        }
        let charset = Some((Media::Json, "application/json;charset=UTF-8".to_owned()));
        assert_eq!(accept("application/json;charset=UTF-8"), charset);
    }

    #[test]
    fn gzip_is_sent_to_those_who_ask_for_it() {
        let accepts = |value| accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]));
        assert!(accepts("gzip") && accepts("gzip, x-gzip, deflate") && accepts("deflate, gzip;q=0.5"));
        assert!(!accepts("identity") && !accepts("gzip;q=0") && !accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn bodies_are_json_or_xml() {
        let body = |value| consumed(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]));
        assert_eq!(body("application/json"), Some(Media::Json));
        assert_eq!(body("Application/XML; charset=utf-8"), Some(Media::Xml));
        assert_eq!(body("application/json;charset=UTF-16"), None);
        assert_eq!(body("text/plain"), None);
        assert_eq!(consumed(&HeaderMap::new()), None);
    }
}
