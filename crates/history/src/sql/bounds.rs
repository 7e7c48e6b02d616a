//! Bounds on the shape of a plan, checked after the library has simplified it: what one batch of rows
//! can grow to is then a product of small constants.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::error::SqlError;

/// Most columns at any step of a plan.
const COLUMNS_MAX: usize = 256;
/// Longest text that may stand in a query or come out of its constants.
const LITERAL_BYTES_MAX: usize = 1_024;
/// Most steps of a plan.
const STEPS_MAX: usize = 512;

/// Goes on only with a plan whose every step is of a bearable size.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut fault = None;
    let mut steps = 0;
    plan.apply_with_subqueries(|step| {
        steps += 1;
        fault = fault_of(step, steps)?;
        Ok(if fault.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    fault.map_or(Ok(()), |text| Err(SqlError::NotAllowed { text }))
}

fn fault_of(step: &LogicalPlan, steps: usize) -> Result<Option<String>> {
    if steps > STEPS_MAX {
        return Ok(Some(format!("the query has more than {STEPS_MAX} steps")));
    }
    let columns = step.schema().fields().len();
    if columns > COLUMNS_MAX {
        return Ok(Some(format!(
            "{columns} columns in one step, at most {COLUMNS_MAX} are allowed"
        )));
    }
    let mut long = None;
    step.apply_expressions(|expression| {
        expression.apply(|part| {
            if let Expr::Literal(value, _) = part {
                long = long.or(Some(text_bytes(value)).filter(|&bytes| bytes > LITERAL_BYTES_MAX));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(long
        .map(|bytes| format!("a text of {bytes} bytes, at most {LITERAL_BYTES_MAX} are allowed")))
}

fn text_bytes(value: &ScalarValue) -> usize {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => text.len(),
        ScalarValue::Dictionary(_, inner) => text_bytes(inner),
        ScalarValue::Binary(Some(bytes)) => bytes.len(),
        _ => 0,
    }
}
