//! A table of ours as the library wants it: what it is called, what it can leave out, and the step of a
//! plan that reads it. The tables themselves are [`Source`]s.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures_util::stream;

use super::pushdown::{self, Ask};

/// Rows handed on at once: few enough that a query can be stopped between two.
pub(super) const BATCH_ROWS: usize = 8_192;

/// Batches with the columns of an [`Ask`].
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A table: its columns, and its rows.
pub(super) trait Source: Debug + Send + Sync {
    /// All columns.
    fn schema(&self) -> SchemaRef;
    /// Columns of words by which less is read.
    fn words(&self) -> &'static [&'static str];
    /// The column of time by which less is read.
    fn time(&self) -> &'static str;
    /// The rows that may be wanted, and none that the asker may not see.
    fn scan(&self, ask: &Ask, memory: &Arc<dyn MemoryPool>) -> Result<Batches>;
}

/// A source as a table of the library.
#[derive(Debug, Clone)]
pub(super) struct Table(pub(super) Arc<dyn Source>);

#[async_trait::async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let (words, time) = (self.0.words(), self.0.time());
        let answers = filters.iter().map(|filter| {
            if pushdown::narrows(filter, words, time) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        });
        Ok(answers.collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.0.schema().fields().len()).collect();
        let columns = projection.cloned().unwrap_or_else(all);
        let ask = Ask::new(columns, filters, self.0.words(), self.0.time());
        Ok(Arc::new(Scan::new(Arc::clone(&self.0), ask)?))
    }
}

/// The step of a plan that reads a table.
#[derive(Debug)]
struct Scan {
    source: Arc<dyn Source>,
    ask: Ask,
    properties: Arc<PlanProperties>,
}

impl Scan {
    fn new(source: Arc<dyn Source>, ask: Ask) -> Result<Self> {
        let schema = Arc::new(source.schema().project(&ask.columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { source, ask, properties: Arc::new(properties) })
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.properties.eq_properties.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        write!(f, "Scan: columns=[{}]", columns.join(", "))?;
        for (column, words) in &self.ask.words {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            write!(f, ", {column} in [{}]", words.join(", "))?;
        }
        let time = self.source.time();
        if self.ask.from != i64::MIN {
            write!(f, ", {time} >= {}", chengmai_model::Timestamp(self.ask.from).to_rfc3339())?;
        }
        if self.ask.to != i64::MAX {
            write!(f, ", {time} < {}", chengmai_model::Timestamp(self.ask.to).to_rfc3339())?;
        }
        Ok(())
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let batches = self.source.scan(&self.ask, context.memory_pool())?;
        let small = batches.flat_map(|batch| match batch {
            Ok(batch) => slices(&batch),
            Err(error) => vec![Err(error)],
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(small))))
    }
}

fn slices(batch: &RecordBatch) -> Vec<Result<RecordBatch>> {
    let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
    starts.map(|start| Ok(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))).collect()
}
