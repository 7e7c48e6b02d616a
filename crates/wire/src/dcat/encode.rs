//! A catalogue in the words of DCAT 3, with the properties that DCAT-AP 3 asks for. Addresses of other
//! houses are names here: nothing of them has to be fetched.

use chengmai_model::{Text, Timestamp};

use super::graph::{Graph, Node, Term};
use super::{Access, Catalogue, DataSet, Distribution, Service};

const LANGUAGES: [&str; 2] = [
    "http://publications.europa.eu/resource/authority/language/ZHO",
    "http://publications.europa.eu/resource/authority/language/ENG",
];
const PUBLIC: &str = "http://publications.europa.eu/resource/authority/access-right/PUBLIC";
const RESTRICTED: &str = "http://publications.europa.eu/resource/authority/access-right/RESTRICTED";
const MEDIA_TYPES: &str = "https://www.iana.org/assignments/media-types/";
const DCAT_3: &str = "https://www.w3.org/TR/vocab-dcat-3/";

/// Everything that is said of a catalogue.
pub fn graph(catalogue: &Catalogue) -> Graph {
    let mut nodes = vec![head(catalogue)];
    nodes.extend(catalogue.services.iter().map(|service| service_node(catalogue, service)));
    for set in &catalogue.sets {
        nodes.push(set_node(catalogue, set));
        let all = (1..).zip(&set.distributions);
        nodes.extend(all.map(|(n, one)| distribution_node(catalogue, set, n, one)));
    }
    Graph(nodes)
}

fn head(catalogue: &Catalogue) -> Node {
    let parts = |ids: Vec<&'static str>| {
        ids.into_iter().map(|id| Term::Address(part(catalogue, id))).collect::<Vec<_>>()
    };
    let mut facts = vec![
        ("dct:title", words(&catalogue.title)),
        ("dct:description", words(&catalogue.description)),
        ("dct:publisher", vec![publisher(catalogue)]),
        ("dct:language", LANGUAGES.map(address).into()),
        ("dct:modified", vec![moment(catalogue.changed)]),
        ("dct:conformsTo", vec![address(DCAT_3)]),
        ("dcat:dataset", parts(catalogue.sets.iter().map(|set| set.id).collect())),
        ("dcat:service", parts(catalogue.services.iter().map(|service| service.id).collect())),
    ];
    facts.extend(spatial(catalogue));
    facts.push(terms_of_use(catalogue));
    facts.extend(contact(catalogue));
    Node { address: Some(catalogue.address.clone()), class: "dcat:Catalog", facts }
}

fn set_node(catalogue: &Catalogue, set: &DataSet) -> Node {
    let distributions =
        (1..=set.distributions.len()).map(|n| Term::Address(distribution(catalogue, set, n)));
    let (zh, en): (Vec<Term>, Vec<Term>) = set.keywords.iter().map(pair).unzip();
    let mut facts = vec![
        ("dct:identifier", vec![Term::Value(set.id.to_owned(), "xsd:string")]),
        ("dct:title", words(&set.title)),
        ("dct:description", words(&set.description)),
        ("dcat:keyword", [zh, en].concat()),
        ("dct:publisher", vec![publisher(catalogue)]),
        ("dct:accessRights", vec![access(set.access)]),
        ("dct:language", LANGUAGES.map(address).into()),
        ("dcat:distribution", distributions.collect()),
    ];
    facts.extend(spatial(catalogue));
    if let Some(from) = set.from {
        let period = vec![("dcat:startDate", vec![moment(from)])];
        facts.push(("dct:temporal", vec![inside("dct:PeriodOfTime", period)]));
    }
    facts.extend(contact(catalogue));
    Node { address: Some(part(catalogue, set.id)), class: "dcat:Dataset", facts }
}

