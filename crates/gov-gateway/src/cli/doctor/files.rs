//! The data directory, and who may read what in it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::check::{Check, Report};
use crate::{
    config::Config,
    data_dir::{DataDir, DataDirError},
    server::log_config,
};

/// Gives the directory where it can be used.
pub(super) fn examine(config: &Config, root: &Path, report: &mut Report) -> Option<DataDir> {
    let dir = match DataDir::open(root) {
        Ok(dir) => dir,
        Err(error) => {
            report.0.push(refused(&error));
            return None;
        }
    };
    let shown = dir.path().display().to_string();
    report.0.push(Check::ok("data directory", format!("{shown}, mode 0700")));
    let keys = log_config(config, &dir).keys;
    let mut dirs = vec![(dir.keys(), "key"), (dir.path().join("credentials"), "token")];
    if keys != dir.keys() {
        dirs.push((keys, "key"));
    }
    report.0.push(secrets(&dirs));
    Some(dir)
}

fn refused(error: &DataDirError) -> Check {
    let (name, detail) = ("data directory", error.to_string());
    match error {
        DataDirError::TooOpen { path, .. } => {
            let way_out = format!(
                "chmod 700 '{}'; make new keys and tokens if others could read them",
                path.display()
            );
            Check::failed(name, detail, way_out)
        }
        DataDirError::Missing(_) => {
            Check::not_judged(name, detail, "name it with `--data-dir`, or make one")
        }
        _ => Check::failed(name, detail, "name another with `--data-dir`"),
    }
}

/// Every secret in these directories must be for its owner only.
fn secrets(dirs: &[(PathBuf, &str)]) -> Check {
    let name = "keys";
    let mut count = 0;
    let mut wide = Vec::new();
    for (dir, suffix) in dirs {
        match list(dir, suffix) {
            Ok(files) => {
                count += files.len();
                let open = files.into_iter().filter(|(_, mode)| mode & 0o077 != 0);
                wide.extend(open.map(|(path, _)| format!("'{}'", path.display())));
            }
            Err(error) => {
                let detail = format!("cannot read `{}`: {error}", dir.display());
                return Check::failed(name, detail, "see who owns it, and what its mode is");
            }
        }
    }
    if wide.is_empty() {
        return Check::ok(name, format!("{count} keys and tokens, for their owner only"));
    }
    let wide = wide.join(" ");
    let detail = format!("others may read {wide}");
    Check::failed(name, detail, format!("chmod 600 {wide}; replace what others could read"))
}

/// The files with this suffix and their modes; a directory that is not there has none.
fn list(dir: &Path, suffix: &str) -> io::Result<Vec<(PathBuf, u32)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == suffix) {
            let mode = fs::metadata(&path)?.mode() & 0o777;
            files.push((path, mode));
        }
    }
    files.sort();
    Ok(files)
}
