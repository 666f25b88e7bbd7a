//! What is left of a batch, and the search for the record in it that the sink panics on.

use std::{collections::VecDeque, ops::Range};

use crate::{queue::shared::Ticket, record::LogRecord};

/// One step of the work on a batch.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Append(Range<usize>),
    /// The record that `append` panics on when it is alone.
    DeadLetter(usize),
}

/// What of a batch is not settled.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) tickets: VecDeque<Ticket>,
    pub(super) from: usize,
}

impl Open {
    pub(super) fn rest<'a>(&self, records: &'a [LogRecord]) -> &'a [LogRecord] {
        records.get(self.from..).unwrap_or_default()
    }
}

impl Task {
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Append(range) if range.len() <= 1)
    }
}

/// Replaces the task on top by smaller ones, in order.
pub(super) fn narrow(todo: &mut Vec<Task>) -> bool {
    match todo.pop() {
        Some(Task::Append(range)) if range.len() > 1 => {
            let middle = range.start + range.len() / 2;
            todo.push(Task::Append(middle..range.end));
            todo.push(Task::Append(range.start..middle));
            true
        }
        Some(Task::Append(range)) => {
            todo.push(Task::DeadLetter(range.start));
            // Nothing got smaller: a sink that always panics must come to its end.
            false
        }
        Some(task) => {
            todo.push(task);
            false
        }
        None => false,
    }
}
