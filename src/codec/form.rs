//! The forms in which the registry is read.

/// JSON or XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/xml`
    Xml,
}

impl Media {
    /// The media type for `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// All fields of an instance, or those for `X-Eureka-Accept: compact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Every field.
    Full,
    /// What a load balancer needs (Java's `MiniInstanceInfoMixIn`).
    Compact,
}

/// One of the four forms in which the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// JSON or XML.
    pub media: Media,
    /// Full or compact.
    pub detail: Detail,
}

impl Form {
    /// The number of forms.
    pub const COUNT: usize = 4;

    /// Its index, below [`Form::COUNT`].
    pub fn index(self) -> usize {
        let media = match self.media {
            Media::Json => 0,
            Media::Xml => 2,
        };
        media
            + match self.detail {
                Detail::Full => 0,
                Detail::Compact => 1,
            }
    }
}

/// Where an instance stands in the document, by which XML is indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// In an `application` within `applications`.
    InApplications,
    /// In an `application` that is a document of its own.
    InApplication,
}
