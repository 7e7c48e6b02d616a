//! The catalogue 数据目录 as harvesters meet it: it reads in both spellings, names what is there and nothing
//! else, and keeps to what DCAT-AP asks for.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{City, Folder, until};

fn graph(city: &City, path: &str) -> Vec<Value> {
    let (status, text) = city.send_with("GET", path, "", &[], b"").unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    let mut document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["@context"].is_object(), "nothing is fetched to read it");
    std::mem::take(document["@graph"].as_array_mut().unwrap())
}

fn of<'a>(graph: &'a [Value], class: &str) -> Vec<&'a Value> {
    graph.iter().filter(|node| node["@type"] == class).collect()
}

#[test]
fn every_address_of_the_catalogue_answers_whoever_it_says_may_ask() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    // The first head of the log is signed a moment after the start.
    until("the log is signed", || (city.get("/api/v1/log/checkpoint", "").0 == 200).then_some(()));
    let graph = graph(&city, "/catalog");
    assert_eq!(of(&graph, "dcat:Catalog").len(), 1);
    let sets = of(&graph, "dcat:Dataset");
    let ids: Vec<&str> =
        sets.iter().map(|set| set["dct:identifier"][0]["@value"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "areas",
            "reports",
            "decision-log",
            "devices",
            "indicators",
            "warnings",
            "alerts",
            "cases"
        ]
    );
    let mut asked = 0;
    for node in of(&graph, "dcat:Distribution").into_iter().chain(of(&graph, "dcat:DataService")) {
        let is_public = node["dct:accessRights"][0]["@id"].as_str().unwrap().ends_with("PUBLIC");
        for property in ["dcat:accessURL", "dcat:downloadURL", "dcat:endpointURL"] {
            let Some(address) = node[property][0]["@id"].as_str() else { continue };
            let path = address.strip_prefix(&city.url("")).expect("an address of ours");
            // The door of the interface is a beginning of addresses.
            let path = if path == "/api/v1" { "/api/v1/areas" } else { path };
            let ask = |token: &str| city.send_with("GET", path, token, &[], b"").unwrap().0;
            assert_eq!(ask(""), if is_public { 200 } else { 401 }, "{path}");
            assert_eq!(ask(&city.admin), 200, "{path}");
            asked += 1;
        }
        if let Some(address) = node["dcat:endpointDescription"][0]["@id"].as_str() {
            let path = address.strip_prefix(&city.url("")).unwrap();
            assert_eq!(city.send_with("GET", path, "", &[], b"").unwrap().0, 200, "{path}");
        }
    }
    assert!(asked > 20, "{asked}");
}

#[test]
fn the_form_follows_what_is_asked_for() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let kind = |path: &str, accept: &str| {
        let (status, headers, text) = city.whole("GET", path, "", &[("accept", accept)], b"");
        assert_eq!(status, 200, "{text}");
        headers["content-type"].to_str().unwrap().to_owned()
    };
    let (json, turtle) = ("application/ld+json", "text/turtle; charset=utf-8");
    assert_eq!(kind("/catalog", "*/*"), json);
    assert_eq!(kind("/catalog", "text/turtle, application/ld+json;q=0.5"), turtle);
    assert_eq!(kind("/catalog", "application/ld+json, text/turtle;q=0.5"), json);
    assert_eq!(kind("/catalog.ttl", "*/*"), turtle);
    assert_eq!(kind("/catalog.jsonld", "text/turtle"), json);
}

#[test]
fn a_licence_is_told_where_the_citys_pack_names_one_and_never_made_up() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let catalogue = graph(&city, "/catalog.jsonld");
    assert_eq!(catalogue[0].get("dct:license"), None);
    assert!(catalogue[0]["dct:rights"][0]["rdfs:label"].is_array());
    drop(city);

    let city = City::start(&folder, &["--packs", with_publisher(&folder).to_str().unwrap()]);
    let catalogue = graph(&city, "/catalog.jsonld");
    let head = of(&catalogue, "dcat:Catalog")[0];
    assert_eq!(head["dct:license"][0]["@id"], "https://example.org/open");
    assert_eq!(head["dct:publisher"][0]["foaf:name"][1]["@value"], "Data office");
    let contact = &head["dcat:contactPoint"][0]["vcard:hasEmail"][0]["@id"];
    assert_eq!(*contact, "mailto:data@example.org");
}

