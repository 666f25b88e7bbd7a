//! The rows of one leaf of a table, read from its bytes.
//!
//! Source: "Database File Format" of SQLite, sections 1.6 (b-tree pages) and 2.1 (records).

use super::pages::Pages;

/// What the first byte of a leaf of a table says.
const TABLE_LEAF: u8 = 13;
/// A row larger than the largest event is no row of ours.
const MAX_ROW_BYTES: u64 = 4 << 20;
/// Page 1 begins with the header of the file.
const FILE_HEADER_BYTES: usize = 100;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real,
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// One row: its number and its columns.
pub(super) type Row = (i64, Vec<Value>);

/// The places of the rows of page `number`; `None` if it is no leaf of a table.
pub(super) fn cells(number: u32, page: &[u8], usable: usize) -> Option<Vec<usize>> {
    let header = if number == 1 { FILE_HEADER_BYTES } else { 0 };
    if *page.get(header)? != TABLE_LEAF {
        return None;
    }
    let count = usize::from(short(page, header + 3)?);
    let pointers = header + 8;
    if pointers + 2 * count > usable {
        return None;
    }
    (0..count).map(|it| short(page, pointers + 2 * it).map(usize::from)).collect()
}

/// The row at `at` of a page, with what of it lies on other pages; `None` if it is damaged.
pub(super) fn row(pages: &Pages, page: &[u8], at: usize) -> Option<Row> {
    let mut cursor = at;
    let length = varint(page, &mut cursor)?;
    let rowid = varint(page, &mut cursor)?.cast_signed();
    if length > MAX_ROW_BYTES {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    let local = local_bytes(length, pages.usable);
    let mut record = page.get(cursor..cursor + local)?.to_vec();
    if local < length {
        let mut next = word(page, cursor + local)?;
        while record.len() < length {
            // Each page adds something, so a circle ends too.
            let more = pages.read(next)?;
            let content = more.get(4..pages.usable)?;
            let wanted = (length - record.len()).min(content.len());
            record.extend_from_slice(content.get(..wanted)?);
            next = word(&more, 0)?;
        }
    }
    Some((rowid, values(&record)?))
}

/// How much of a row of `length` bytes lies on the leaf itself.
fn local_bytes(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let wanted = least + (length - least) % (usable - 4);
    if wanted <= most { wanted } else { least }
}

fn values(record: &[u8]) -> Option<Vec<Value>> {
    let mut cursor = 0;
    let mut content = usize::try_from(varint(record, &mut cursor)?).ok()?;
    let header = record.get(..content)?;
    let mut values = Vec::new();
    while cursor < header.len() {
        let kind = varint(header, &mut cursor)?;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let raw = record.get(content..content.checked_add(bytes)?)?;
        content += bytes;
        values.push(match kind {
            0 => Value::Null,
            1..=6 => Value::Integer(integer(raw)),
            7 => Value::Real,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            _ if kind % 2 == 0 => Value::Blob(raw.to_vec()),
            _ => Value::Text(raw.to_vec()),
        });
    }
    Some(values)
}

/// Two's complement, the highest byte first.
fn integer(raw: &[u8]) -> i64 {
    let sign = raw.first().map_or(0, |it| if it & 0x80 == 0 { 0 } else { -1 });
    raw.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

/// Seven bits a byte, the highest first; of a ninth byte all eight.
fn varint(bytes: &[u8], cursor: &mut usize) -> Option<u64> {
    let mut number = 0;
    for nth in 0..9 {
        let byte = *bytes.get(*cursor)?;
        *cursor += 1;
        if nth == 8 {
            return Some((number << 8) | u64::from(byte));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|it| u16::from_be_bytes(*it))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|it| u32::from_be_bytes(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for (bytes, number) in [
            (&[0x7f][..], 0x7f),
            (&[0x81, 0x00], 0x80),
            (&[0xff; 9], u64::MAX),
            (&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 1 << 57 | 1),
        ] {
            let mut cursor = 0;
            assert_eq!(varint(bytes, &mut cursor), Some(number), "{bytes:?}");
            assert_eq!(cursor, bytes.len());
        }
        assert_eq!(varint(&[0x80], &mut 0), None);
    }

    #[test]
    fn integers_carry_their_sign() {
        for (raw, number) in
            [(&[0xff][..], -1), (&[0x00, 0xff], 255), (&[0x80, 0, 0], -0x80_0000), (&[], 0)]
        {
            assert_eq!(integer(raw), number, "{raw:?}");
        }
    }

    #[test]
    fn a_record_gives_its_values_and_one_that_is_cut_short_none() {
        let record = [6, 0, 1, 8, 15, 16, 0xfe, b'x', 1, 2];
        let wanted = [
            Value::Null,
            Value::Integer(-2),
            Value::Integer(0),
            Value::Text(b"x".to_vec()),
            Value::Blob(vec![1, 2]),
        ];
        assert_eq!(values(&record).unwrap(), wanted);
        for end in 0..record.len() {
            assert_eq!(values(&record[..end]), None, "{end}");
        }
    }
}
