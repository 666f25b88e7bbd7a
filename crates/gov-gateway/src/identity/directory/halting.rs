//! Whether everything is halted, in memory, and who wants to hear of it.

use tokio::sync::watch;

use super::Directory;
use crate::identity::Halt;

impl Directory {
    /// The halt that lasts now; `None` while checks are judged.
    #[must_use]
    pub fn halt(&self) -> Option<Halt> {
        self.known.read().halt.clone().filter(Halt::is_on)
    }

    /// Halts what is not halted, before the database knows.
    pub fn put_halt(&self, halt: Halt) {
        let known = &mut *self.known.write();
        if known.halt.as_ref().is_none_or(|it| !it.is_on()) {
            known.halt = Some(halt);
            self.tell(known.halt.as_ref());
        }
    }

    /// The last halt, its beginning and its end, whichever server made the change.
    #[must_use]
    pub fn halts(&self) -> watch::Receiver<Option<Halt>> {
        self.halts.subscribe()
    }

    /// Under the lock of `known`, so that nobody hears of an older one later.
    pub(super) fn tell(&self, halt: Option<&Halt>) {
        self.halts.send_if_modified(|it| {
            let news = it.as_ref() != halt;
            if news {
                *it = halt.cloned();
            }
            news
        });
    }
}
