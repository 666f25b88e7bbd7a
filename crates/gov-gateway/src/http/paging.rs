//! `cursor` and `limit`: which page of a list is asked for.

use std::{fmt::Display, str::FromStr};

use axum::{extract::Query, http::Uri};

use super::problem::Problem;

/// How long a page may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    /// For whoever names no limit.
    pub(super) unasked: u64,
    /// The longest.
    pub(super) most: u64,
}

impl Pages {
    /// Reads `cursor` and `limit`.
    pub(super) fn read<T: FromStr>(self, uri: &Uri) -> Result<(Option<T>, u64), Problem> {
        let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::bad_field("query", error.to_string()))?;
        let (mut after, mut limit) = (None, None);
        for (name, value) in parameters {
            let refused = |wanted: &dyn Display| {
                let shown = gov_core::text::escape(&value).into_owned();
                Problem::bad_field(&name, format!("`{name}` {wanted}")).with_received(shown)
            };
            match name.as_str() {
                "cursor" if after.is_none() => {
                    let wanted = "must be the `next` of the page before";
                    after = Some(value.parse().map_err(|_| refused(&wanted))?);
                }
                "limit" if limit.is_none() => {
                    let most = self.most;
                    let read = value.parse().ok().filter(|it| (1..=most).contains(it));
                    let wanted = format!("must be a whole number from 1 to {most}");
                    limit = Some(read.ok_or_else(|| refused(&wanted).with_limit(most))?);
                }
                "cursor" | "limit" => return Err(refused(&"must come once")),
                _ => {
                    let name = gov_core::text::escape(&name).into_owned();
                    let detail =
                        format!("`{name}` is no parameter; known are `cursor` and `limit`");
                    return Err(Problem::bad_field(name, detail));
                }
            }
        }
        Ok((after, limit.unwrap_or(self.unasked)))
    }
}
