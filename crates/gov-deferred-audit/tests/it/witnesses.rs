//! Witnesses that an auditor asks for must have cosigned the newest checkpoint.

use std::fs;

use gov_deferred_audit::{
    tlog::{
        cosignature::{WitnessKey, cosign},
        key::PrivateKey,
        note::Note,
    },
    verify::{Report, Verdict, VerifyOptions, Witnessed, verify_database, verify_export},
};

use crate::{fixture::Fixture, rotations::rotated_twice};

struct Audit {
    it: Fixture,
    witnesses: [PrivateKey; 2],
}

impl Audit {
    async fn of(count: u32) -> Self {
        let it = Fixture::with_records(count).await;
        it.export();
        let witnesses = ["witness.example/w1", "witness.example/w2"]
            .map(|it| PrivateKey::generate(it).unwrap());
        Self { it, witnesses }
    }

    fn checkpoint(&self) -> Vec<u8> {
        fs::read(self.it.export_dir().join("checkpoint")).unwrap()
    }

    /// The checkpoint of now with lines of these witnesses, at this time.
    fn cosigned(&self, witnesses: &[usize], seconds: u64) -> Vec<u8> {
        let note = Note::parse(&self.checkpoint()).unwrap();
        let text = note.text().to_owned();
        let line = |nth: &usize| cosign(&self.witnesses[*nth], &text, seconds);
        let note = witnesses.iter().map(line).fold(note, Note::with_line);
        note.to_string().into_bytes()
    }

    /// Puts another checkpoint in the place of the exported one.
    fn put(&self, checkpoint: &[u8]) {
        fs::write(self.it.export_dir().join("checkpoint"), checkpoint).unwrap();
    }

    fn options(&self, kept: &[&[u8]]) -> VerifyOptions {
        VerifyOptions {
            witnesses: self.witnesses.iter().map(WitnessKey::from).collect(),
            from_checkpoints: kept.iter().map(|it| it.to_vec()).collect(),
            ..VerifyOptions::trusting(vec![self.it.vkey(1)])
        }
    }

    fn judge(&self, kept: &[&[u8]]) -> Report {
        verify_export(&self.it.export_dir(), &self.options(kept)).unwrap()
    }

    fn seen(&self, nth: usize, size: u64, seconds: u64) -> Witnessed {
        Witnessed { witness: WitnessKey::from(&self.witnesses[nth]), epoch: 1, size, seconds }
    }
}

fn open_question(report: &Report) -> &str {
    assert_eq!(report.integrity, Verdict::Ok);
    let Verdict::NotJudged(why) = &report.completeness else { panic!("{report:?}") };
    why
}

#[tokio::test]
async fn a_log_that_all_witnesses_have_seen_is_whole_wherever_they_said_so() {
    let it = Audit::of(10).await;
    let plain = it.checkpoint();
    let both = it.cosigned(&[0, 1], 99);
    it.put(&both);
    let report = it.judge(&[]);
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.witnesses, [it.seen(0, 10, 99), it.seen(1, 10, 99)]);
    // The database has no such lines: the auditor brings the checkpoint along, or two of them.
    it.put(&plain);
    let [first, second] = [it.cosigned(&[0], 98), it.cosigned(&[1], 99)];
    for kept in [vec![&*both], vec![&*first, &*second]] {
        assert!(it.judge(&kept).is_ok());
        let report = verify_database(&it.it.config.database, &it.options(&kept)).unwrap();
        assert!(report.is_ok(), "{report:?}");
    }
    // One in the log, the other kept.
    it.put(&first);
    assert!(it.judge(&[&second]).is_ok());
    assert!(VerifyOptions::default().witnesses.is_empty());
}

