//! Who asks, and whether their token's scope allows it.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::{Parts, problem::Problem};
use crate::identity::{AuthError, Scope, Token};

/// The token of a request, if its scope is one of `allowed`.
///
/// # Errors
///
/// 401 without a valid token, 403 with one of another scope.
pub(super) fn token(
    parts: &Parts,
    headers: &HeaderMap,
    allowed: &[Scope],
) -> Result<Arc<Token>, Problem> {
    let text = headers
        .get(header::AUTHORIZATION)
        .ok_or(AuthError::Missing)?
        .to_str()
        .ok()
        .and_then(|it| it.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, text)| text.trim())
        .ok_or(AuthError::Missing)?;
    let token = parts.directory.authenticate(text, parts.clock.now())?;
    if !allowed.contains(&token.scope) {
        let wanted: Vec<_> = allowed.iter().map(|it| format!("`{it}`")).collect();
        return Err(Problem::wrong_scope(token.scope.name(), &wanted.join(" or ")));
    }
    Ok(token)
}
