//! What tests of every crate share: where the real data lies, and how a test says it was skipped.

use std::io::Write as _;
use std::path::PathBuf;

/// The file under `../shared/data` beside the workspace, or `None` after noting the test as skipped.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    skip(&format!("../shared/data/{path} is absent"));
    None
}

/// Notes that the running test was skipped and why, for the count that `cargo xtask test` prints.
///
/// # Panics
/// When the file named by `CHENGMAI_SKIP_LOG` cannot be written: a skip must never go uncounted.
pub fn skip(reason: &str) {
    // The test's thread has its name; the program's tells apart tests of one name in two crates.
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(std::path::Path::file_stem).unwrap_or_default();
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let name = format!("{}::{test}", program.display());
    if let Some(path) = std::env::var_os("CHENGMAI_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the skip log can be opened");
        writeln!(file, "{name}: {reason}").expect("the skip log can be written");
    }
}
