//! [`Health`]: how a registry is doing, in a grade and in sentences.

use serde::Serialize;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grade {
    /// Nothing deserves attention.
    Healthy,
    /// Something deserves attention, and clients find what they look for.
    Degraded,
    /// Clients do not find what they look for, or may find it no longer when one more thing fails.
    Critical,
}

impl Grade {
    /// For machines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }

    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Critical => "Critical",
        }
    }
}

/// How the registry is doing. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    pub(crate) state: Grade,
    /// What is good, if nothing is wrong.
    pub(crate) summary: Option<String>,
    /// The sentences of the findings.
    pub(crate) reasons: Vec<String>,
    pub(crate) findings: Vec<Finding>,
}

/// One thing that deserves attention.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) grade: Grade,
    pub(crate) reason: String,
    pub(crate) consequence: String,
    pub(crate) advice: &'static str,
    /// The query of the page that shows exactly what is meant.
    pub(crate) link: Option<&'static str>,
}

impl Health {
    /// Nothing is known yet.
    pub(super) fn unknown() -> Self {
        Self { state: Grade::Healthy, summary: None, reasons: Vec::new(), findings: Vec::new() }
    }
}
