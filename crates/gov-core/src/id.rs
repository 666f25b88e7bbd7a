//! Typed ids: one newtype per kind of thing, made from the injected clock.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

// So that a crate which calls the macro needs neither dependency itself.
#[doc(hidden)]
pub use {serde, uuid};

/// The text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{received}` is not an id: wanted `{prefix}_` and 32 lower-case hex digits")]
pub struct ParseIdError {
    /// What an id of this kind starts with.
    pub prefix: &'static str,
    /// What was given instead, at most 64 characters of it.
    pub received: String,
}

/// Reads `<prefix>_<32 lower-case hex digits>` and nothing else.
///
/// # Errors
///
/// [`ParseIdError`] for every other spelling, even of the same id.
pub fn parse(prefix: &'static str, text: &str) -> Result<Uuid, ParseIdError> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|hex| hex.len() == 32 && !hex.bytes().any(|byte| byte.is_ascii_uppercase()))
        .and_then(|hex| Uuid::try_parse(hex).ok())
        .ok_or_else(|| ParseIdError { prefix, received: text.chars().take(64).collect() })
}

/// Declares id newtypes over a UUID v7 (time-ordered, 128 bits).
///
/// Each type prints as `<prefix>_<32 hex digits>`, in serde too, and parses back from exactly that.
#[macro_export]
macro_rules! define_ids {
    ($($(#[$doc:meta])* $name:ident => $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::id::uuid::Uuid);

        impl $name {
            /// Makes a fresh id whose time part is `now`, in milliseconds.
            #[must_use]
            pub fn at(now: $crate::Timestamp) -> Self {
                use $crate::id::uuid::{NoContext, Timestamp, Uuid};
                let time = now.since($crate::Timestamp::UNIX_EPOCH);
                Self(Uuid::new_v7(Timestamp::from_unix(
                    NoContext,
                    time.as_secs(),
                    time.subsec_nanos(),
                )))
            }

            /// The id as it is stored in a `uuid` column.
            #[must_use]
            pub fn as_uuid(self) -> $crate::id::uuid::Uuid {
                self.0
            }

            /// Reads an id back from a `uuid` column.
            #[must_use]
            pub fn from_uuid(id: $crate::id::uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::id::parse($prefix, text).map(Self)
            }
        }

        impl $crate::id::serde::Serialize for $name {
            fn serialize<S: $crate::id::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> $crate::id::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::id::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = <String as $crate::id::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::id::serde::de::Error::custom)
            }
        }
    )*};
}

define_ids! {
    /// Names one request for a human's approval.
    ApprovalId => "apr";
    /// Names one audit event.
    EventId => "evt";
    /// Names one record of the signed log.
    RecordId => "rec";
    /// Names one segment of aged audit events.
    SegmentId => "seg";
    /// Names one access token.
    TokenId => "tok";
    /// Names one legal hold.
    HoldId => "hld";
    /// Names one notification: the key by which its receiver drops repeats.
    NotificationId => "ntf";
    /// Names one person who may decide.
    PersonId => "per";
}

impl RecordId {
    /// The id of the record that stands for one history row of a component.
    ///
    /// The same component and key always give the same id (a UUID v8 from SHA-256 over the
    /// length-prefixed parts), so a feed that is read twice lands in the log once.
    #[must_use]
    pub fn derived(component: &str, history_key: &str) -> Self {
        Self(derive("gov/record/v1", &[component.as_bytes(), history_key.as_bytes()]))
    }
}

impl EventId {
    /// The id of the audit event that carries one record of the signed log to sinks and queries.
    #[must_use]
    pub fn of_record(record: RecordId) -> Self {
        Self(derive("gov/event-of-record/v1", &[record.as_uuid().as_bytes()]))
    }
}

/// Lengths, not separators, keep two lists of parts apart.
fn derive(purpose: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

#[cfg(test)]
#[expect(unreachable_pub, dead_code, reason = "the macro writes for crates that export their ids")]
mod tests {
    use crate::Timestamp;

    define_ids! {
        /// An id to try the macro with.
        TryId => "try";
    }

    #[test]
    fn an_id_reads_back_from_its_text_and_from_json() {
        let id = TryId::at(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<TryId>(&json).unwrap(), id);
    }

    #[test]
    fn a_derived_id_depends_on_every_part_and_on_where_it_ends() {
        let id = super::RecordId::derived("escalation", "7");
        assert_eq!(id, super::RecordId::derived("escalation", "7"));
        assert_eq!(id.to_string(), "rec_2b92f70b5cc183ebaa7ed51dcd07b9e2");
        for (component, key) in [("escalation", "8"), ("ledger", "7"), ("escalation7", "")] {
            assert_ne!(id, super::RecordId::derived(component, key));
        }
        assert_ne!(super::EventId::of_record(id).as_uuid(), id.as_uuid());
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let hex = "0198c0de0000700080000000000000ab";
        assert!(format!("try_{hex}").parse::<TryId>().is_ok());
        for text in [
            hex.to_owned(),
            format!("esc_{hex}"),
            format!("try_{}", hex.to_uppercase()),
            format!("try_{hex}0"),
            format!(" try_{hex}"),
            "try_0198c0de-0000-7000-8000-0000000000ab".to_owned(),
            "try_{0198c0de00007000800000000000ab}".to_owned(),
            "try_".to_owned(),
        ] {
            let error = text.parse::<TryId>().unwrap_err();
            assert_eq!((error.prefix, error.received), ("try", text));
        }
    }
}
