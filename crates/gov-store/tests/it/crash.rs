//! What was acknowledged outlives the process, wherever it dies.

use gov_store::{crash, sqlite::open_read_only};

use crate::{child, notes::lines_in};

#[test]
fn a_crash_at_any_point_keeps_every_acknowledged_line() {
    for point in crash::POINTS {
        for nth in [1, 3, 17] {
            keeps_what_was_acknowledged(point, nth);
        }
    }
}

fn keeps_what_was_acknowledged(point: &str, nth: u32) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child::command("full", dir.path());
    let output = child.env("GOV_CRASH_AT", format!("{point}:{nth}")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let acknowledged = said.lines().filter_map(|it| it.strip_prefix("acknowledged "));
    let acknowledged: Vec<i64> = acknowledged.map(|it| it.parse().unwrap()).collect();
    let crashed = !output.status.success();
    assert_eq!(crashed, !said.contains("closed"), "{point}:{nth} {said}");
    if point.contains("commit") && !point.contains("migrate") {
        assert!(crashed, "{point}:{nth} was not passed");
        // The first commit of a child is its line 1, and it waits for every answer.
        assert_eq!(acknowledged.len(), usize::try_from(nth).unwrap() - 1, "{point}:{nth}");
    }
    if acknowledged.is_empty() {
        return;
    }
    let kept = lines_in(&open_read_only(&dir.path().join("gov.db"), &[]).unwrap()).unwrap();
    // At most the one line whose answer was on its way is there besides.
    assert!(kept.starts_with(&acknowledged), "{point}:{nth} kept {kept:?} of {acknowledged:?}");
    assert!(kept.len() <= acknowledged.len() + 1, "{point}:{nth} kept {kept:?}");
}
