//! Files cut into chunks of whole rows.

use super::*;

/// The chunks of a file, and the line each begins on.
fn chunks(text: &str, bytes: usize) -> Vec<(u32, String)> {
    let mut chunks = Vec::new();
    let outcome = in_chunks(text.as_bytes(), bytes, |part, line| {
        chunks.push((line, std::str::from_utf8(part)?.to_owned()));
        Ok(())
    });
    outcome.expect("these rows can be read");
    chunks
}

fn chunk(line: u32, text: &str) -> (u32, String) {
    (line, text.to_owned())
}

#[test]
fn every_chunk_has_the_header_and_knows_its_line() {
    let cut = chunks("a,b\n1,2\n3,4\n5,6", 8);
    assert_eq!(cut, [chunk(2, "a,b\n1,2\n3,4\n"), chunk(4, "a,b\n5,6")]);
    assert_eq!(chunks("a,b\n1,2\n", 100), [chunk(2, "a,b\n1,2\n")]);
    assert_eq!(chunks("a,b\n", 100), []);
    assert_eq!(chunks("", 100), []);
}

#[test]
fn no_row_is_cut_where_a_quoted_field_breaks_its_line() {
    let cut = chunks("a,b\n1,\"x\n\"\"y\"\"\nz\"\n2,w\n", 1);
    assert_eq!(cut, [chunk(2, "a,b\n1,\"x\n\"\"y\"\"\nz\"\n"), chunk(5, "a,b\n2,w\n")]);
    // A quote within a field that began without one is a letter like any other.
    let cut = chunks("a,b\n1,6\" pipe\n2,w\n", 1);
    assert_eq!(cut, [chunk(2, "a,b\n1,6\" pipe\n"), chunk(3, "a,b\n2,w\n")]);
}
