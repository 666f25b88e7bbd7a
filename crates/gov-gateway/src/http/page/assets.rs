//! `GET /assets/{name}`: sheet, script and mark. No session: they are in every copy of gov.

use axum::{
    extract::Path,
    http::{HeaderName, StatusCode, header},
};

use crate::page::assets;

/// The file; 404 for a name that no page loads.
pub(super) async fn asset(
    Path(name): Path<String>,
) -> Result<([(HeaderName, &'static str); 1], &'static str), StatusCode> {
    let asset = assets::ALL.iter().find(|it| it.name == name).ok_or(StatusCode::NOT_FOUND)?;
    Ok(([(header::CONTENT_TYPE, asset.media_type)], asset.text))
}
