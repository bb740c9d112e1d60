//! The pages of a Java server that say something of it: `/eureka/status` and the dashboard.
//!
//! Nobody promises their form, so what is not found is not known, and no page is refused for its content.

use crate::replication::ServiceUrl;

/// Maximum peers that are read from a page.
const MOST_PEERS: usize = 50;

/// `GET status` (src/PROTOCOL.md, section 1.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// `registered-replicas`
    pub(super) registered: Vec<ServiceUrl>,
    /// `unavailable-replicas`
    pub(super) unavailable: Vec<ServiceUrl>,
    /// `server-uptime`
    pub(super) uptime: Option<String>,
}

impl Status {
    /// Reads the XML; `None` if it is another document.
    pub(super) fn read(text: &str) -> Option<Self> {
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.trim())
        };
        let urls = |name: &str| -> Vec<ServiceUrl> {
            let listed = element(name).unwrap_or_default().replace("&amp;", "&");
            ServiceUrl::parse_list(&listed).unwrap_or_default().into_iter().take(MOST_PEERS).collect()
        };
        element("applicationStats")?;
        Some(Self {
            registered: urls("registered-replicas"),
            unavailable: urls("unavailable-replicas"),
            uptime: element("server-uptime").filter(|uptime| uptime.len() < 40).map(str::to_owned),
        })
    }
}

/// What the dashboard says of self-preservation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dashboard {
    /// "Lease expiration enabled"
    pub(super) lease_expiration_enabled: Option<bool>,
    /// "Renews threshold"
    pub(super) renews_threshold: Option<u64>,
    /// "Renews (last min)"
    pub(super) renews_last_min: Option<u64>,
    /// Whether it warns that expired leases are kept.
    pub(super) emergency: bool,
    /// Whether it says that self-preservation is turned off.
    pub(super) is_turned_off: bool,
    /// Whether the page ends in an error of its template, as for an Amazon instance without an image's id.
    pub(super) is_broken: bool,
}

impl Dashboard {
    /// Reads the page; `None` if it is another one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let row = |name: &str| {
            let (_, rest) = text.split_once(&format!("<td>{name}</td>"))?;
            let (_, rest) = rest.split_once("<td>")?;
            Some(rest.split_once("</td>")?.0.trim())
        };
        let number = |name: &str| row(name).and_then(|text| text.parse().ok());
        let dashboard = Self {
            lease_expiration_enabled: row("Lease expiration enabled").and_then(|text| text.parse().ok()),
            renews_threshold: number("Renews threshold"),
            renews_last_min: number("Renews (last min)"),
            emergency: text.contains("EMERGENCY! EUREKA MAY BE INCORRECTLY CLAIMING"),
            is_turned_off: text.contains("SELF PRESERVATION MODE IS TURNED OFF"),
            is_broken: text.contains("FreeMarker template error"),
        };
        let is_one = dashboard.lease_expiration_enabled.is_some() || dashboard.renews_threshold.is_some();
        is_one.then_some(dashboard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Spring Cloud Netflix 4.3.0 writes it.
    const STATUS: &str = "<com.netflix.eureka.util.StatusInfo>\n  <generalStats>\n    <num-of-cpus>2</num-of-cpus>\n    \
        <server-uptime>00:07</server-uptime>\n  </generalStats>\n  <applicationStats>\n    <registered-replicas>\
        http://u:p@a:1/eureka/, http://b:1/eureka/</registered-replicas>\n    <available-replicas>http://a:1/eureka/,\
        </available-replicas>\n    <unavailable-replicas>http://b:1/eureka/,</unavailable-replicas>\n  </applicationStats>";

    #[test]
    fn peers_are_read_from_the_status() {
        let status = Status::read(STATUS).unwrap();
        let shown = |urls: &[ServiceUrl]| urls.iter().map(ServiceUrl::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&status.registered), ["http://a:1/eureka/", "http://b:1/eureka/"]);
        assert!(status.registered[0].credentials().is_some());
        assert_eq!(shown(&status.unavailable), ["http://b:1/eureka/"]);
        assert_eq!(status.uptime.as_deref(), Some("00:07"));
        assert_eq!(Status::read("<html>"), None);
    }

    #[test]
    fn self_preservation_is_read_from_the_dashboard() {
        let page = "<tr>\n <td>Lease expiration enabled</td>\n <td>false</td>\n</tr><tr><td>Renews threshold</td><td>10</td></tr>\
            <tr><td>Renews (last min)</td>\n<td>7</td></tr><b>EMERGENCY! EUREKA MAY BE INCORRECTLY CLAIMING INSTANCES ARE UP";
        let expected = Dashboard {
            lease_expiration_enabled: Some(false),
            renews_threshold: Some(10),
            renews_last_min: Some(7),
            emergency: true,
            is_turned_off: false,
            is_broken: false,
        };
        assert_eq!(Dashboard::read(page), Some(expected));
        let off =
            "<td>Renews threshold</td><td>1</td>THE SELF PRESERVATION MODE IS TURNED OFF. FreeMarker template error";
        let read = Dashboard::read(off).unwrap();
        assert!(read.is_turned_off && read.is_broken && !read.emergency);
        assert_eq!(Dashboard::read("<h1>Please sign in</h1>"), None);
    }
}
