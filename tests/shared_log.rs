//! The log of gateways that share a PostgreSQL, kept from the command line of one of them.

use serde_json::Value;

use crate::{
    place::{Place, Ran},
    server::REFUSED,
    two_gateways::database,
};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

/// Puts two records among the dead letters: one that a log takes, and one that none does.
fn bury(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sql = "insert into audit_log_dead_letter (record_id, at, kind, policy_version, salt,
                   payload, why, dead_at)
               select ('00000000-0000-0000-0000-00000000000' || number)::uuid, now(),
                   'agent.registered', version, decode(repeat('07', 16), 'hex'),
                   convert_to('{\"left\":1}', 'UTF8'), 'a drill',
                   now() - number * interval '1 second'
               from (values (1, '1'), (2, '18446744073709551615')) letters (number, version)";
    runtime.block_on(async {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        assert_eq!(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected(), 2);
        pool.close().await;
    });
}

#[test]
fn a_shared_log_is_proved_pruned_and_rotated_by_a_node_that_is_down() {
    let Some(url) = database() else { return };
    let keys = tempfile::tempdir().unwrap();
    let place = Place::sharing(&url, keys.path());
    let token = place.agent_token();
    let server = place.serve("durability.refuse = \"spooled\"");
    let records: Vec<_> = (0..270).map(|_| server.check(&token, REFUSED).record()).collect();
    place.run(&["audit", "prune", "--below", "256", "--reason", "x"]).failed(3, "is in use by");
    server.stop();

    let [receipt, entry] = ["r", "e"].map(|it| place.home().join(it).to_str().unwrap().to_owned());
    place.run(&["audit", "receipt", &records[0], "-o", &receipt, "--entry", &entry]).ok();
    let key = place.export().join("vkey").to_str().unwrap().to_owned();
    let judge = ["audit", "verify", "--receipt", &receipt, "--entry", &entry, "--key", &key];
    Place::new().run(&judge).ok();

    let prune = ["audit", "prune", "--json", "--below", "256", "--reason", "a drill"];
    assert_eq!(json(&place.run(&prune).ok())["entries"], 256);
    assert_eq!(json(&place.verify(&["--json"]).ok())["pruned"], 256);
    place.run(&["audit", "receipt", "1", "--entry", &entry]).failed(1, "was pruned");

    bury(&url);
    let dlq = |arguments: &[&str]| place.run(&[&["audit", "dlq"], arguments].concat());
    assert_eq!(dlq(&["list", "--json"]).ok().out.lines().count(), 2);
    let replayed = dlq(&["replay", "--all"]);
    assert_eq!((replayed.code, replayed.out.lines().count()), (Some(1), 2), "{replayed:?}");
    let dead = "rec_00000000000000000000000000000002";
    assert!(dlq(&["show", dead]).ok().out.contains("18446744073709551615"));
    dlq(&["discard", dead, "--reason", "a drill"]).ok();
    assert_eq!(dlq(&["list"]).ok().out, "the log took everything\n");

    let from = place.export();
    let restore = ["audit", "restore-tail", "--from", from.to_str().unwrap()];
    place.run(&restore).failed(2, "is restored from the backups of its database");
    let rotated = place.run(&["audit", "rotate-key", "--reason", "a drill"]).ok();
    assert!(rotated.out.contains("goes on as epoch 2"), "{rotated:?}");
    assert!(rotated.out.contains("to their key directories, then restart them"), "{rotated:?}");
    let server = place.serve("");
    server.check(&token, REFUSED).record();
    server.stop();
    place.verify(&[]).ok();
}