#[tokio::test]
async fn what_a_witness_has_not_seen_is_an_open_question_and_no_yes() {
    let it = Audit::of(10).await;
    assert!(open_question(&it.judge(&[])).contains("`witness.example/w1` has cosigned no check"));
    let early = it.cosigned(&[0, 1], 99);
    it.it.append(2).await;
    it.it.export();
    let late = it.cosigned(&[0], 100);
    let report = it.judge(&[&early, &late]);
    let why = open_question(&report);
    assert!(why.contains("`witness.example/w2` has cosigned 10 records in epoch 1"), "{why}");
    assert!(why.contains("the log has 12 records in epoch 1"), "{why}");
    assert_eq!(report.witnesses, [it.seen(0, 12, 100), it.seen(1, 10, 99)]);
    let late = it.cosigned(&[1], 101);
    open_question(&it.judge(&[&early, &late]));
}

#[tokio::test]
async fn a_wrong_cosignature_and_a_line_of_a_stranger_are_found() {
    let it = Audit::of(10).await;
    let plain = it.checkpoint();
    let mut both = Note::parse(&plain).unwrap();
    for (witness, text) in it.witnesses.iter().zip([both.text().to_owned(), "other\n".into()]) {
        both = both.with_line(cosign(witness, &text, 99));
    }
    let both = both.to_string().into_bytes();
    it.put(&both);
    let Verdict::Failed(finding) = it.judge(&[]).integrity else { panic!() };
    assert_eq!(finding.why, "the signature of `witness.example/w2` does not fit the text");
    // What the auditor brought along is not the log's fault.
    it.put(&plain);
    assert!(open_question_of_both(&it.judge(&[&both])).contains("cannot be trusted"));

    it.put(&it.cosigned(&[0, 1], 99));
    let mut options = it.options(&[]);
    options.witnesses.pop();
    let report = verify_export(&it.it.export_dir(), &options).unwrap();
    let Verdict::Failed(finding) = report.integrity else { panic!() };
    assert_eq!(finding.why, "it has a line of an unknown signer");
    // A log's own key is no witness of itself.
    it.put(&plain);
    options.witnesses = vec![WitnessKey::from(&it.witnesses[0])];
    let mut own = Note::parse(&plain).unwrap();
    own = own.clone().with_line(own.signatures()[0].clone());
    it.put(own.to_string().as_bytes());
    let report = verify_export(&it.it.export_dir(), &options).unwrap();
    assert!(matches!(report.completeness, Verdict::NotJudged(_)), "{report:?}");
}

fn open_question_of_both(report: &Report) -> &str {
    let Verdict::NotJudged(why) = &report.integrity else { panic!("{report:?}") };
    assert!(matches!(report.completeness, Verdict::NotJudged(_)));
    why
}

#[tokio::test]
async fn a_checkpoint_of_an_ended_epoch_may_be_cosigned_and_is_not_the_newest() {
    let mut it = Audit::of(1).await;
    it.it = rotated_twice().await;
    it.it.export();
    let path = it.it.export_dir().join("epoch/2/checkpoint");
    let note = Note::parse(&fs::read(&path).unwrap()).unwrap();
    let text = note.text().to_owned();
    let note = it.witnesses.iter().map(|key| cosign(key, &text, 7)).fold(note, Note::with_line);
    fs::write(&path, note.to_string()).unwrap();
    let keys = (1..=3).map(|epoch| it.it.vkey(epoch)).collect();
    let mut options = VerifyOptions { keys: Some(keys), ..it.options(&[]) };
    let judge = |options: &VerifyOptions| verify_export(&it.it.export_dir(), options).unwrap();
    let report = judge(&options);
    assert!(open_question(&report).contains("has cosigned 8 records in epoch 2"));
    options.from_checkpoints.push(it.cosigned(&[0, 1], 8));
    let report = judge(&options);
    assert!(report.is_ok(), "{report:?}");
    let seen = report.witnesses.iter().map(|it| (it.epoch, it.size, it.seconds));
    assert_eq!(seen.collect::<Vec<_>>(), [(3, 3, 8), (3, 3, 8)]);
}
