//! What was found.

use std::fmt;

use super::VerifyOptions;
use crate::tlog::{Hash, cosignature::WitnessKey, key::VerifierKey};

/// More findings for one question than this say nothing new.
const MAX_FINDINGS: usize = 1000;

/// The answer to both questions, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Is everything that is there what was signed?
    pub integrity: Verdict,
    /// Is everything there that was signed?
    pub completeness: Verdict,
    /// What was judged, the first epoch first.
    pub epochs: Vec<EpochSummary>,
    /// Records that are lost, as handovers between epochs admit.
    pub losses: Vec<Loss>,
    /// Of each witness that was asked for the newest checkpoint that it cosigned, if any.
    pub witnesses: Vec<Witnessed>,
    /// How payloads fared.
    pub payloads: Payloads,
    /// How many entries are not there because the log says, signed, that they were pruned; of the
    /// proofs for them nothing is missing.
    pub pruned: u64,
    /// Whose keys were trusted.
    pub keys: KeySource,
    /// Everything that is wrong, at most 1,000 of each question, in the order it was met.
    pub findings: Vec<Finding>,
    not_judged: Vec<(Which, String)>,
}

/// The answer to one question. Only `Ok` is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Ok,
    /// No; this is the first thing that is wrong.
    Failed(Finding),
    /// It could not be judged, and so is not yes.
    NotJudged(String),
}

/// Which question a finding answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Something is there that was not signed so.
    Integrity,
    /// Something is not there that was signed.
    Completeness,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which question it answers.
    pub which: Which,
    /// In which epoch.
    pub epoch: u64,
    /// At which index of the tree (`seq` less one), where it can be placed.
    pub index: Option<u64>,
    /// The field or file.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// One epoch that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochSummary {
    /// Which.
    pub epoch: u64,
    /// The log's name.
    pub origin: String,
    /// How many records its checkpoint covers.
    pub size: u64,
    /// How many of them are pruned, and not there.
    pub pruned: u64,
    /// The root over them, as its checkpoint says.
    pub root: Hash,
    /// The key that was trusted.
    pub key: VerifierKey,
}

/// Records of an epoch that are known to be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which epoch lost them.
    pub epoch: u64,
    /// What is left, in records.
    pub survived: u64,
    /// What was known outside, in records.
    pub known: u64,
}

/// What a witness has seen of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Who.
    pub witness: WitnessKey,
    /// In which epoch.
    pub epoch: u64,
    /// How many records.
    pub size: u64,
    /// When, in seconds since 1970, by the witness's clock.
    pub seconds: u64,
}

/// How payloads fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    /// Compared with their commitment.
    pub checked: u64,
    /// In the log, but neither kept here nor asked for.
    pub not_kept: u64,
}

/// Whose keys were trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The verifier's own.
    Given,
    /// Those beside the log: whoever can rewrite the log can rewrite them too.
    BesideTheLog,
}

impl Report {
    pub(crate) fn new(options: &VerifyOptions) -> Self {
        let keys = if options.keys.is_some() { KeySource::Given } else { KeySource::BesideTheLog };
        Self {
            integrity: Verdict::Ok,
            completeness: Verdict::Ok,
            epochs: Vec::new(),
            losses: Vec::new(),
            witnesses: Vec::new(),
            payloads: Payloads::default(),
            pruned: 0,
            keys,
            findings: Vec::new(),
            not_judged: Vec::new(),
        }
    }

    /// Whether both answers are yes.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.integrity == Verdict::Ok && self.completeness == Verdict::Ok
    }

    /// The first bad place: of the findings the one with the lowest epoch and index, or the first
    /// that cannot be placed.
    #[must_use]
    pub fn first_bad(&self) -> Option<&Finding> {
        first(self.findings.iter())
    }

    pub(super) fn find(
        &mut self,
        which: Which,
        (epoch, index): (u64, Option<u64>),
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        if self.findings.iter().filter(|it| it.which == which).count() < MAX_FINDINGS {
            let (what, why) = (what.into(), why.into());
            self.findings.push(Finding { which, epoch, index, what, why });
        }
    }

    pub(super) fn cannot_judge(&mut self, which: Which, why: impl Into<String>) {
        if self.not_judged.len() < MAX_FINDINGS {
            self.not_judged.push((which, why.into()));
        }
    }

    /// Turns what was found into the two answers.
    pub(super) fn conclude(&mut self) {
        self.integrity = self.verdict(Which::Integrity);
        self.completeness = self.verdict(Which::Completeness);
    }

    fn verdict(&self, which: Which) -> Verdict {
        if let Some(finding) = first(self.findings.iter().filter(|it| it.which == which)) {
            return Verdict::Failed(finding.clone());
        }
        let open = self.not_judged.iter().find(|(it, _)| *it == which);
        open.map_or(Verdict::Ok, |(_, why)| Verdict::NotJudged(why.clone()))
    }
}

fn first<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<&'a Finding> {
    findings.min_by_key(|it| (it.index.is_none(), it.epoch, it.index))
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}, ", self.epoch)?;
        if let Some(index) = self.index {
            write!(f, "index {index}, ")?;
        }
        write!(f, "`{}`: {}", self.what, self.why)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(finding) => write!(f, "FAILED: {finding}"),
            Self::NotJudged(why) => write!(f, "could not be judged: {why}"),
        }
    }
}
