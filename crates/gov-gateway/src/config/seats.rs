//! `require` of a rung: so many people of this role, and so many of that one.

use super::Given;

/// What a list of them must look like.
pub(super) const WANTED: &str = "list of tables, such as `[{ role = \"ops\", count = 2 }]`";

/// So many people of one role, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatsDraft {
    /// The role.
    pub role: String,
    /// How many.
    pub count: u32,
}

/// Reads the tables; the error says what is wrong with the first that cannot be read.
pub(super) fn read(given: &Given) -> Result<Vec<SeatsDraft>, String> {
    let tables = match given {
        Given::Tables(tables) => tables,
        Given::List(texts) if texts.is_empty() => return Ok(Vec::new()),
        _ => return Err(format!("must be a {WANTED}; received `{given}`")),
    };
    let mut seats = Vec::new();
    for table in tables {
        let (mut role, mut count) = (None, 1);
        for (name, given, _) in table {
            match (name.as_str(), given) {
                ("role", Given::Text(text)) => role = Some(text.clone()),
                ("count", Given::Number(number)) => {
                    count = number.parse().map_err(|_| {
                        format!("needs a `count` from 1 to 100; received `{number}`")
                    })?;
                }
                ("role" | "count", _) => {
                    return Err(format!("must be a {WANTED}; received `{name}` = `{given}`"));
                }
                _ => {
                    return Err(format!("has the unknown key `{name}`; known are `role`, `count`"));
                }
            }
        }
        let role = role.ok_or("needs a `role` in each of its tables")?;
        seats.push(SeatsDraft { role, count });
    }
    Ok(seats)
}

/// As it would be written in the file.
pub(super) fn show(seats: &[SeatsDraft]) -> String {
    let each = seats.iter().map(|it| {
        let role = toml::Value::String(it.role.clone());
        format!("{{ role = {role}, count = {} }}", it.count)
    });
    format!("[{}]", each.collect::<Vec<_>>().join(", "))
}
