//! Judges whether the witnesses that were asked for have seen the log as it is now.

use super::{Report, VerifyOptions, Which, Witnessed, epoch_check::Facts};
use crate::{
    epoch,
    tlog::{checkpoint::Checkpoint, cosignature::Cosigned},
};

impl Report {
    /// Notes what was cosigned, of each witness the newest. The checkpoint is this log's.
    pub(super) fn witnessed(&mut self, checkpoint: &Checkpoint, cosigned: &[Cosigned<'_>]) {
        let epoch = epoch::of(&checkpoint.origin).unwrap_or(0);
        for it in cosigned {
            let (witness, size, seconds) = (it.witness.clone(), checkpoint.size, it.seconds);
            let new = Witnessed { witness, epoch, size, seconds };
            let rank = |it: &Witnessed| (it.epoch, it.size, it.seconds);
            match self.witnesses.iter_mut().find(|it| it.witness == new.witness) {
                Some(known) if rank(known) < rank(&new) => *known = new,
                Some(_) => (),
                None => self.witnesses.push(new),
            }
        }
    }
}

/// Each witness that was asked for must have seen the newest checkpoint.
///
/// One that has not proves nothing against the log: it may be slow, or nobody asked it. But then
/// nobody says that others are not shown another log, and whether all is there is open.
pub(super) fn judge(judged: &[Facts], options: &VerifyOptions, report: &mut Report) {
    let newest = judged.last().and_then(|it| Some((it.epoch, it.checkpoint.as_ref()?.size)));
    // Without a checkpoint the log has failed already.
    let Some((epoch, size)) = newest else { return };
    for witness in &options.witnesses {
        let seen = report.witnesses.iter().find(|it| it.witness == *witness);
        if seen.is_some_and(|it| (it.epoch, it.size) == (epoch, size)) {
            continue;
        }
        let known = seen.map_or_else(
            || "no checkpoint".to_owned(),
            |it| format!("{} records in epoch {}", it.size, it.epoch),
        );
        let name = witness.name();
        let why = format!(
            "the witness `{name}` has cosigned {known}, and the log has {size} records in epoch \
             {epoch}; give the checkpoint that it cosigned with --from-checkpoint"
        );
        report.cannot_judge(Which::Completeness, why);
    }
}
