//! The order of system calls: a killed process keeps what the kernel has, so no kill can tell
//! whether an fsync was made.

use std::collections::HashSet;

/// What a line of a [trace](super::Child::trace) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Bytes were handed to the file.
    Wrote,
    /// A sync of the file has returned, and worked.
    Synced,
    /// The child said something.
    Said,
}

/// The calls that touch a file with this name, and what was said, in their order.
#[must_use]
pub fn calls(trace: &[String], name: &str) -> Vec<Call> {
    let name = format!("/{name}>");
    let mut calls = Vec::new();
    let mut in_sync = HashSet::new();
    for line in trace {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let touches = call.contains(&name);
        if call.starts_with("write(1<") && call.contains("\"@") {
            calls.push(Call::Said);
        } else if call.starts_with("pwrite64(") && touches {
            calls.push(Call::Wrote);
        } else if (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && touches {
            // It counts when it has returned.
            if call.contains("<unfinished") {
                in_sync.insert(thread.to_owned());
            } else if call.ends_with("= 0") {
                calls.push(Call::Synced);
            }
        } else if call.contains("sync resumed>") && in_sync.remove(thread) && call.ends_with("= 0")
        {
            calls.push(Call::Synced);
        }
    }
    calls
}

/// The calls up to each answer, and with it.
#[must_use]
pub fn answers(calls: &[Call]) -> Vec<&[Call]> {
    calls.split_inclusive(|it| *it == Call::Said).filter(|it| it.ends_with(&[Call::Said])).collect()
}

/// Whether something was written, and the last of it synced.
#[must_use]
pub fn is_synced(calls: &[Call]) -> bool {
    let wrote = calls.iter().rposition(|it| *it == Call::Wrote);
    let synced = calls.iter().rposition(|it| *it == Call::Synced);
    wrote.is_some() && synced > wrote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_counts_when_it_has_returned_to_its_thread_and_worked() {
        let trace = [
            "7  pwrite64(5</x/gov.db-wal>, \"a\", 1, 0) = 1",
            "7  fdatasync(5</x/gov.db-wal> <unfinished ...>",
            "8  <... fsync resumed>) = 0",
            "8  write(1<pipe:[1]>, \"@one\\n\", 5) = 5",
            "7  <... fdatasync resumed>) = 0",
            "8  write(1<pipe:[1]>, \"@two\\n\", 5) = 5",
            "7  fsync(5</x/gov.db-wal>) = -1 EIO (Input/output error)",
            "7  fsync(4</x/gov.db>) = 0",
            "8  write(1<pipe:[1]>, \"test me ... \", 12) = 12",
        ];
        let calls = calls(&trace.map(str::to_owned), "gov.db-wal");
        assert_eq!(calls, [Call::Wrote, Call::Said, Call::Synced, Call::Said]);
        assert_eq!(answers(&calls), [&calls[..2], &calls[2..]]);
    }

    #[test]
    fn what_was_written_behind_the_sync_is_not_synced() {
        use Call::{Said, Synced, Wrote};
        assert!(is_synced(&[Wrote, Wrote, Synced, Said]));
        for not in [&[Wrote, Synced, Wrote, Said][..], &[Wrote, Said], &[Synced, Said], &[]] {
            assert!(!is_synced(not), "{not:?}");
        }
    }
}
