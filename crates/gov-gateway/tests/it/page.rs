//! The page over HTTP: who is let in, who stays in, and what a form must prove.

use std::fmt::Write as _;

use crate::{
    check_door::{ASKED, REFUSED},
    http::{self, Reply},
    running::Running,
};

/// Requests as a browser on the server's own page sends them.
pub(crate) struct Browser<'a> {
    pub(crate) it: &'a Running,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    /// Nobody is logged in.
    pub(crate) fn new(it: &'a Running) -> Self {
        Self { it, cookie: String::new() }
    }

    /// Logs in and keeps the cookie.
    pub(crate) async fn log_in(it: &'a Running, token: &str) -> Self {
        let reply = Self::new(it).post("/login", &[("token", token)]).await;
        assert_eq!((reply.status, header(&reply, "location")), (303, Some("/")), "{reply:?}");
        let cookie = header(&reply, "set-cookie").unwrap();
        Self { it, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let headers = [format!("host: {}", self.it.address), format!("cookie: {}", self.cookie)];
        http::send(self.it.address, &format!("GET {path}"), &headers, b"").await
    }

    /// Sends a form of the server's own page.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let own = format!("origin: http://{}", self.it.address);
        self.post_from(path, fields, &[own, "sec-fetch-site: same-origin".to_owned()]).await
    }

    /// Sends a form that says of itself where it comes from.
    pub(crate) async fn post_from(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        from: &[String],
    ) -> Reply {
        let body = form(fields);
        let mut headers = vec![
            format!("host: {}", self.it.address),
            format!("cookie: {}", self.cookie),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("content-length: {}", body.len()),
        ];
        headers.extend_from_slice(from);
        http::send(self.it.address, &format!("POST {path}"), &headers, body.as_bytes()).await
    }

    /// What the forms of this session carry.
    pub(crate) async fn csrf(&self) -> String {
        field(&self.get("/").await.body, "csrf")
    }
}

/// The fields as a form sends them, every byte spelled out.
fn form(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let and = if body.is_empty() { "" } else { "&" };
        write!(body, "{and}{name}=").unwrap();
        value.bytes().for_each(|byte| write!(body, "%{byte:02x}").unwrap());
    }
    body
}

/// The value of the first hidden field of this name.
pub(crate) fn field(html: &str, name: &str) -> String {
    let mark = format!(r#"name="{name}" value=""#);
    let value = html.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name}: {html}"));
    value.split('"').next().unwrap().to_owned()
}

