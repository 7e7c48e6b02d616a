//! Alerts of others: whatever the XML, what is taken keeps to its limits and a fault names a place within it.

use chengmai_wire::cap::{self, NAME_LEN_MAX, POINTS_MAX};

use crate::Trait;
use crate::text::{hash, reason};

const SOUND: [&str; 2] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\
     <identifier>a-1</identifier><sender>s</sender><sent>2026-11-22T08:00:00+08:00</sent>\
     <status>Actual</status><msgType>Update</msgType><scope>Public</scope>\
     <references>s,a-0,2026-11-22T07:00:00+08:00</references>\
     <info><language>zh-CN</language><event>\u{66b4}\u{96e8} &amp; &#x98CE;<![CDATA[<x>]]></event>\
     <responseType>AllClear</responseType><severity>Severe</severity>\
     <expires>2026-11-22T18:00:00+08:00</expires><area><areaDesc>x</areaDesc>\
     <polygon>29,106 29,107 30,107 29,106</polygon><circle>29.5,106.5 10</circle>\
     <geocode><valueName>c</valueName><value>500103</value></geocode></area></info></alert>",
    "<c:alert xmlns:c=\"urn:oasis:names:tc:emergency:cap:1.2\"><c:identifier>b</c:identifier>\
     <c:sender>s</c:sender><c:sent>2026-11-22T08:00:00Z</c:sent><c:status>Test</c:status>\
     <c:msgType>Cancel</c:msgType><c:references>s,a-1,2026-11-22T08:00:00+08:00</c:references>\
     <d:Signature xmlns:d=\"urn:d\"><d:x/></d:Signature></c:alert>",
];

pub(crate) fn made() -> Vec<Vec<u8>> {
    SOUND.iter().map(|xml| xml.as_bytes().to_vec()).collect()
}

pub(crate) fn message(bytes: &[u8]) -> Trait {
    match cap::message(bytes) {
        Ok(message) => {
            let sources = message.references.iter().chain([&message.source]);
            for name in sources.flat_map(|source| [&source.sender, &source.identifier]) {
                let length = name.chars().count();
                assert!((1..=NAME_LEN_MAX).contains(&length), "a name of {length}");
                assert!(!name.contains(|c: char| c.is_whitespace() || c == ','), "{name}");
            }
            let areas: Vec<_> = message.infos.iter().flat_map(|info| &info.areas).collect();
            let points = || areas.iter().flat_map(|area| area.polygons.iter().flatten());
            assert!(points().count() <= POINTS_MAX);
            let on_earth = |p: &[f64; 2]| p[0].abs() <= 180.0 && p[1].abs() <= 90.0;
            assert!(points().all(on_earth), "every point lies on the earth");
            let said = [message.references.len(), message.infos.len(), areas.len()];
            said.iter().fold(1, |all, &n| all << 4 | n.min(15) as u64)
        }
        Err(fault) => {
            assert!(fault.byte as usize <= bytes.len() + 3, "byte {}", fault.byte);
            1 << 40 | u64::from(fault.code.number) << 20 | (hash(reason(&fault)) % (1 << 16))
        }
    }
}
