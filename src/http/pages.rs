//! The paths beside Eureka's API: the actuator and the pages. An ordinary axum router, since nothing here is hot.

use std::sync::Arc;

use axum::Router;

use super::state::AppState;
use super::{ApiError, Options, actuator, api, dashboard};

/// Every path that is not below `/eureka`, grouped by its callers.
pub(super) fn routes(options: &Options) -> Router<Arc<AppState>> {
    Router::new()
        // probes and scrapers
        .merge(actuator::routes(&options.actuator))
        // people
        .merge(dashboard::routes(&options.dashboard))
        .merge(api::routes())
        .fallback(async || ApiError::NotFound("no such page"))
}
