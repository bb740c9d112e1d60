//! The actuator's settings.

/// Settings of the actuator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where it stands below the context path: empty, or with a leading slash and none at the end
    /// (`management.endpoints.web.base-path`).
    pub base_path: String,
    /// Who sees more of the health than its status.
    pub show_details: ShowDetails,
}

impl Default for Options {
    fn default() -> Self {
        Self { base_path: "/actuator".to_owned(), show_details: ShowDetails::default() }
    }
}

/// Who sees details (`management.endpoint.health.show-details`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowDetails {
    /// Nobody.
    Never,
    /// Users; everybody, where there are none.
    #[default]
    WhenAuthorized,
    /// Everybody.
    Always,
}
