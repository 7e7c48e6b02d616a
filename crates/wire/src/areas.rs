//! Area files: rows of the tree as CSV, changes of codes as CSV, boundaries as GeoJSON.
//!
//! Not here: whether the rows make a tree ([`chengmai_model::AreaTree::build`]), and refusing a file
//! as a whole when one row is wrong (the importer, which sees all faults at once).

mod decode;

pub use chengmai_model::area::Boundary;
pub use decode::{decode_boundaries, decode_changes, decode_rows};
