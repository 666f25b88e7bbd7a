//! Programs that reach other hosts.

use super::{
    super::{UNKNOWN, Unparsable, word::Arg},
    Command,
};

/// Options of curl and its kin that take a value, so that the value is no host.
const VALUED: [&str; 62] = [
    "-X",
    "--request",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--json",
    "-F",
    "--form",
    "-o",
    "--output",
    "-O",
    "--output-document",
    "-P",
    "--directory-prefix",
    "--output-dir",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-u",
    "--user",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-D",
    "--dump-header",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "-w",
    "--write-out",
    "-E",
    "--cert",
    "--key",
    "--cacert",
    "-T",
    "--upload-file",
    "-r",
    "--range",
    "-C",
    "--continue-at",
    "-Y",
    "-y",
    "-z",
    "--limit-rate",
    "--interface",
    "-t",
    "--tries",
    "--timeout",
    "--max-redirs",
    "--post-data",
    "--post-file",
    "-q",
    "--ciphers",
    "--oauth2-bearer",
];

/// Options that name a file that is written.
const OUTPUT: [&str; 12] = [
    "-o",
    "--output",
    "--output-document",
    "-P",
    "--directory-prefix",
    "--output-dir",
    "-D",
    "--dump-header",
    "-c",
    "--cookie-jar",
    "--trace",
    "--save-cookies",
];

/// Options that send the request somewhere else than the URL says.
const DETOURS: [&str; 10] = [
    "-x",
    "--proxy",
    "--preproxy",
    "--connect-to",
    "--resolve",
    "-K",
    "--config",
    "--socks5",
    "--unix-socket",
    "--doh-url",
];

/// Notes the hosts of `name rest`.
pub(super) fn read(
    command: &mut Command<'_, '_, '_>,
    name: &str,
    rest: &[Arg],
) -> Result<(), Unparsable> {
    match name {
        "curl" | "wget" | "http" | "https" | "xh" | "aria2c" => fetch(command, name, rest),
        "ssh" | "mosh" | "slogin" => return remote(command, rest),
        "telnet" | "nc" | "ncat" | "netcat" | "ping" | "sftp" | "ftp" | "dig" | "nslookup"
        | "host" | "whois" | "traceroute" | "nmap" => connect(command, rest),
        "scp" | "rsync" => {
            for arg in rest.iter().filter(|it| !it.text.starts_with('-')) {
                copy_operand(command, arg);
            }
        }
        "socat" => command.shell.gather.facts.flags.unknown_host = true,
        "lsof" | "fuser" | "ss" | "netstat" => {
            let port = command.shell.gather.protected.port.to_string();
            command.shell.gather.facts.flags.touches_gov |=
                rest.iter().any(|it| it.text.contains(&port));
        }
        _ => (),
    }
    Ok(())
}

fn fetch(command: &mut Command<'_, '_, '_>, name: &str, rest: &[Arg]) {
    let gather = &mut *command.shell.gather;
    let mut words = rest.iter();
    while let Some(arg) = words.next() {
        let text = arg.text.as_str();
        // curl's `-O` and wget's `-c` stand alone; wget's `-O` names a file.
        let alone = matches!(
            (name, text),
            ("curl", "-O" | "-q" | "-t") | ("wget", "-c" | "-q" | "-r" | "-e" | "-d")
        );
        let (option, joined) = match text.split_once('=') {
            Some((option, value)) if text.starts_with("--") => (option, Some(value.to_owned())),
            _ => (text, None),
        };
        if DETOURS.contains(&option) && name == "curl" {
            gather.facts.flags.unknown_host = true;
        }
        let writes = OUTPUT.contains(&option) || (name == "wget" && option == "-O");
        if !option.starts_with('-') {
            gather.host(text);
        } else if !alone && (VALUED.contains(&option) || DETOURS.contains(&option) || writes) {
            let value = joined.or_else(|| words.next().map(|it| it.text.clone()));
            if let (true, Some(file)) = (writes && value.as_deref() != Some("-"), &value) {
                gather.write(file);
            }
        } else if !option.starts_with("--") {
            // `-sSLo file`, `-ofile`, `-qO- url`.
            let letter = if name == "wget" { 'O' } else { 'o' };
            if let Some((_, file)) = option.split_once(letter) {
                let file = if file.is_empty() {
                    words.next().map(|it| it.text.clone())
                } else {
                    Some(file.to_owned())
                };
                if let Some(file) = file.filter(|it| it != "-") {
                    gather.write(&file);
                }
            } else if option.len() > 2
                && option.ends_with(['X', 'H', 'd', 'F', 'u', 'A', 'e', 'b', 'm', 'w'])
                && name == "curl"
            {
                words.next();
            }
        }
    }
}

/// `ssh host command…`: the command runs elsewhere, in a directory that nobody knows.
fn remote(command: &mut Command<'_, '_, '_>, rest: &[Arg]) -> Result<(), Unparsable> {
    let valued = [
        "-p", "-i", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-W", "-w", "-S",
        "-Q", "-m", "-e", "-B", "-I", "-O",
    ];
    let mut words = rest.iter();
    let mut host = None;
    while let Some(arg) = words.next() {
        if valued.contains(&arg.text.as_str()) {
            let value = words.next();
            if let Some(run) = value.and_then(|it| it.text.split_once("ProxyCommand")) {
                command.shell.inner(run.1.trim_start_matches(['=', ' ']))?;
            }
        } else if !arg.text.starts_with('-') {
            host = Some(arg);
            break;
        }
    }
    let Some(host) = host else { return Ok(()) };
    command.shell.gather.host(&host.text);
    let script: Vec<&str> = words.map(|it| it.text.as_str()).collect();
    if script.is_empty() {
        return Ok(());
    }
    let dirs = std::mem::replace(&mut command.shell.gather.dirs, vec![Some(UNKNOWN.to_string())]);
    let result = command.shell.inner(&script.join(" "));
    command.shell.gather.dirs = dirs;
    result
}

fn connect(command: &mut Command<'_, '_, '_>, rest: &[Arg]) {
    let gather = &mut *command.shell.gather;
    let valued = ["-c", "-i", "-w", "-W", "-p", "-s", "-t", "-b", "-P", "-q", "-e", "-x", "-X"];
    let mut words = rest.iter();
    while let Some(arg) = words.next() {
        if valued.contains(&arg.text.as_str()) {
            if let Some(port) = words.next().and_then(|it| it.text.parse().ok()) {
                gather.port(port);
            }
        } else if let Ok(port) = arg.text.parse() {
            gather.port(port);
        } else if !arg.text.starts_with(['-', '+', '@']) {
            gather.host(&arg.text);
        }
    }
}

/// `host:path` of scp and rsync.
fn copy_operand(command: &mut Command<'_, '_, '_>, arg: &Arg) {
    let Some((host, _)) = arg.text.split_once(':') else { return };
    if !host.contains('/') && host.len() > 1 {
        command.shell.gather.host(host);
    }
}
