//! Why a question has no answer, in the words of the one who asked. The server puts numbers and Chinese
//! words to these.

use std::time::Duration;

use datafusion::common::DataFusionError;

/// A place in the text of a query, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// A question that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The text is not SQL.
    #[error("{text}")]
    Syntax {
        /// What the parser says.
        text: String,
        /// Where, if known.
        at: Option<Position>,
    },
    /// It is SQL, but not a question.
    #[error("{text}")]
    NotAllowed {
        /// What is not allowed.
        text: String,
    },
    /// A table, column or function that there is not.
    #[error("{text}")]
    Unknown {
        /// Which, and what there is instead.
        text: String,
        /// Where, if known.
        at: Option<Position>,
    },
    /// The question makes no sense: types that do not fit, a column that is not grouped.
    #[error("{text}")]
    Senseless {
        /// What does not fit.
        text: String,
        /// Where, if known.
        at: Option<Position>,
    },
    /// No answer within the time.
    #[error("no answer within {} s", after.as_secs())]
    TooSlow {
        /// The limit.
        after: Duration,
    },
    /// It needs more memory than there is for questions.
    #[error("{text}")]
    TooMuchMemory {
        /// Which step.
        text: String,
    },
    /// The answer is longer than an answer may be.
    #[error("the answer has more than {bytes_max} bytes")]
    AnswerTooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Others are asking, and no turn came within the time.
    #[error("{at_once_max} questions are being answered")]
    Busy {
        /// How many at once.
        at_once_max: usize,
    },
    /// A row cannot be worked out: a division by zero, a text that is no number.
    #[error("{text}")]
    Failed {
        /// What went wrong.
        text: String,
    },
    /// An error of the program or of its files, not of the question.
    #[error("{text}")]
    Internal {
        /// What went wrong.
        text: String,
    },
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let at = error
            .diagnostic()
            .and_then(|diagnostic| diagnostic.span)
            .map(|span| Position { line: span.start.line, column: span.start.column });
        classify(&error, at)
    }
}

fn classify(error: &DataFusionError, at: Option<Position>) -> SqlError {
    let text = || first_line(&error.strip_backtrace());
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            classify(inner, at)
        }
        DataFusionError::Shared(inner) => classify(inner, at),
        DataFusionError::Collection(all) => {
            all.first().map_or_else(|| SqlError::Failed { text: text() }, |e| classify(e, at))
        }
        DataFusionError::SQL(parser, _) => syntax(&parser.to_string(), at),
        DataFusionError::SchemaError(..) => SqlError::Unknown { text: text(), at },
        DataFusionError::Plan(words) if is_unknown(words) => SqlError::Unknown { text: text(), at },
        DataFusionError::Plan(_) | DataFusionError::NotImplemented(_) => {
            SqlError::Senseless { text: text(), at }
        }
        DataFusionError::ResourcesExhausted(_) => SqlError::TooMuchMemory { text: text() },
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => {
            SqlError::Failed { text: text() }
        }
        DataFusionError::External(inner) => match inner.downcast_ref::<SqlError>() {
            Some(ours) => ours.clone(),
            None => SqlError::Internal { text: text() },
        },
        _ => SqlError::Internal { text: text() },
    }
}

/// Unknown tables and functions come as plain words from the library.
fn is_unknown(words: &str) -> bool {
    ["not found", "Invalid function", "No field named"].iter().any(|mark| words.contains(mark))
}

/// The parser writes the place at the end of its words: `... at Line: 1, Column: 8`.
fn syntax(words: &str, at: Option<Position>) -> SqlError {
    let words = words.trim_start_matches("sql parser error: ");
    let Some((text, place)) = words.rsplit_once(" at Line: ") else {
        return SqlError::Syntax { text: first_line(words), at };
    };
    let number = |text: &str| text.trim().parse().ok();
    let place = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Position { line: number(line)?, column: number(column)? }));
    SqlError::Syntax { text: first_line(text), at: place.or(at) }
}

/// Without the library's own headings, which say nothing to whoever asked.
fn first_line(text: &str) -> String {
    let mut text = text.trim();
    for heading in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
        "Resources exhausted: ",
        "This feature is not implemented: ",
        "ParserError: ",
    ] {
        text = text.trim_start_matches(heading);
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Position, SqlError, syntax};

    #[test]
    fn the_parsers_place_becomes_a_position() {
        let error = syntax(
            "sql parser error: Expected: an expression, found: FROM at Line: 2, Column: 8",
            None,
        );
        let at = Some(Position { line: 2, column: 8 });
        assert_eq!(
            error,
            SqlError::Syntax { text: "Expected: an expression, found: FROM".into(), at }
        );
    }
}
