//! What the library is set up with: our tables, its functions, one thread's worth of work, and nothing
//! that reaches a file or a network.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider as _, CatalogProviderList as _, MemoryCatalogProvider,
    MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider as _, TableProvider,
};
use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, SessionStateDefaults};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;

use super::functions::{JoinPlanner, scalar_functions};
use super::metered::MeterWindows;
use super::table::{BATCH_ROWS, Table};

const CATALOG: &str = "chengmai";
const SCHEMA: &str = "city";

/// How many of the greatest takers of memory an error names.
const TAKERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// Everything that questions share: one pool of memory, and no disk to spill to.
pub(super) fn runtime(memory_bytes_max: usize) -> Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(GreedyMemoryPool::new(memory_bytes_max), TAKERS);
    let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(no_disk)
        .build_arc()
}

/// The state that every question begins from.
pub(super) fn base(runtime: Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    options.sql_parser.collect_spans = true;
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(JoinPlanner::new())];
    planners.extend(SessionStateDefaults::default_expr_planners());
    let tables = SessionStateDefaults::default_table_functions();
    let tables = tables.into_iter().filter(|f| f.name() == "generate_series");
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(planners)
        .with_scalar_functions(scalar_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_physical_optimizer_rule(Arc::new(MeterWindows))
        .with_table_functions(tables.map(|f| (f.name().to_owned(), f)).collect())
        .build()
}

/// The state for one question: the base, and the tables as the asker sees them.
pub(super) fn with_tables(
    base: &SessionState,
    tables: impl IntoIterator<Item = (&'static str, Table)>,
) -> Result<SessionState> {
    let schema = MemorySchemaProvider::new();
    for (name, table) in tables {
        schema.register_table(name.to_owned(), Arc::new(table) as Arc<dyn TableProvider>)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    let mut state = SessionStateBuilder::new_from_existing(base.clone())
        .with_catalog_list(Arc::new(catalogs))
        .build();
    // What `now()` says, for the whole of the question.
    state.mark_start_execution();
    Ok(state)
}
