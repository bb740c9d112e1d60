//! What stands beside Eureka's API: the actuator and the pages. An ordinary axum router; nothing here is hot.

use axum::Router;
use axum::routing::get;

use super::{ApiError, App, actuator, api, dashboard};

/// Every path that is not below `/eureka`, grouped by who calls it.
pub(super) fn routes() -> Router<App> {
    Router::new()
        // probes
        .route("/actuator", get(actuator::links))
        .route("/actuator/health", get(actuator::health))
        .route("/actuator/health/liveness", get(actuator::liveness))
        .route("/actuator/health/readiness", get(actuator::readiness))
        .route("/actuator/health/{component}", get(actuator::health_component))
        .route("/actuator/info", get(actuator::info))
        // scrapers
        .route("/actuator/prometheus", get(actuator::prometheus))
        // people
        .merge(dashboard::routes())
        .merge(api::routes())
        .fallback(async || ApiError::NotFound("no such page"))
}