/// A header of the reply, whose names and values are in lower case.
pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let lines = reply.head.lines().filter_map(|it| it.split_once(": "));
    lines.filter(|(it, _)| *it == name).map(|(_, value)| value).next()
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_shown_the_form_and_nothing_else() {
    let it = Running::start("").await;
    let nobody = Browser::new(&it);
    for path in ["/", "/approvals/apr_00000000000000000000000000000000"] {
        let reply = nobody.get(path).await;
        assert_eq!((reply.status, header(&reply, "location")), (303, Some("/login")), "{path}");
        assert_eq!(reply.body, "");
    }
    let live = nobody.get("/live").await;
    assert_eq!((live.status, header(&live, "www-authenticate")), (401, Some("bearer")));
    let form = nobody.get("/login").await;
    assert_eq!(form.status, 200);
    assert!(form.body.contains(r#"<input id="token" name="token" type="password""#));
}

#[tokio::test]
async fn people_look_in_and_agents_do_not() {
    let it = Running::start("").await;
    for scope in ["operator", "auditor", "admin"] {
        let token = it.create_token(&format!(r#"{{"scope":"{scope}"}}"#)).await;
        let page = Browser::log_in(&it, &token).await.get("/").await;
        assert!(page.body.contains(&format!(r#"<span class="soft">{scope}</span>"#)), "{page:?}");
    }
    let agent = it.agent.clone();
    for (token, told) in [
        (&*agent, "a token of an agent opens no page"),
        ("gov_0_0", "the token is not valid"),
        ("", "the token is not valid"),
    ] {
        let reply = Browser::new(&it).post("/login", &[("token", token)]).await;
        assert_eq!((reply.status, header(&reply, "set-cookie")), (401, None), "{token}");
        assert!(reply.body.contains(told), "{reply:?}");
        assert!(token.is_empty() || !reply.body.contains(token), "the token is repeated");
    }
}

#[tokio::test]
async fn a_page_loads_nothing_from_elsewhere_and_the_doors_load_nothing_at_all() {
    let it = Running::start("").await;
    let browser = Browser::log_in(&it, &it.admin).await;
    let strict = "default-src 'none'; frame-ancestors 'none'";
    for (path, policy) in [
        (
            "/",
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("/assets/gov.css", strict),
        ("/assets/gov.js", strict),
        ("/healthz", strict),
    ] {
        let reply = browser.get(path).await;
        assert_eq!((reply.status, header(&reply, "content-security-policy")), (200, Some(policy)));
        assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&reply, "cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(browser.get("/assets/none.css").await.status, 404);
}

#[tokio::test]
async fn a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends() {
    let it = Running::start("").await;
    let reply = Browser::new(&it).post("/login", &[("token", &it.admin)]).await;
    let cookie = header(&reply, "set-cookie").unwrap();
    let (value, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(value.len(), "gov_session=".len() + 64);
    assert_eq!(flags, "httponly; samesite=strict; path=/", "loopback has no https");
    let secure = [format!("origin: https://{}", it.address)];
    let reply = Browser::new(&it).post_from("/login", &[("token", &it.admin)], &secure).await;
    let cookie = header(&reply, "set-cookie").unwrap();
    assert!(cookie.ends_with("; httponly; samesite=strict; secure; path=/"), "{cookie}");
}

#[tokio::test]
async fn a_form_counts_only_from_the_servers_own_page() {
    let it = Running::start("server.allowed_origins = [\"https://board.example\"]").await;
    let token = [("token", &*it.admin)];
    for from in [
        vec![],
        vec!["origin: https://board.example".to_owned()],
        vec!["origin: http://localhost:1".to_owned()],
        vec!["origin: null".to_owned()],
        vec!["sec-fetch-site: cross-site".to_owned()],
        vec!["sec-fetch-site: same-site".to_owned(), format!("origin: http://{}", it.address)],
    ] {
        let reply = Browser::new(&it).post_from("/login", &token, &from).await;
        assert_eq!((reply.status, header(&reply, "set-cookie")), (403, None), "{from:?}");
    }
    let good = ["sec-fetch-site: same-origin".to_owned()];
    assert_eq!(Browser::new(&it).post_from("/login", &token, &good).await.status, 303);
}

#[tokio::test]
async fn a_form_without_its_sessions_secret_changes_nothing() {
    let it = Running::start("").await;
    let browser = Browser::log_in(&it, &it.admin).await;
    let theirs = Browser::log_in(&it, &it.admin).await.csrf().await;
    for csrf in ["", &theirs, &"0".repeat(64)] {
        let reply = browser.post("/logout", &[("csrf", csrf)]).await;
        assert_eq!(reply.status, 403, "{csrf}");
        assert!(reply.body.contains("the form belongs to another session"), "{reply:?}");
    }
    assert_eq!(browser.post("/logout", &[]).await.status, 422, "without the field");
    assert_eq!(browser.get("/").await.status, 200, "still logged in");
    let csrf = browser.csrf().await;
    let reply = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!((reply.status, header(&reply, "location")), (303, Some("/login")));
    assert!(header(&reply, "set-cookie").unwrap().contains("max-age=0"), "{reply:?}");
    assert_eq!(browser.get("/").await.status, 303, "the old cookie opens nothing");
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let it = Running::start("").await;
    let token = it.create_token(r#"{"scope":"operator"}"#).await;
    let browser = Browser::log_in(&it, &token).await;
    assert_eq!(browser.get("/live").await.status, 200);
    let id = format!("tok_{}", &token["gov_".len()..][..32]);
    assert_eq!(it.post(&format!("/v1/tokens/{id}/revoke"), &it.admin, "").await.status, 200);
    assert_eq!((browser.get("/").await.status, browser.get("/live").await.status), (303, 401));
}

#[tokio::test]
async fn logging_in_again_ends_the_session_before() {
    let it = Running::start("").await;
    let first = Browser::log_in(&it, &it.admin).await;
    let reply = first.post("/login", &[("token", &it.admin)]).await;
    assert_eq!(reply.status, 303);
    assert_eq!(first.get("/").await.status, 303, "the cookie of before");
}

#[tokio::test]
async fn a_form_that_no_page_of_ours_makes_is_refused() {
    let it = Running::start("").await;
    let browser = Browser::new(&it);
    let long = "x".repeat(20 * 1024);
    for (fields, status) in [
        (vec![("token", &*it.admin), ("token", "again")], 422),
        (vec![("token", &*it.admin), ("more", "")], 422),
        (vec![("token", &*long)], 413),
    ] {
        let reply = browser.post("/login", &fields).await;
        assert_eq!((reply.status, header(&reply, "set-cookie")), (status, None), "{reply:?}");
        assert!(reply.body.contains("The form cannot be read"), "{reply:?}");
    }
}

#[tokio::test]
async fn the_page_shows_what_waits_what_was_answered_the_log_and_the_health() {
    let it = Running::start("").await;
    it.check_command(ASKED).await;
    let refused = it.check_command(REFUSED).await.json();
    let browser = Browser::log_in(&it, &it.admin).await;
    let mut page = browser.get("/").await.body;
    // The log is followed to the event store a moment after the answer.
    while page.matches(r#"<li class="row""#).count() < 2 {
        page = browser.get("/").await.body;
    }
    assert_eq!(page.matches(r#"<li class="card""#).count(), 1, "{page}");
    let digest = page.split("<span>digest</span> <code>").nth(1).unwrap();
    assert!(digest[..64].bytes().all(|it| it.is_ascii_hexdigit()), "{digest}");
    for part in [
        ASKED,
        REFUSED,
        "ask-force-push",
        refused["record"]["id"].as_str().unwrap(),
        "/gov/e1",
        "outside copy",
        "Approvers decide; this session looks on as admin.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(r#"name="decision""#), "an admin is no approver: {page}");
    let live = browser.get("/live").await.body;
    assert!(live.contains(r#"<li class="card""#) && !live.contains("<html"), "{live}");
}
