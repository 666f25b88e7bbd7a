//! Paths, cleaned lexically: no file system is asked, so links are not followed.

use super::{UNKNOWN, glob};

/// Where a relative path starts, and what `~` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The working directory, cleaned; `None` if nobody said.
    pub cwd: Option<String>,
    /// The home directory, cleaned; `None` if it cannot be told from the working directory.
    pub home: Option<String>,
}

/// `text` without `.`, `..`, `//` and `~`, absolute where that can be known.
///
/// A path whose start is not known stays relative (`a/b`, `../a`, `~/a`). A component that could
/// be anything is kept as it is. Cleaning twice is cleaning once.
#[must_use]
pub fn clean(text: &str, base: &Base) -> String {
    let text = windows(text).unwrap_or_else(|| text.to_owned());
    let (start, rest) = split(&text, base);
    let mut parts: Vec<&str> = Vec::new();
    let rooted = start.starts_with('/') || start.ends_with(':');
    let all = start.split('/').chain(rest.split('/'));
    for part in all.filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." && !glob::could_be_parent(part) {
            parts.push(part);
            continue;
        }
        match parts.last() {
            // Above the root there is nothing; a drive's name stays.
            Some(last) if last.ends_with(':') && parts.len() == 1 => (),
            // What stands for anything may itself be `..`, and home's parent is not known.
            Some(&("~" | "..")) => parts.push(".."),
            Some(last) if last.starts_with('~') || last.contains(UNKNOWN) => parts.push(".."),
            Some(_) => drop(parts.pop()),
            None if rooted => (),
            None => parts.push(".."),
        }
    }
    let joined = parts.join("/");
    match (start.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// What the path hangs from, and the path below it.
fn split<'a>(text: &'a str, base: &'a Base) -> (&'a str, &'a str) {
    if let Some(rest) = text.strip_prefix('/') {
        return ("/", rest);
    }
    if let Some(rest) = text.strip_prefix('~') {
        return match (rest.is_empty() || rest.starts_with('/'), &base.home) {
            (true, Some(home)) => (home, rest),
            _ => ("", text),
        };
    }
    if text.starts_with(UNKNOWN) {
        return ("", text);
    }
    match drive(text) {
        Some(_) => (text.get(..2).unwrap_or_default(), text.get(2..).unwrap_or_default()),
        None => (base.cwd.as_deref().unwrap_or_default(), text),
    }
}

/// The home directory that `cwd` lies in, as far as its name tells.
#[must_use]
pub fn home_of(cwd: &str) -> Option<String> {
    let mut parts = cwd.strip_prefix('/')?.split('/');
    match (parts.next()?, parts.next()) {
        ("root", _) => Some("/root".to_owned()),
        (top @ ("home" | "Users"), Some(user)) if !user.is_empty() => {
            Some(format!("/{top}/{user}"))
        }
        _ => None,
    }
}

/// Whether the cleaned `path` is absolute.
#[must_use]
pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || drive(path).is_some()
}

/// Where a cleaned path lies beside a cleaned directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the directory.
    Same,
    /// It lies below.
    Inside,
    /// It lies elsewhere, or nobody can know.
    Outside,
}

/// Where `path` lies beside `root`; both cleaned, `None` for a working directory nobody named.
#[must_use]
pub fn place(path: &str, root: Option<&str>) -> Place {
    if path.contains(UNKNOWN) {
        return Place::Outside;
    }
    let Some(root) = root else {
        let leaves = is_absolute(path) || path.starts_with('~') || is_above(path);
        return match path {
            "." => Place::Same,
            _ if leaves => Place::Outside,
            _ => Place::Inside,
        };
    };
    match path.strip_prefix(root) {
        // A root that holds everything, or the system, is no working directory.
        _ if is_system(root) || matches!(root, "~") => Place::Outside,
        Some("") => Place::Same,
        Some(rest) if rest.starts_with('/') => Place::Inside,
        _ => Place::Outside,
    }
}

fn is_above(path: &str) -> bool {
    path == ".." || path.starts_with("../")
}

