//! Whether the agent could reach around gov.

use std::fs;

use super::check::Check;
use crate::client::Client;

const NAME: &str = "separation";

/// Compares the user of this process, taken for the agent's, with the one behind the server's port.
pub(super) fn examine(client: &Client, server_runs: bool) -> Check {
    let way_out = "run the server as another user; docs/security.md says how much is at stake";
    if !client.is_local() {
        return Check::ok(NAME, format!("the server is on another machine: {}", client.url()));
    }
    let own = rustix::process::geteuid().as_raw();
    if own == 0 {
        let detail = "advisory only: an agent that runs as root can change anything here";
        return Check::warning(NAME, detail, "run agent and server as two users without rights");
    }
    let servers = client.port().filter(|_| server_runs).map(listeners).unwrap_or_default();
    if servers.is_empty() {
        let detail = "cannot tell which user the server runs as, so take it for advisory only";
        return Check::warning(NAME, detail, way_out);
    }
    if servers.contains(&own) {
        let detail = format!(
            "advisory only: agent and server run under user id {own}, so the agent could read the \
             data directory, stop the server or take the hook out of the settings"
        );
        return Check::warning(NAME, detail, way_out);
    }
    Check::ok(NAME, format!("the server does not run under this user id, {own}"))
}

/// The users behind the sockets that listen on this port, as Linux lists them (proc(5),
/// `/proc/net/tcp`); none where there is no such list.
fn listeners(port: u16) -> Vec<u32> {
    let lists = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    lists.iter().flatten().flat_map(|it| users(it, port)).collect()
}

fn users(list: &str, port: u16) -> Vec<u32> {
    const LISTEN: &str = "0A";
    let user = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (_, local) = fields.next()?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let user = fields.nth(3)?.parse().ok()?;
        let ours = u16::from_str_radix(local, 16) == Ok(port) && state == LISTEN;
        ours.then_some(user)
    };
    list.lines().filter_map(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_behind_a_port_is_found_where_it_listens() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                    0: 0100007F:1C0C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7 1\n   \
                    1: 0100007F:1C0C 0100007F:9000 01 00000000:00000000 00:00000000 00000000  1001        0 8 1\n   \
                    2: 0100007F:1C0D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 9 1\n";
        assert_eq!(users(list, 7180), [1000]);
        assert_eq!(users(list, 7181), [1002]);
        assert!(users(list, 7182).is_empty());
    }
}
