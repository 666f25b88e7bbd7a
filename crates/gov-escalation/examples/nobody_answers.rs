//! An approval that nobody answers: the next rung is told, and then the answer is no.
//!
//! `cargo run -p gov-escalation --example nobody_answers`

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gov_core::{ActionDigest, AgentAction, Clock, SystemClock};
use gov_escalation::{
    Approvals, DbEscalationScheduler, Directory, LogNotifier, Roster, SchedulerConfig, Sender,
    SenderConfig, Target,
    approval::{ApprovalRequest, Status},
    approvals::ApprovalsConfig,
    chain::{Chain, Rung, Span},
    store::{History as _, memory::MemoryApprovalStore},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A program with people asks its own list of them here.
#[derive(Debug)]
struct Nobody;

impl Directory for Nobody {
    fn roster(&self) -> Arc<Roster> {
        Arc::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, store) = (Arc::new(SystemClock), Arc::new(MemoryApprovalStore::default()));
    let config = ApprovalsConfig::default();
    let approvals = Approvals::new(store.clone(), Arc::new(Nobody), clock.clone(), config);

    let (shutdown, alarm, mut tasks) =
        (CancellationToken::new(), approvals.alarm(), JoinSet::new());
    let scheduler = DbEscalationScheduler::new(
        store.clone(),
        clock.clone(),
        alarm.clone(),
        SchedulerConfig::default(),
    );
    tasks.spawn(scheduler.run(shutdown.clone()));
    let targets = BTreeMap::from([("log".to_owned(), Target::new(Arc::new(LogNotifier)))]);
    let sender = Sender::new(store.clone(), targets, clock.clone(), alarm, SenderConfig::default());
    tasks.spawn(sender.run(shutdown.clone()));

    let id = approvals.submit(request()?).await?.approval.id;
    let until = clock.now() + Duration::from_secs(10);
    let outcome = approvals.wait(id, until).await?;
    assert_eq!((outcome.status, outcome.rung), (Status::TimedOut, 1));
    let history = store.of_approval(id).await?;
    let kinds: Vec<_> = history.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["approval.requested", "approval.routed", "approval.escalated", "approval.timed_out"]
    );

    shutdown.cancel();
    tasks.join_all().await;
    Ok(())
}

fn request() -> Result<ApprovalRequest, Box<dyn std::error::Error>> {
    let rung = |role: &str, after| -> Result<Rung, gov_core::name::NameError> {
        Ok(Rung {
            roles: vec![role.parse()?],
            after: Span(after),
            notify: vec!["log".to_owned()],
            ..Rung::default()
        })
    };
    let chain = Chain {
        rungs: vec![rung("ops", Duration::ZERO)?, rung("lead", Duration::from_millis(100))?],
        timeout: Span(Duration::from_millis(200)),
        ..Chain::standard()
    };
    chain.check()?;
    let agent_id = "coder".parse()?;
    let action = AgentAction::Bash { command: "deploy".into(), cwd: None };
    Ok(ApprovalRequest {
        digest: ActionDigest::of(&agent_id, None, &action, None)?,
        agent_id,
        session_id: None,
        team_id: None,
        action_kind: "bash".to_owned(),
        content: serde_json::to_value(&action)?,
        rule_id: "ask-before-deploy".parse()?,
        reason: "deploys wait for a human".to_owned(),
        risk: None,
        policy_version: 1,
        chain,
        grant: None,
        edited_from: None,
    })
}
