//! Names one buffer file.

gov_core::define_ids! {
    /// Names one buffer file for as long as its numbers mean the same: a file that is new, or that
    /// was restored from a copy, gets another.
    BufferId => "buf";
}
