//! A small catalogue in both spellings; other people's readers are in `crates/server/tests/it/catalogue.rs`.

use chengmai_model::{Text, Timestamp};
use serde_json::Value;

use super::{Access, Catalogue, DataSet, Distribution, Service, graph};
use crate::error::assert_text;

fn catalogue(licence: Option<&str>) -> Catalogue {
    let words = |zh: &str, en: &str| Text::new(zh, en);
    Catalogue {
        address: "http://here/catalog".to_owned(),
        title: words("小城", "Small \"town\"\n"),
        description: words("目录", "what there is"),
        publisher: words("数据局", "Data office"),
        contact: licence.map(|_| "mailto:data@example.org".to_owned()),
        licence: licence.map(str::to_owned),
        rights: words("请询问", "ask"),
        bounds: Some([106.0, 29.0, 107.0, 30.0]),
        changed: Timestamp(1_795_305_600_000),
        sets: vec![DataSet {
            id: "areas",
            title: words("区域", "Areas"),
            description: words("边界", "boundaries"),
            keywords: vec![words("区划", "division")],
            access: Access::Public,
            from: Some(Timestamp(0)),
            distributions: vec![Distribution {
                title: words("要素", "features"),
                address: "http://here/a b<c>".to_owned(),
                media: "application/geo+json",
                is_file: true,
                service: Some("features"),
            }],
        }],
        services: vec![Service {
            id: "features",
            title: words("要素服务", "Features"),
            address: "http://here/ogc".to_owned(),
            description: None,
            standard: None,
            access: Access::Restricted,
            serves: vec!["areas"],
        }],
    }
}

#[test]
fn turtle_holds_a_block_for_each_thing() {
    let text = graph(&catalogue(Some("https://example.org/open"))).to_turtle();
    let block = text.split("\n\n").find(|b| b.starts_with("<http://here/catalog#areas-1>"));
    assert_text(
        block.unwrap(),
        r#"
        <http://here/catalog#areas-1> a dcat:Distribution ;
        dct:title "要素"@zh-CN, "features"@en ;
        dcat:accessURL <http://here/a%20b%3Cc%3E> ;
        dcat:mediaType <https://www.iana.org/assignments/media-types/application/geo+json> ;
        dct:accessRights <http://publications.europa.eu/resource/authority/access-right/PUBLIC> ;
        dct:license <https://example.org/open> ;
        dcat:downloadURL <http://here/a%20b%3Cc%3E> ;
        dcat:accessService <http://here/catalog#features> .
        "#,
    );
    assert!(text.contains(r#""Small \"town\"\n"@en"#), "{text}");
    assert!(text.contains(r#"dcat:startDate "1970-01-01T00:00:00.000Z"^^xsd:dateTime"#), "{text}");
}

#[test]
fn json_ld_carries_its_context_and_both_languages() {
    let text = graph(&catalogue(None)).to_json_ld();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["@context"].is_object(), "a context by address would have to be fetched");
    let head = &document["@graph"][0];
    assert_eq!(head["@type"], "dcat:Catalog");
    assert_eq!(head["dct:title"][1]["@value"], "Small \"town\"\n");
    assert_eq!(head["dcat:dataset"][0]["@id"], "http://here/catalog#areas");
    // Nobody named a licence, so none is made up.
    assert_eq!(head.get("dct:license"), None);
    assert_eq!(head["dct:rights"][0]["rdfs:label"][1]["@value"], "ask");
    assert_eq!(head.get("dcat:contactPoint"), None);
}
