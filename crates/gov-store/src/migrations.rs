//! Embedded, forward-only migrations: what there is to apply, and what is refused.
//!
//! Each component has a table of its own, `_<component>_migrations`, so that components share a
//! database and still move one by one. The backends apply what [`Component`] holds.

use std::error;

use gov_core::hex::Hex;
use sha2::{Digest as _, Sha256};

/// One step of a component's schema. Once landed it never changes.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: i64,
    /// What it does, in a few words, for the table and for people.
    pub what: &'static str,
    /// One or more statements, in the backend's dialect.
    pub sql: &'static str,
    /// The smallest version that a build must know to use the database after this step.
    ///
    /// Equal to `version` if an older build would misread the data; else what it was before.
    pub min_reader: i64,
}

/// One component's migrations for one backend.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// Lower-case letters and underscores: it becomes part of a table's name.
    pub name: &'static str,
    /// Ascending by version.
    pub migrations: &'static [Migration],
}

/// Why a schema could not be brought up to date. Nothing of the failed step is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A newer gov has changed the schema in a way that this build would misread.
    #[error(
        "the schema of `{component}` needs a build that knows version {needs}; this one knows up \
         to {have}: run the newer gov, or restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// Which component.
        component: &'static str,
        /// The version that must be known.
        needs: i64,
        /// The newest version this build knows.
        have: i64,
    },
    /// An older gov left this schema, and whoever only reads brings no schema up to date.
    #[error(
        "the schema of `{component}` is at version {found}, and this build reads version {wanted}: \
         run `gov migrate`"
    )]
    OlderSchema {
        /// Which component.
        component: &'static str,
        /// The newest version that was applied; 0 where the component has no tables.
        found: i64,
        /// The version that this build reads.
        wanted: i64,
    },
    /// The SQL of an applied migration is not what this build has under that number.
    #[error(
        "migration {version} of `{component}` was applied with other SQL (sha256 `{applied}`, \
         here `{embedded}`): use the build that applied it, and add a new migration instead of \
         changing one"
    )]
    Changed {
        /// Which component.
        component: &'static str,
        /// Which migration.
        version: i64,
        /// Hash of what was applied, in hex.
        applied: String,
        /// Hash of what this build holds, in hex.
        embedded: String,
    },
    /// The applied or the embedded versions are not 1, 2, 3, …
    #[error(
        "the {what} migrations of `{component}` must count from 1; expected {expected}, found {found}"
    )]
    Misnumbered {
        /// Which component.
        component: &'static str,
        /// `applied` or `embedded`.
        what: &'static str,
        /// The number that should stand here.
        expected: i64,
        /// The number that does.
        found: i64,
    },
    /// The component's name cannot be part of a table's name.
    #[error("component name `{0}` must consist of lower-case letters and underscores")]
    BadName(&'static str),
    /// One step failed, and was rolled back.
    #[error("migration {version} of `{component}` failed")]
    Failed {
        /// Which component.
        component: &'static str,
        /// Which migration.
        version: i64,
        /// The database's answer.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// The database could not be reached or is locked; trying again may help.
    #[error("cannot read or lock the migrations of `{component}`")]
    Unavailable {
        /// Which component.
        component: &'static str,
        /// The database's answer.
        source: Box<dyn error::Error + Send + Sync>,
    },
}

/// One row of `_<component>_migrations`.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) sha256: String,
    pub(crate) min_reader: i64,
}

impl Migration {
    /// What the table remembers, in hex.
    pub(crate) fn sha256(&self) -> String {
        Hex(&Sha256::digest(self.sql)).to_string()
    }
}

impl Component {
    /// The component's own table.
    pub(crate) fn table(&self) -> Result<String, MigrateError> {
        let fits = |it: u8| it == b'_' || it.is_ascii_lowercase();
        if self.name.is_empty() || !self.name.bytes().all(fits) {
            return Err(MigrateError::BadName(self.name));
        }
        Ok(format!("_{}_migrations", self.name))
    }

