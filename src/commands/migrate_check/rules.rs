//! The rules: from what was read to what it means for the move. Each looks at the survey and nothing else.

mod configuration;
mod instances;
mod leases;
mod peers;
mod server;

use super::finding::Finding;
use super::survey::Survey;

/// All findings, the most urgent first.
pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let rules = [server::findings, peers::findings, instances::findings, leases::findings, configuration::findings];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(survey)).collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

#[cfg(test)]
mod tests;
