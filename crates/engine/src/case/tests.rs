//! Properties of cases over random walks.
