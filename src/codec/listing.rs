//! [`Listing`]: the content of a server's registry as it lists it, for somebody who looks at it rather than copies it.

use smol_str::SmolStr;

use super::CodecError;
use crate::model::{AppName, InstanceInfo, LeaseInfo};

/// Maximum instances of which it is kept why they cannot be decoded. All are counted.
const MOST_REFUSED: usize = 100;

/// The content of a registry.
#[derive(Debug, Default)]
pub struct Listing {
    /// `apps__hashcode` as sent.
    pub apps_hashcode: Option<SmolStr>,
    /// The instances, in the order of the answer.
    pub listed: Vec<Listed>,
    /// The instances that cannot be decoded: at most a hundred.
    pub refused: Vec<Refused>,
    /// The number of all instances that cannot be decoded.
    pub refused_count: usize,
}

/// An instance, with its lease as the server shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The application below which it is listed.
    pub application: AppName,
    /// The instance.
    pub info: InstanceInfo,
    /// Its lease. Times are zero where they were not sent.
    pub lease: LeaseInfo,
}

/// An instance that cannot be decoded.
#[derive(Debug)]
pub struct Refused {
    /// The application below which it is listed; empty if that cannot be decoded, either.
    pub application: String,
    /// Its id; empty if it has none, or it cannot be read.
    pub id: String,
    /// Why.
    pub error: CodecError,
}

impl Listing {
    /// Notes an instance that cannot be decoded.
    pub(super) fn refuse(&mut self, application: &str, id: &str, error: CodecError) {
        self.refused_count += 1;
        if self.refused.len() < MOST_REFUSED {
            self.refused.push(Refused { application: application.to_owned(), id: id.to_owned(), error });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::codec::{Media, decode_listing};
    use crate::time::Timestamp;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn json_and_xml_list_the_same() {
        let json = br#"{"applications":{"versions__delta":"1","apps__hashcode":"UP_1_","application":[{"name":"ORDERS","instance":[
            {"instanceId":"o-1","hostName":"h","app":"ORDERS","ipAddr":"10.0.0.1","metadata":{"a_b":"&"},
             "leaseInfo":{"renewalIntervalInSecs":5,"durationInSecs":15,"lastRenewalTimestamp":1700000000000},
             "dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}]}]}}"#;
        let xml = b"<applications><versions__delta>1</versions__delta><apps__hashcode>UP_1_</apps__hashcode>
            <application><name>orders</name><instance><instanceId>o-1</instanceId><hostName>h</hostName><app>ORDERS</app>
            <ipAddr>10.0.0.1</ipAddr><metadata><a__b>&amp;</a__b></metadata><leaseInfo>
            <renewalIntervalInSecs>5</renewalIntervalInSecs><durationInSecs>15</durationInSecs>
            <lastRenewalTimestamp>1700000000000</lastRenewalTimestamp></leaseInfo>
            <dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance></application></applications>";
        for (media, body) in [(Media::Json, &json[..]), (Media::Xml, &xml[..])] {
            let listing = decode_listing(media, body, NOW).unwrap();
            let one = &listing.listed[0];
            assert_eq!(listing.apps_hashcode.as_deref(), Some("UP_1_"));
            assert_eq!(
                (one.application.as_str(), one.info.id(), one.info.metadata.get("a_b")),
                ("ORDERS", "o-1", Some("&"))
            );
            assert_eq!((one.lease.durations.duration_secs, one.lease.last_renewal), (15, NOW));
            assert_eq!((listing.listed.len(), listing.refused_count), (1, 0));
        }
    }

    #[test]
    fn an_instance_that_cannot_be_decoded_is_named_and_counted() {
        let broken = r#"{"instanceId":"o-2","app":"ORDERS","port":1}"#;
        let all = vec![broken; 150].join(",");
        let json = format!(r#"{{"applications":{{"application":[{{"name":"ORDERS","instance":[{all}]}}]}}}}"#);
        let listing = decode_listing(Media::Json, json.as_bytes(), NOW).unwrap();
        assert_eq!((listing.listed.len(), listing.refused.len(), listing.refused_count), (0, 100, 150));
        assert_eq!((&*listing.refused[0].application, &*listing.refused[0].id), ("ORDERS", "o-2"));
        let xml = "<applications><application><name>A</name><instance><app>A</app><port>x</port></instance></application></applications>";
        let listing = decode_listing(Media::Xml, xml.as_bytes(), NOW).unwrap();
        assert_eq!(listing.refused_count, 1);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (media, body) in [
            (Media::Json, "<html></html>"),
            (Media::Json, "{}"),
            (Media::Xml, "<html></html>"),
            (Media::Xml, ""),
            (Media::Xml, "<applications><application>"),
            (Media::Xml, "<!DOCTYPE a><applications/>"),
        ] {
            assert!(decode_listing(media, body.as_bytes(), NOW).is_err(), "{body}");
        }
        assert!(decode_listing(Media::Xml, b"<applications/>", NOW).unwrap().listed.is_empty());
    }
}
