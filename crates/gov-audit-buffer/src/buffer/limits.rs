//! How much may wait, and for whom the last of the room is kept.

use gov_core::AuditEventKind;

use super::{config::BufferConfig, error::Space};

/// How much an event matters when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// An action was allowed: there are many of them.
    Normal,
    /// All else.
    High,
}

impl Class {
    pub(super) fn of(kind: &AuditEventKind) -> Self {
        match kind {
            AuditEventKind::ActionAllowed | AuditEventKind::ActionWarned => Self::Normal,
            _ => Self::High,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// So many events of so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Size {
    pub(super) fn one(bytes: usize) -> Self {
        Self { rows: 1, bytes: bytes as u64 }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// The most that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) all: Size,
}

impl Limits {
    pub(super) fn of(config: &BufferConfig) -> Self {
        Self { all: Size { rows: config.max_rows, bytes: config.max_bytes } }
    }

    /// What this class may fill: a tenth is kept for what matters more.
    pub(super) fn of_class(self, class: Class) -> Size {
        let Size { rows, bytes } = self.all;
        match class {
            Class::Normal => Size { rows: rows - rows / 10, bytes: bytes - bytes / 10 },
            Class::High => self.all,
        }
    }

    /// What is missing before `used` of this class fit; `None` if they do.
    pub(super) fn missing(self, class: Class, used: Size) -> Option<Space> {
        let limit = self.of_class(class);
        if used.rows > limit.rows {
            Some(Space::Rows)
        } else if used.bytes > limit.bytes {
            Some(Space::Bytes)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_kept_for_what_matters_more() {
        let limits = Limits { all: Size { rows: 10, bytes: 1000 } };
        let missing = |class, rows, bytes| limits.missing(class, Size { rows, bytes });
        assert_eq!(missing(Class::Normal, 9, 900), None);
        assert_eq!(missing(Class::Normal, 10, 900), Some(Space::Rows));
        assert_eq!(missing(Class::Normal, 9, 901), Some(Space::Bytes));
        assert_eq!(missing(Class::High, 10, 1000), None);
        assert_eq!(missing(Class::High, 11, 1000), Some(Space::Rows));
    }

    #[test]
    fn only_what_is_allowed_is_of_the_lower_class() {
        let normal: Vec<_> =
            AuditEventKind::ALL.iter().filter(|it| Class::of(it) == Class::Normal).collect();
        assert_eq!(normal, [&AuditEventKind::ActionAllowed, &AuditEventKind::ActionWarned]);
    }
}