/// Whether the cleaned `path` belongs to the operating system.
#[must_use]
pub fn is_system(path: &str) -> bool {
    // Case does not matter on the file systems of macOS and Windows.
    let path = path.to_lowercase();
    let path = path.strip_prefix("/private").filter(|it| it.starts_with('/')).unwrap_or(&path);
    let below = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if matches!(path, "/" | "/home" | "/users" | "/root" | "/opt" | "/srv" | "/mnt" | "/media") {
        return true;
    }
    if drive(path).is_some() {
        let rest = path.get(2..).unwrap_or_default();
        return matches!(rest, "" | "/" | "/users")
            || ["/windows", "/program files", "/program files (x86)", "/programdata"].iter().any(
                |root| {
                    rest.strip_prefix(root).is_some_and(|it| it.is_empty() || it.starts_with('/'))
                },
            );
    }
    // A glob in the first component may stand for any of them.
    if path.strip_prefix('/').and_then(|it| it.split('/').next()).is_some_and(glob::is_pattern) {
        return true;
    }
    SYSTEM.iter().any(|root| below(root)) && !NOT_SYSTEM.iter().any(|root| below(root))
}

const SYSTEM: [&str; 17] = [
    "/etc",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/boot",
    "/dev",
    "/proc",
    "/sys",
    "/var",
    "/run",
    "/system",
    "/library",
    "/applications",
];

const NOT_SYSTEM: [&str; 16] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/tty",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/fd",
    "/dev/shm",
    "/dev/tcp",
    "/dev/udp",
    "/usr/src",
    "/usr/local/src",
    "/var/tmp",
    "/var/folders",
    "/var/www",
];

/// A Windows path with forward slashes; `None` if `text` is none.
fn windows(text: &str) -> Option<String> {
    let separated = text.as_bytes().get(2).is_none_or(|it| matches!(it, b'/' | b'\\'));
    (drive(text).is_some() && separated && text.contains('\\')).then(|| text.replace('\\', "/"))
}

/// The drive of `C:/x`.
fn drive(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [letter, b':'] | [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic() => {
            Some(*letter)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base { cwd: Some("/home/me/p".into()), home: Some("/home/me".into()) }
    }

    #[test]
    fn a_path_is_cleaned_lexically() {
        for (text, cleaned) in [
            ("a//b/./c/", "/home/me/p/a/b/c"),
            ("../x", "/home/me/x"),
            ("../../../../../x", "/x"),
            ("/var/../tmp/x", "/tmp/x"),
            ("/..", "/"),
            ("//etc//passwd", "/etc/passwd"),
            ("~", "/home/me"),
            ("~/../x", "/home/x"),
            ("~root/x", "~root/x"),
            ("~root/../x", "~root/../x"),
            (".", "/home/me/p"),
            ("", "/home/me/p"),
            (".?/x", "/home/me/x"),
            (".[!a]/x", "/home/me/x"),
            (".[!.]*", "/home/me/p/.[!.]*"),
            ("C:\\Windows\\..\\x", "C:/x"),
            ("C:\\..\\..", "C:"),
        ] {
            assert_eq!(clean(text, &base()), cleaned, "{text}");
        }
        let nowhere = Base { cwd: None, home: None };
        for (text, cleaned) in
            [("a/../..", ".."), ("../../a", "../../a"), ("a/..", "."), ("~/../a", "~/../a")]
        {
            assert_eq!(clean(text, &nowhere), cleaned, "{text}");
        }
    }

    #[test]
    fn only_what_lies_below_the_working_directory_is_inside() {
        let root = Some("/home/me/p");
        assert_eq!(place("/home/me/p/a", root), Place::Inside);
        assert_eq!(place("/home/me/p", root), Place::Same);
        assert_eq!(place("/home/me/pp", root), Place::Outside);
        assert_eq!(place("/etc", Some("/")), Place::Outside);
        assert_eq!(place("a", None), Place::Inside);
        for path in ["..", "../a", "/a", "~/a", "a/\u{1a}"] {
            assert_eq!(place(path, None), Place::Outside);
        }
    }

    #[test]
    fn system_paths_are_known_in_any_case() {
        for path in [
            "/",
            "/etc",
            "/ETC/passwd",
            "/usr/bin/x",
            "/private/etc/hosts",
            "/e*/passwd",
            "C:/Windows/x",
        ] {
            assert!(is_system(path), "{path}");
        }
        for path in ["/etcetera", "/tmp/x", "/home/me/etc", "/dev/null", "/var/tmp/x", "etc/x"] {
            assert!(!is_system(path), "{path}");
        }
    }
}