fn distribution_node(
    catalogue: &Catalogue,
    set: &DataSet,
    number: usize,
    one: &Distribution,
) -> Node {
    let mut facts = vec![
        ("dct:title", words(&one.title)),
        ("dcat:accessURL", vec![address(&one.address)]),
        ("dcat:mediaType", vec![address(&format!("{MEDIA_TYPES}{}", one.media))]),
        ("dct:accessRights", vec![access(set.access)]),
        terms_of_use(catalogue),
    ];
    if one.is_file {
        facts.push(("dcat:downloadURL", vec![address(&one.address)]));
    }
    if let Some(service) = one.service {
        facts.push(("dcat:accessService", vec![Term::Address(part(catalogue, service))]));
    }
    let own = distribution(catalogue, set, number);
    Node { address: Some(own), class: "dcat:Distribution", facts }
}

fn service_node(catalogue: &Catalogue, service: &Service) -> Node {
    let serves = service.serves.iter().map(|id| Term::Address(part(catalogue, id)));
    let mut facts = vec![
        ("dct:title", words(&service.title)),
        ("dcat:endpointURL", vec![address(&service.address)]),
        ("dct:accessRights", vec![access(service.access)]),
        ("dct:publisher", vec![publisher(catalogue)]),
        ("dcat:servesDataset", serves.collect()),
        terms_of_use(catalogue),
    ];
    if let Some(description) = &service.description {
        facts.push(("dcat:endpointDescription", vec![address(description)]));
    }
    if let Some(standard) = service.standard {
        facts.push(("dct:conformsTo", vec![address(standard)]));
    }
    facts.extend(contact(catalogue));
    Node { address: Some(part(catalogue, service.id)), class: "dcat:DataService", facts }
}

/// The address of a part of the catalogue, in its own document.
fn part(catalogue: &Catalogue, id: &str) -> String {
    format!("{}#{id}", catalogue.address)
}

fn distribution(catalogue: &Catalogue, set: &DataSet, number: usize) -> String {
    format!("{}#{}-{number}", catalogue.address, set.id)
}

fn publisher(catalogue: &Catalogue) -> Term {
    inside("foaf:Agent", vec![("foaf:name", words(&catalogue.publisher))])
}

fn contact(catalogue: &Catalogue) -> Option<(&'static str, Vec<Term>)> {
    let contact = catalogue.contact.as_ref()?;
    let how = if contact.starts_with("mailto:") { "vcard:hasEmail" } else { "vcard:hasURL" };
    let facts = vec![("vcard:fn", words(&catalogue.publisher)), (how, vec![address(contact)])];
    Some(("dcat:contactPoint", vec![inside("vcard:Kind", facts)]))
}

fn terms_of_use(catalogue: &Catalogue) -> (&'static str, Vec<Term>) {
    if let Some(licence) = &catalogue.licence {
        return ("dct:license", vec![address(licence)]);
    }
    let statement = vec![("rdfs:label", words(&catalogue.rights))];
    ("dct:rights", vec![inside("dct:RightsStatement", statement)])
}

fn spatial(catalogue: &Catalogue) -> Option<(&'static str, Vec<Term>)> {
    let [west, south, east, north] = catalogue.bounds?;
    let box_text = format!(
        "POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"
    );
    let facts = vec![("dcat:bbox", vec![Term::Value(box_text, "geosparql:wktLiteral")])];
    Some(("dct:spatial", vec![inside("dct:Location", facts)]))
}

fn access(access: Access) -> Term {
    address(match access {
        Access::Public => PUBLIC,
        Access::Restricted => RESTRICTED,
    })
}

fn inside(class: &'static str, facts: Vec<(&'static str, Vec<Term>)>) -> Term {
    Term::Inside(Node { address: None, class, facts })
}

fn address(address: &str) -> Term {
    Term::Address(address.to_owned())
}

fn moment(at: Timestamp) -> Term {
    Term::Value(at.to_rfc3339(), "xsd:dateTime")
}

fn pair(text: &Text) -> (Term, Term) {
    (Term::Words(text.zh.clone(), "zh-CN"), Term::Words(text.en.clone(), "en"))
}

fn words(text: &Text) -> Vec<Term> {
    let (zh, en) = pair(text);
    vec![zh, en]
}
