//! `/v1/tokens`: make, list and withdraw access tokens. Scope admin.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use gov_core::TokenId;

use super::{
    Parts, auth, body,
    problem::{Code, Problem},
};
use crate::{
    identity::Scope,
    logged::Changed,
    registry::{CreatedToken, NewToken, RegistryError, TokenList, TokenView},
};

/// 201 with the token's text, which is never shown again.
pub(super) async fn create(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Changed<CreatedToken>>), Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let new = NewToken::parse(&body::read(&headers, body).await?)?;
    let created = parts.registry.create_token(new, &actor.id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Every token without its secret, the newest first.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<TokenList>, Problem> {
    auth::token(&parts, &headers, &[Scope::Admin])?;
    Ok(Json(parts.registry.tokens()))
}

/// The token as it is now; withdrawn at once.
pub(super) async fn revoke(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Changed<TokenView>>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let id: TokenId = id.parse().map_err(|error| Problem::bad_field("id", format!("{error}")))?;
    Ok(Json(parts.registry.revoke_token(id, &actor.id.to_string()).await?))
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let detail = error.to_string();
        match error {
            RegistryError::BadField { field, .. } => Self::bad_field(field, detail),
            RegistryError::NoToken(_) | RegistryError::NoPerson(_) | RegistryError::NoAgent(_) => {
                Self::new(Code::NotFound, detail).with_field("id")
            }
            RegistryError::AlreadyRevoked(_) | RegistryError::NotAway(_) => {
                Self::new(Code::Conflict, detail).with_field("id")
            }
            RegistryError::StandsInAlready(_) => {
                Self::new(Code::Conflict, detail).with_field("stand_in")
            }
            RegistryError::NameTaken(_) => Self::new(Code::Conflict, detail).with_field("name"),
            RegistryError::SlackUserTaken(_) => {
                Self::new(Code::Conflict, detail).with_field("slack_user")
            }
            RegistryError::NoRandomness(_) | RegistryError::Store(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "tokens, agents and people"
                );
                Self::new(Code::Unavailable, detail)
            }
        }
    }
}