    /// What is left to apply on top of `applied`, which is in ascending order.
    pub(crate) fn pending(
        &self,
        applied: &[Applied],
    ) -> Result<&'static [Migration], MigrateError> {
        self.check_numbers("embedded", self.migrations.iter().map(|it| it.version))?;
        self.check_numbers("applied", applied.iter().map(|it| it.version))?;
        let have = self.migrations.last().map_or(0, |it| it.version);
        let needs = applied.iter().map(|it| it.min_reader).max().unwrap_or(0);
        if needs > have {
            return Err(MigrateError::NewerSchema { component: self.name, needs, have });
        }
        for (migration, applied) in self.migrations.iter().zip(applied) {
            let embedded = migration.sha256();
            if embedded != applied.sha256 {
                return Err(MigrateError::Changed {
                    component: self.name,
                    version: migration.version,
                    applied: applied.sha256.clone(),
                    embedded,
                });
            }
        }
        // Fewer than applied is fine: newer steps that this build may read over.
        Ok(self.migrations.get(applied.len()..).unwrap_or_default())
    }

    /// Whether a build that applies nothing can read what `applied` made, ascending as well.
    pub(crate) fn check_readable(&self, applied: &[Applied]) -> Result<(), MigrateError> {
        let Some(missing) = self.pending(applied)?.last() else { return Ok(()) };
        let found = applied.last().map_or(0, |it| it.version);
        Err(MigrateError::OlderSchema { component: self.name, found, wanted: missing.version })
    }

    pub(crate) fn failed(
        &self,
        version: i64,
        source: impl error::Error + Send + Sync + 'static,
    ) -> MigrateError {
        MigrateError::Failed { component: self.name, version, source: Box::new(source) }
    }

    pub(crate) fn unavailable(
        &self,
        source: impl error::Error + Send + Sync + 'static,
    ) -> MigrateError {
        MigrateError::Unavailable { component: self.name, source: Box::new(source) }
    }

    fn check_numbers(
        &self,
        what: &'static str,
        versions: impl Iterator<Item = i64>,
    ) -> Result<(), MigrateError> {
        for (expected, found) in (1..).zip(versions) {
            if found != expected {
                return Err(MigrateError::Misnumbered {
                    component: self.name,
                    what,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration { version: 1, what: "one", sql: "select 1", min_reader: 1 };
    const TWO: Migration = Migration { version: 2, what: "two", sql: "select 2", min_reader: 1 };
    const BOTH: Component = Component { name: "room", migrations: &[ONE, TWO] };

    fn applied(migration: Migration) -> Applied {
        let Migration { version, min_reader, .. } = migration;
        Applied { version, sha256: migration.sha256(), min_reader }
    }

    #[test]
    fn only_what_is_missing_is_pending() {
        let pending = |applied: &[Applied]| BOTH.pending(applied).unwrap().len();
        assert_eq!(pending(&[]), 2);
        assert_eq!(pending(&[applied(ONE)]), 1);
        assert_eq!(pending(&[applied(ONE), applied(TWO)]), 0);
    }

    #[test]
    fn a_newer_schema_is_used_where_it_allows_older_builds_and_refused_where_not() {
        let three = Migration { version: 3, what: "three", sql: "select 3", min_reader: 2 };
        let rows = [applied(ONE), applied(TWO), applied(three)];
        assert!(BOTH.pending(&rows).unwrap().is_empty());

        let breaking = Migration { min_reader: 3, ..three };
        let rows = [applied(ONE), applied(TWO), applied(breaking)];
        let error = BOTH.pending(&rows).unwrap_err();
        assert!(matches!(error, MigrateError::NewerSchema { needs: 3, have: 2, .. }), "{error}");
    }

    #[test]
    fn who_only_reads_needs_every_step_that_it_knows() {
        BOTH.check_readable(&[applied(ONE), applied(TWO)]).unwrap();
        for (rows, at) in [(&[applied(ONE)][..], 1), (&[], 0)] {
            let error = BOTH.check_readable(rows).unwrap_err();
            let MigrateError::OlderSchema { found, wanted: 2, .. } = error else {
                panic!("{error}")
            };
            assert_eq!(found, at);
            assert!(error.to_string().ends_with("run `gov migrate`"), "{error}");
        }
    }

    #[test]
    fn a_changed_landed_migration_is_refused() {
        let edited = Migration { sql: "select 1 -- now with a comment", ..ONE };
        let error = BOTH.pending(&[applied(edited)]).unwrap_err();
        assert!(matches!(error, MigrateError::Changed { version: 1, .. }), "{error}");
    }

    #[test]
    fn a_gap_is_refused() {
        let gap = Component { name: "room", migrations: &[TWO] };
        assert!(matches!(gap.pending(&[]), Err(MigrateError::Misnumbered { found: 2, .. })));
        assert!(matches!(
            BOTH.pending(&[applied(TWO)]),
            Err(MigrateError::Misnumbered { what: "applied", .. })
        ));
    }

    #[test]
    fn a_name_that_is_no_identifier_is_refused() {
        for name in ["", "a b", "Room", "a\"; drop"] {
            assert!(Component { name, ..BOTH }.table().is_err(), "{name}");
        }
        assert_eq!(BOTH.table().unwrap(), "_room_migrations");
    }
}
