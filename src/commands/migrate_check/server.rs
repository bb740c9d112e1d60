//! [`Server`]: a server that is read. Every call has a maximum time and a maximum length, and none is repeated.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, DATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::compare::View;
use crate::codec::{self, Listing, Media};
use crate::commands::client;
use crate::limits::Budget;
use crate::model::{InstanceInfo, InstanceKey, LeaseInfo};
use crate::replication::ServiceUrl;
use crate::replication::options::Credentials;
use crate::replication::protocol::{NODE_HEADER, TIME_HEADER};
use crate::replication::transport::reqwest::{cause, failure, is_of_an_authority, read};
use crate::time::Timestamp;

/// Maximum length of a page, in bytes.
const MOST_OF_A_PAGE: usize = 8 << 20;
/// Maximum length of a list, however much memory there is, in bytes.
const MOST_OF_A_LIST: usize = 256 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The PEM files of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// The authorities that are trusted; `None` for those of the system.
    pub(super) ca: Option<String>,
    /// A certificate and its key, for servers that ask for one.
    pub(super) certificate: Option<(String, String)>,
}

/// What all servers have in common.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    client: Client,
    /// The file of authorities that are trusted; `None` for those of the system.
    ca: Option<String>,
    /// The user of servers whose URL has none.
    credentials: Option<Credentials>,
    most_of_a_list: usize,
}

impl Caller {
    /// # Errors
    /// If the file of authorities, the certificate or its key cannot be read.
    pub(super) fn new(files: &Files, timeout: Duration, credentials: Option<Credentials>) -> anyhow::Result<Self> {
        let identity = files.certificate.as_ref().map(|(certificate, key)| client::identity(certificate, key));
        let identity = identity.transpose()?;
        let client = client::by_name(files.ca.as_deref(), |builder| {
            let builder = builder.timeout(timeout).connect_timeout(CONNECT_TIMEOUT.min(timeout));
            let builder = builder.redirect(Policy::none());
            match &identity {
                Some(identity) => builder.identity(identity.clone()),
                None => builder,
            }
        })?;
        Ok(Self {
            client,
            ca: files.ca.clone(),
            credentials,
            most_of_a_list: Budget::detect().copy().min(MOST_OF_A_LIST),
        })
    }

    /// The server at a URL that somebody named who started this command.
    pub(super) fn server(&self, url: &ServiceUrl) -> Server {
        let credentials = url.credentials().or(self.credentials.as_ref()).cloned();
        Server { caller: self.clone(), url: url.clone(), credentials }
    }

    /// The server at a URL that another server named. It is sent no other user than that of the URL.
    pub(super) fn server_named_by_another(&self, url: &ServiceUrl) -> Server {
        Server { caller: self.clone(), url: url.clone(), credentials: url.credentials().cloned() }
    }
}

/// A server that is read.
#[derive(Clone, Debug)]
pub(super) struct Server {
    caller: Caller,
    url: ServiceUrl,
    credentials: Option<Credentials>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// The server's time, to a second.
    pub(super) date: Option<Timestamp>,
    /// Whether it is one of ours.
    pub(super) is_ours: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Json,
    Xml,
    Page,
}

impl Server {
    pub(super) fn url(&self) -> &ServiceUrl {
        &self.url
    }

    pub(super) fn has_user(&self) -> bool {
        self.credentials.is_some()
    }

    /// The same server, asked without a user.
    pub(super) fn without_user(&self) -> Self {
        Self { credentials: None, ..self.clone() }
    }

