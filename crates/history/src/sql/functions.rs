//! The functions that a query may use: those of the library but for a few that can ask for any amount of
//! memory in one step, before anybody counts it.
//!
//! A refused allocation ends the whole program, and with it the city's senses. So texts that grow are
//! measured: a function that joins texts is asked beforehand how much it will make.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Their result may be any multiple of what goes in, or they tell of the machine.
const LEFT_OUT: [&str; 10] = [
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "regexp_replace",
    "input_file_name",
    "file_row_index",
    "arrow_field",
    "arrow_metadata",
    "with_metadata",
];
/// Of these the result is as long as all that goes in.
const JOINING: [&str; 2] = ["concat", "concat_ws"];
/// Most bytes of text that one step makes of one batch of rows.
const STEP_BYTES_MAX: usize = 64 << 20;

/// All functions on single rows.
pub(super) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let all = SessionStateDefaults::default_scalar_functions();
    let kept = all.into_iter().filter(|function| !LEFT_OUT.contains(&function.name()));
    let measured = kept.map(|function| {
        if JOINING.contains(&function.name()) {
            Arc::new(ScalarUDF::new_from_impl(Measured { inner: function }))
        } else {
            function
        }
    });
    measured.collect()
}

/// A function that joins texts, with a look at their length first.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Measured {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Measured {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = args.args.iter().map(|arg| bytes_of(arg, args.number_rows));
        within(bytes.fold(0, usize::saturating_add))?;
        self.inner.invoke_with_args(args)
    }
}

/// `a || b`, measured: at most twice as long as its parts, and those were measured before it.
#[derive(Debug)]
pub(super) struct JoinPlanner {
    measure: Arc<ScalarUDF>,
}

impl JoinPlanner {
    pub(super) fn new() -> Self {
        let signature = Signature::any(1, Volatility::Immutable);
        Self { measure: Arc::new(ScalarUDF::new_from_impl(Measure { signature })) }
    }
}

impl ExprPlanner for JoinPlanner {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if raw.op != BinaryOperator::StringConcat {
            return Ok(PlannerResult::Original(raw));
        }
        let (left, right) = (Box::new(raw.left), Box::new(raw.right));
        let joined = Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right });
        Ok(PlannerResult::Planned(self.measure.call(vec![joined])))
    }
}

/// Gives back what it gets, unless that is too long.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Measure {
    signature: Signature,
}

impl ScalarUDFImpl for Measure {
    fn name(&self) -> &'static str {
        "measured"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(value) = args.args.into_iter().next() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Null));
        };
        within(bytes_of(&value, rows))?;
        Ok(value)
    }
}

/// How long a value is, written out for all rows.
fn bytes_of(value: &ColumnarValue, rows: usize) -> usize {
    match value {
        ColumnarValue::Array(array) => array.get_array_memory_size(),
        ColumnarValue::Scalar(scalar) => scalar.size().saturating_mul(rows),
    }
}

fn within(bytes: usize) -> Result<()> {
    if bytes > STEP_BYTES_MAX {
        return exec_err!("a text grows beyond {} MiB in one step", STEP_BYTES_MAX >> 20);
    }
    Ok(())
}
