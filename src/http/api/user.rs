//! `GET /api/v1/user`: the user of this request, and what the user may do.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::respond::answer;
use crate::http::state::AppState;
use crate::registry::Caller;

/// The user of a request, and what the user may do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    /// The name; `None` if there are no users.
    pub(crate) name: Option<String>,
    /// `all` or `read`.
    pub(crate) access: &'static str,
    /// Whether there are no users, so that everybody may do everything.
    pub(crate) open: bool,
}

impl User {
    /// The user that a caller is.
    pub(crate) fn of(app: &AppState, caller: &Caller) -> Self {
        let access = if app.security.may_change(caller) { "all" } else { "read" };
        Self { name: caller.user.as_deref().map(str::to_owned), access, open: app.security.is_open() }
    }
}

pub(super) async fn user(State(app): State<Arc<AppState>>, Extension(caller): Extension<Caller>) -> Response {
    answer(&User::of(&app, &caller))
}
