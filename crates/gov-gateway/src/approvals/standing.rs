//! How far an approval is that waits for more than one person.

use gov_core::PersonId;
use gov_escalation::approval::Approval;

/// How many have been counted, and who is still needed: `1 of 2` and `1 of security`, with an `or`
/// between rungs, of which one is enough. People are called as `name_of` says.
pub(crate) fn still_needed(
    approval: &Approval,
    name_of: impl Fn(PersonId) -> Option<String>,
) -> (String, String) {
    let rungs = approval.standings(name_of);
    let count = |it: &gov_escalation::Standing| format!("{} of {}", it.filled, it.needed);
    let mut missing: Vec<_> = rungs.iter().map(|it| it.missing.clone()).collect();
    // Two rungs may ask for the same.
    missing.dedup();
    // Who is asked last sees how far their own rung is.
    (rungs.last().map(count).unwrap_or_default(), missing.join(", or "))
}
