//! The document that describes the interface (OpenAPI 3.1), as it leaves us: what the descriptions in the handlers
//! do not say one by one is put in here.

use chengmai_store::records::LIMIT_MAX;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::policy::fields;

/// How a problem comes.
const PROBLEM: &str = "application/problem+json";

/// The document as JSON.
pub(crate) fn json(mut document: OpenApi) -> String {
    for (path, item) in &mut document.paths.paths {
        for (_, operation) in operations(item) {
            describe(operation);
            bound(operation);
            // A page for a browser that comes back from elsewhere.
            if path.starts_with("/api/") && !path.ends_with("/callback") {
                refuse(operation);
            }
        }
    }
    fields::classify(&mut document);
    let json = document.to_pretty_json();
    let json = json.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    // The router's star for "all that follows" means nothing to a reader of the document.
    json.replace("/{*", "/{")
}

/// The methods of a path and what they do.
pub(crate) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("patch", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Every answer has words in OpenAPI 3.1; those whose shape says all have the usual ones.
fn describe(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if answer.description.is_empty() {
            let usual = match status.as_str() {
                "201" => "made",
                "202" => "taken, and done later",
                "204" => "done; nothing to tell",
                _ => "what was asked for",
            };
            usual.clone_into(&mut answer.description);
        }
    }
}

/// A page has 1 to [`LIMIT_MAX`] items, wherever one can be asked for.
fn bound(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if parameter.name == "limit"
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        {
            schema.minimum = Some(1.into());
            schema.maximum = Some(LIMIT_MAX.into());
        }
    }
}

/// What is no answer is a problem with a number (RFC 9457).
fn refuse(operation: &mut Operation) {
    let body = || Content::new(Some(Ref::from_schema_name("ProblemBody")));
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        let is_problem = |content: &RefOr<Content>| matches!(content, RefOr::T(Content { schema: Some(RefOr::Ref(r)), .. }) if r.ref_location.ends_with("/ProblemBody"));
        if status.starts_with(['4', '5']) {
            answer.content.retain(|_, content| !is_problem(content));
            answer.content.insert(PROBLEM.to_owned(), body().into());
        }
    }
    let refusal = ResponseBuilder::new()
        .description("what was not done, where, and how to mend it")
        .content(PROBLEM, body())
        .build();
    operation.responses.responses.entry("default".to_owned()).or_insert(refusal.into());
}
