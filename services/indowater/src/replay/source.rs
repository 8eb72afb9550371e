//! A file as text: unpacked, in UTF-8, without the lines before its header, and with the sign that separates its columns.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context as _, Result};
use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;

/// What may separate columns.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// A file that is ready to be read row by row.
pub struct Source {
    /// Its rows.
    pub reader: Reader<Box<dyn BufRead>>,
    /// How its text was encoded.
    pub encoding: &'static str,
    /// What separates its columns.
    pub delimiter: u8,
    /// Lines before the header.
    pub skipped: u64,
}

/// The bytes of a file; one that ends in `.gz` is unpacked on the way.
///
/// # Errors
/// It cannot be opened.
pub fn bytes(path: &Path) -> Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let file = BufReader::with_capacity(1 << 16, file);
    let is_packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// Makes rows of bytes; `columns` are those that are wanted, by which the delimiter is recognised if none is given.
///
/// # Errors
/// The bytes cannot be read.
pub fn open(
    mut bytes: Box<dyn BufRead>,
    skip_lines: u64,
    delimiter: Option<u8>,
    columns: &[&str],
) -> Result<Source> {
    let encoding = encoding(bytes.fill_buf().context("it cannot be read")?);
    let decoder = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).strip_bom(true).build(bytes);
    let mut text = BufReader::with_capacity(1 << 16, decoder);
    let mut line = Vec::new();
    for _ in 0..=skip_lines {
        line.clear();
        text.read_until(b'\n', &mut line).context("it cannot be read")?;
    }
    let delimiter = delimiter.unwrap_or_else(|| recognised(&line, columns));
    let whole: Box<dyn BufRead> = Box::new(Cursor::new(line).chain(text));
    let reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(Trim::All).from_reader(whole);
    Ok(Source { reader, encoding: encoding.name(), delimiter, skipped: skip_lines })
}

/// A cell without the quotation marks that a blank before them made part of it.
pub fn cell(record: &ByteRecord, place: usize) -> &[u8] {
    let field = record.get(place).unwrap_or_default();
    let inner = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\""));
    inner.unwrap_or(field).trim_ascii()
}

/// Where a column of this name is: exactly, or but for case.
pub fn column(header: &ByteRecord, name: &str) -> Option<usize> {
    let name = name.trim().as_bytes();
    let find = |is_it: &dyn Fn(&[u8]) -> bool| (0..header.len()).find(|place| is_it(cell(header, *place)));
    find(&|field| field == name).or_else(|| find(&|field| field.eq_ignore_ascii_case(name)))
}

/// The encoding by the mark at the beginning; text of UTF-16 without one has a zero beside each of its first letters.
fn encoding(first: &[u8]) -> &'static Encoding {
    match (Encoding::for_bom(first), first) {
        (Some((encoding, _)), _) => encoding,
        (None, [_, 0, _, 0, ..]) => UTF_16LE,
        (None, [0, _, 0, _, ..]) => UTF_16BE,
        (None, _) => UTF_8,
    }
}

/// The delimiter under which most of the wanted columns are there, or else the one that makes most columns.
fn recognised(line: &[u8], columns: &[&str]) -> u8 {
    let rank = |delimiter: &u8| {
        let mut header = ByteRecord::new();
        let mut reader = ReaderBuilder::new()
            .delimiter(*delimiter)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(line);
        _ = reader.read_byte_record(&mut header);
        let found = columns.iter().filter(|name| column(&header, name).is_some()).count();
        (found, header.len())
    };
    // Of equals the last is taken; a comma is what separates if nothing else tells.
    DELIMITERS.into_iter().rev().max_by_key(rank).unwrap_or(b',')
}

/// A delimiter as it is typed.
///
/// # Errors
/// It is not one character.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        (_, [byte]) if byte.is_ascii() => Ok(*byte),
        _ => Err("what separates columns is one ASCII character, or `tab`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(bytes: Vec<u8>, skip: u64, columns: &[&str]) -> (Source, Vec<Vec<String>>) {
        let mut source = open(Box::new(Cursor::new(bytes)), skip, None, columns).unwrap();
        let text = |record: &ByteRecord| {
            record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        let mut all: Vec<Vec<String>> = vec![text(source.reader.byte_headers().unwrap())];
        all.extend(source.reader.byte_records().map(|record| text(&record.unwrap())));
        (source, all)
    }

    fn utf16(text: &str, with_mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        with_mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn text_is_the_same_however_it_is_encoded() {
        let text = "zähler;Zeit\r\n\"ä 1\" ; 5 \r\n";
        for (encoding, bytes) in [
            ("UTF-8", text.as_bytes().to_vec()),
            ("UTF-8", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
            ("UTF-16LE", utf16(text, true, u16::to_le_bytes)),
            ("UTF-16BE", utf16(text, true, u16::to_be_bytes)),
            ("UTF-16LE", utf16(&text.replace('ä', "a"), false, u16::to_le_bytes)),
            ("UTF-16BE", utf16(&text.replace('ä', "a"), false, u16::to_be_bytes)),
        ] {
            let (source, records) = records(bytes, 0, &["zeit"]);
            assert_eq!((source.encoding, source.delimiter), (encoding, b';'));
            let records: Vec<Vec<_>> = records
                .iter()
                .map(|record| record.iter().map(|field| field.replace('ä', "a")).collect())
                .collect();
            assert_eq!(records, [["zahler", "Zeit"], ["a 1", "5"]]);
        }
    }

    #[test]
    fn what_separates_columns_is_recognised() {
        for (text, delimiter) in [
            ("meter,time\na,1", b','),
            ("meter;time\na;1,5", b';'),
            ("meter\ttime\r\na\t1", b'\t'),
            ("meter|time\na|1", b'|'),
            ("\"meter\";\"time, local\"\na;1", b';'),
            ("time", b','),
        ] {
            assert_eq!(records(text.into(), 0, &["meter", "time"]).0.delimiter, delimiter, "{text:?}");
        }
        for (typed, expected) in
            [(";", Some(b';')), ("tab", Some(b'\t')), ("\\t", Some(b'\t')), ("", None), ("::", None)]
        {
            assert_eq!(delimiter(typed).ok(), expected, "{typed}");
        }
    }

    #[test]
    fn lines_before_the_header_are_skipped() {
        let (_, rows) = records(b"Report; of\n\nmeter;time\na;1".to_vec(), 2, &["meter"]);
        assert_eq!(rows, [["meter", "time"], ["a", "1"]]);
    }

    #[test]
    fn columns_are_found_but_for_case() {
        let header = ByteRecord::from(vec!["TIME", "time", "\"Meter \""]);
        assert_eq!((column(&header, "time"), column(&header, " meter")), (Some(1), Some(2)));
        assert_eq!(column(&header, "register"), None);
        assert_eq!(cell(&header, 2), b"Meter");
    }
}