/// A folder with the city's pack and a publisher in it.
fn with_publisher(folder: &Folder) -> std::path::PathBuf {
    let packs = folder.path().join("packs");
    let pack = packs.join("chongqing");
    std::fs::create_dir_all(&pack).unwrap();
    let ours = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/chongqing");
    for entry in std::fs::read_dir(ours).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, pack.join(file.file_name().unwrap())).unwrap();
    }
    let path = pack.join("city.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let publisher = "\n[publisher]\nname = { zh = \"数据局\", en = \"Data office\" }\n\
        contact = \"mailto:data@example.org\"\nlicence = \"https://example.org/open\"\n";
    std::fs::write(path, text + publisher).unwrap();
    packs
}

#[test]
fn other_peoples_programs_read_question_and_check_the_catalogue() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the clients");
    };
    let folder = Folder::new();
    let city = City::start(&folder, &["--packs", with_publisher(&folder).to_str().unwrap()]);
    let script = folder.path().join("read.py");
    std::fs::write(&script, PYTHON).unwrap();
    let output = Command::new(python).arg(&script).arg(city.url("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["same"], true, "{said}");
    assert_eq!(said["conforms"], json!([true, ""]), "{said}");
    assert_eq!(said["spoiled"], false, "the shapes can fail");
    let public = json!(["areas", "decision-log", "reports"]);
    assert_eq!(said["public"], public, "{said}");
    assert_eq!(said["geojson"], 5, "{said}");
}

/// Both spellings by `rdflib`, questions in SPARQL, and the mandatory properties of DCAT-AP 3 as shapes that
/// `pyshacl` checks. Nothing is fetched but the catalogue.
const PYTHON: &str = r#"
import json, sys, urllib.request
from pyshacl import validate
from rdflib import Graph, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCAT, DCTERMS

def get(path):
    return urllib.request.urlopen(sys.argv[1] + path).read().decode()

turtle = Graph().parse(data=get("/catalog.ttl"), format="turtle")
json_ld = Graph().parse(data=get("/catalog.jsonld"), format="json-ld")

PREFIXES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dct: <http://purl.org/dc/terms/> . @prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . @prefix e: <urn:shape:> .
"""
SHAPES = PREFIXES + """
e:text sh:or ([ sh:datatype rdf:langString ] [ sh:datatype <http://www.w3.org/2001/XMLSchema#string> ]) .
e:titled sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:node e:text ; sh:uniqueLang true ] .
e:described sh:property [ sh:path dct:description ; sh:minCount 1 ; sh:node e:text ; sh:uniqueLang true ] .
e:published sh:property [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ;
    sh:property [ sh:path foaf:name ; sh:minCount 1 ] ] .
e:Catalogue sh:targetClass dcat:Catalog ; sh:node e:titled, e:described, e:published ;
    sh:property [ sh:path dcat:dataset ; sh:minCount 1 ; sh:class dcat:Dataset ] ,
        [ sh:path dcat:service ; sh:class dcat:DataService ] , [ sh:path dct:license ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] .
e:Set sh:targetClass dcat:Dataset ; sh:node e:titled, e:described, e:published ;
    sh:property [ sh:path dcat:distribution ; sh:minCount 1 ; sh:class dcat:Distribution ] ,
        [ sh:path dcat:keyword ; sh:minCount 1 ] , [ sh:path dct:accessRights ; sh:minCount 1 ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
        [ sh:path dcat:contactPoint ; sh:minCount 1 ] .
e:Form sh:targetClass dcat:Distribution ; sh:node e:titled ;
    sh:property [ sh:path dcat:accessURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
        [ sh:path dcat:accessService ; sh:class dcat:DataService ] , [ sh:path dcat:mediaType ; sh:maxCount 1 ] ,
        [ sh:path dct:license ; sh:minCount 1 ; sh:maxCount 1 ] .
e:Service sh:targetClass dcat:DataService ; sh:node e:titled ;
    sh:property [ sh:path dcat:endpointURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
        [ sh:path dcat:servesDataset ; sh:minCount 1 ; sh:class dcat:Dataset ] .
"""
shapes = Graph().parse(data=SHAPES, format="turtle")
conforms, _, words = validate(turtle, shacl_graph=shapes)
spoiled = Graph() + turtle
spoiled.remove((None, DCAT.accessURL, None))

PUBLIC = """
PREFIX dcat: <http://www.w3.org/ns/dcat#> PREFIX dct: <http://purl.org/dc/terms/>
SELECT ?id WHERE { ?set a dcat:Dataset ; dct:identifier ?id ; dct:accessRights ?who . FILTER(STRENDS(STR(?who), "/PUBLIC")) } ORDER BY ?id
"""
GEOJSON = """
PREFIX dcat: <http://www.w3.org/ns/dcat#>
SELECT ?at WHERE { ?catalogue a dcat:Catalog ; dcat:dataset/dcat:distribution ?form . ?form dcat:mediaType ?media ; dcat:accessURL ?at .
  FILTER(STRENDS(STR(?media), "geo+json")) }
"""
json.dump({
    "same": isomorphic(turtle, json_ld) and len(turtle) > 100,
    "conforms": [conforms, "" if conforms else words],
    "spoiled": validate(spoiled, shacl_graph=shapes)[0],
    "public": [str(row.id) for row in turtle.query(PUBLIC)],
    "geojson": len(list(json_ld.query(GEOJSON))),
}, sys.stdout)
"#;