    /// An answer of any status to a path below the service URL, `apps`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) async fn ask(&self, path: &str, ask: Ask) -> Result<Answer, String> {
        self.call(format!("{}{path}", self.url), ask).await
    }

    /// An answer of any status to a path below the context path, `/actuator/health`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) async fn ask_beside(&self, path: &str, ask: Ask) -> Result<Answer, String> {
        let below = self.url.path().trim_end_matches('/');
        let context = below.strip_suffix("/v2").unwrap_or(below);
        let context = context.strip_suffix("/eureka").unwrap_or(context);
        let root = ServiceUrl::new(self.url.scheme(), self.url.host(), self.url.port(), &format!("{context}/"));
        self.call(format!("{root}{}", path.trim_start_matches('/')), ask).await
    }

    async fn call(&self, url: String, ask: Ask) -> Result<Answer, String> {
        let accept = match ask {
            Ask::Json => "application/json",
            Ask::Xml => "application/xml",
            Ask::Page => "text/html",
        };
        // A replica of ours says who it is if it is asked for the time; a Java server ignores that.
        let request = self.caller.client.get(url).header(ACCEPT, accept).header(TIME_HEADER, "?");
        let request = match &self.credentials {
            Some(Credentials { username, password }) => request.basic_auth(username, Some(password)),
            None => request,
        };
        let failed = |error| self.in_words(error);
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let date = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        let is_ours = headers.contains_key(NODE_HEADER);
        let body = match ask {
            Ask::Page => beginning(response).await,
            Ask::Json | Ask::Xml => {
                let whole = read(response, self.caller.most_of_a_list).await;
                whole.map_err(|error| error.to_string())?.map_err(failed)?
            }
        };
        Ok(Answer { status, body, date, is_ours })
    }

    /// Why there is no answer, and what to do about it.
    fn in_words(&self, error: reqwest::Error) -> String {
        let advice = self.advice(&error);
        let why = failure(error, &self.url);
        advice.map_or_else(|| why.to_string(), |advice| format!("{why}; {advice}"))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "for few of many errors there is advice")]
    fn advice(&self, error: &reqwest::Error) -> Option<String> {
        use rustls::{AlertDescription, CertificateError, Error};
        let Some(tls) = cause::<Error>(error) else {
            let is_no_http = cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
            return (is_no_http && self.url.scheme() == "http")
                .then(|| "if it serves TLS there, its URL begins with https://".to_owned());
        };
        Some(match tls {
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                match &self.caller.ca {
                    Some(ca) => format!("no certificate in {ca} (--ca) is its authority's"),
                    None => "name the PEM file of that authority with --ca".to_owned(),
                }
            }
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => "the URL needs a name that is in the certificate".to_owned(),
            Error::InvalidCertificate(why) if is_of_an_authority(why) => {
                "this server's own calls to it would refuse it, too: make one without CA:TRUE".to_owned()
            }
            Error::InvalidMessage(_) => "if it serves HTTP there, its URL begins with http://".to_owned(),
            Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::HandshakeFailure,
            ) => "if it asks for a client's certificate, name one that it trusts with --certificate and \
                  --certificate-private-key"
                .to_owned(),
            _ => return None,
        })
    }

    /// The server's list, and the answer that had it.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(super) async fn listing(&self, media: Media, now: Timestamp) -> Result<(Listing, Answer), String> {
        let answer = self.ask("apps", if media == Media::Json { Ask::Json } else { Ask::Xml }).await?;
        self.expect(&answer)?;
        let listing = codec::decode_listing(media, &answer.body, now)
            .map_err(|error| format!("the answer is not the list of a Eureka server: {error}"))?;
        Ok((listing, answer))
    }

    /// What is compared of the list.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(super) async fn view(&self, now: Timestamp) -> Result<View, String> {
        let (listing, _answer) = self.listing(Media::Json, now).await?;
        if listing.refused_count > 0 {
            return Err(format!("{} of its instances cannot be decoded", listing.refused_count));
        }
        Ok(view(&listing))
    }

    /// One instance past the cache of lists; `None` if the server has none such.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(super) async fn instance(
        &self,
        key: &InstanceKey,
        now: Timestamp,
    ) -> Result<Option<(InstanceInfo, LeaseInfo)>, String> {
        let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let answer = self.ask(&format!("apps/{}/{}", encode(key.app()), encode(key.id())), Ask::Json).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        self.expect(&answer)?;
        codec::decode_listed_instance(&answer.body, now).map(Some).map_err(|error| error.to_string())
    }

    /// # Errors
    /// If the answer is another one than 200: which, and what it may mean.
    pub(super) fn expect(&self, answer: &Answer) -> Result<(), String> {
        Err(match answer.status {
            200 => return Ok(()),
            // So Tomcat answers a request without TLS at its port for TLS.
            400 if self.url.scheme() == "http" => {
                "400; if it serves TLS there, its URL begins with https://".to_owned()
            }
            401 if self.has_user() => "401: it does not accept the user".to_owned(),
            401 => "401: it asks for a user; name it in the URL, or in REGISTRY_DISCOVERY_USERNAME and _PASSWORD"
                .to_owned(),
            403 => {
                "403: it refuses this; a Java server refuses lists while it has just started without a copy".to_owned()
            }
            404 => "404: it has no such path; is the context path in the URL?".to_owned(),
            status @ (300..=399) => format!("{status}: it sends elsewhere; is there a page to log in?"),
            status => status.to_string(),
        })
    }
}

/// What arrives of a page, up to its maximum length. The Java server's dashboard breaks off where its template fails, and says before
/// that what is read of it.
async fn beginning(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < MOST_OF_A_PAGE
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.freeze()
}

/// The instances of a list.
pub(super) fn view(listing: &Listing) -> View {
    listing.listed.iter().map(|one| (one.info.key(), one.info.clone())).collect()
}

/// `Fri, 27 Nov 2026 10:09:11 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_day, day, month, year, clock, "GMT"] = parts[..] else { return None };
    let month = u8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let date = time::Date::from_calendar_date(year.parse().ok()?, month.try_into().ok()?, day.parse().ok()?).ok()?;
    let [hour, minute, second] = clock.split(':').collect::<Vec<_>>()[..] else { return None };
    let at = date.with_hms(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?).ok()?;
    Some(Timestamp(at.assume_utc().unix_timestamp() * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_another_one_named_is_sent_no_user_but_that_of_its_url() {
        let user = Credentials { username: "u".to_owned(), password: "p".to_owned() };
        let caller = Caller::new(&Files::default(), Duration::from_secs(1), Some(user)).unwrap();
        let [plain, own] = ["http://a:1/eureka/", "http://x:y@a:1/eureka/"].map(|url| ServiceUrl::parse(url).unwrap());
        assert!(caller.server(&plain).has_user());
        assert!(!caller.server_named_by_another(&plain).has_user());
        for server in [caller.server(&own), caller.server_named_by_another(&own)] {
            assert_eq!(server.credentials.map(|one| one.username).as_deref(), Some("x"));
        }
    }

    #[test]
    fn the_time_of_a_server_is_read() {
        assert_eq!(http_date("Fri, 27 Nov 2026 10:09:11 GMT"), Some(Timestamp(1_795_774_151_000)));
        for wrong in
            ["", "Fri, 27 Nov 2026 10:09:11 CET", "Fri, 31 Feb 2026 10:09:11 GMT", "Fri, 27 Nov 2026 25:09:11 GMT"]
        {
            assert_eq!(http_date(wrong), None, "{wrong}");
        }
    }
}
