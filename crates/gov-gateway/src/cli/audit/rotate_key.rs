//! `gov audit rotate-key`: the log goes on under a new key, and hands over all of the old epoch.

use std::{fs, path::Path};

use clap::Args;
use gov_core::SystemClock;
use gov_deferred_audit::{
    signed_log::{self, Rotated},
    signer::KeyDir,
};
use serde_json::json;

use super::{place::LogPlace, reason::Reason};
use crate::{
    cli::{Exit, Failure, Outcome, console},
    offline,
    server::StartError,
};

/// Ends the epoch and begins the next one with a key of its own. The server must be down.
///
/// The first entry of the new epoch holds the final checkpoint of the old one, and its first
/// checkpoint carries both signatures, so nothing that was signed can be dropped. Whoever verifies
/// needs the new public key, which is printed, beside the old ones.
#[derive(Debug, Args)]
pub struct RotateKey {
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RotateKey {
    pub(super) fn run(self) -> Outcome {
        let reason = self.reason.text()?;
        let found = self.place.find()?;
        let lock = found.lock()?;
        let shared = found.on_shared(async |pool| {
            let places = found.log.places();
            signed_log::rotate_key_postgres(pool.clone(), places, &SystemClock, reason).await
        })?;
        let is_shared = shared.is_some();
        let rotated = if let Some(rotated) = shared {
            rotated
        } else {
            let log = found.log.clone();
            offline::block_on(signed_log::rotate_key(log, &SystemClock, reason))?
        };
        let rotated = rotated.map_err(StartError::from)?;
        drop(lock);
        self.say(&rotated, &KeyDir::new(&found.log.keys), is_shared)
    }

    fn say(&self, rotated: &Rotated, keys: &KeyDir, is_shared: bool) -> Outcome {
        let Rotated { epoch, ended, record } = rotated;
        let (public, private) = (keys.public_key_path(*epoch), keys.private_key_path(*epoch));
        let vkey = read(&public)?;
        let (public, private) = (public.display().to_string(), private.display().to_string());
        if self.json {
            let line = json!({
                "epoch": epoch, "record": record.to_string(), "vkey": vkey,
                "ended": {"epoch": ended.epoch, "size": ended.size},
                "public_key": public, "private_key": private,
            });
            console::line(&line.to_string())?;
            return Ok(Exit::Yes);
        }
        console::line(&format!(
            "{ended} are final; the log goes on as epoch {epoch}; record {record} says so\n\
             public key of epoch {epoch}, to hand to whoever verifies, beside the earlier ones:\n\
             {vkey}"
        ))?;
        if is_shared {
            console::line(&format!(
                "the other nodes append nothing until they have the new key: copy {private} and \
                 {public} to their key directories, then restart them"
            ))?;
        }
        Ok(Exit::Yes)
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        let what = format!("the key is new, and `{}` cannot be read", path.display());
        Failure::because(Exit::NotJudged, what, error)
    })?;
    Ok(text.trim_end().to_owned())
}
