//! Which dead letters a command is about: some by their ids, or all.

use std::{error::Error, str::FromStr};

use clap::Args;

/// Ids, or the word for all that there are; one of both.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    /// Which ones.
    #[arg(value_name = "ID", value_parser = T::from_str)]
    ids: Vec<T>,
    /// All that there are.
    #[arg(long)]
    all: bool,
}

impl<T> Which<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    /// The ids; `None` for all that there are.
    pub(super) fn ids(&self) -> Option<&[T]> {
        (!self.all).then_some(self.ids.as_slice())
    }
}
