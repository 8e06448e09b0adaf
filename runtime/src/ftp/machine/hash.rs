//! HASH (draft-bryan-ftp-hash) and its elders: XCRC, XMD5, XSHA and MD5.

use crate::ftp::effect::{Algorithm, FileQuestion, HashJob};
use crate::ftp::reply::Reply;

use super::files::FileStep;
use super::state::Desk;

/// How a hash is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum HashForm {
    /// `213 SHA-256 0-49 hex path`
    Hash,
    /// `250 hex`
    Plain,
    /// `251 path hex`
    Md5,
}

pub(in crate::ftp) fn hash(desk: &mut Desk<'_>, typed: &str) {
    let algorithm = desk.control.options.hash;
    ask(desk, typed, Span::WHOLE, algorithm, HashForm::Hash);
}

pub(in crate::ftp) fn xcrc(desk: &mut Desk<'_>, argument: &str) {
    plain(desk, argument, Algorithm::Crc32);
}

pub(in crate::ftp) fn xmd5(desk: &mut Desk<'_>, argument: &str) {
    plain(desk, argument, Algorithm::Md5);
}

pub(in crate::ftp) fn xsha1(desk: &mut Desk<'_>, argument: &str) {
    plain(desk, argument, Algorithm::Sha1);
}

pub(in crate::ftp) fn xsha256(desk: &mut Desk<'_>, argument: &str) {
    plain(desk, argument, Algorithm::Sha256);
}

pub(in crate::ftp) fn xsha512(desk: &mut Desk<'_>, argument: &str) {
    plain(desk, argument, Algorithm::Sha512);
}

pub(in crate::ftp) fn md5(desk: &mut Desk<'_>, typed: &str) {
    ask(desk, &unquoted(typed), Span::WHOLE, Algorithm::Md5, HashForm::Md5);
}

fn plain(desk: &mut Desk<'_>, argument: &str, algorithm: Algorithm) {
    match parse(argument) {
        Some((typed, span)) => ask(desk, &typed, span, algorithm, HashForm::Plain),
        None => desk.say(Reply::bad_parameter()),
    }
}

fn ask(desk: &mut Desk<'_>, typed: &str, span: Span, algorithm: Algorithm, form: HashForm) {
    if let Some(path) = desk.path(typed) {
        let job = HashJob { path: path.clone(), algorithm, from: span.from, to: span.to };
        desk.ask(FileQuestion::Hash(job), FileStep::Hash { path, algorithm, form });
    }
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: Option<u64>,
}

impl Span {
    const WHOLE: Span = Span { from: 0, to: None };
}

/// `path`, or `"path"`, or `"path" from to`; a name without quotes may hold blanks, so nothing follows it.
fn parse(argument: &str) -> Option<(String, Span)> {
    let Some((typed, rest)) = quoted(argument) else { return Some((argument.to_owned(), Span::WHOLE)) };
    let mut words = rest.split_ascii_whitespace();
    let from = words.next().map_or(Some(0), |word| word.parse().ok())?;
    let to = words.next().map(|word| word.parse::<u64>().ok());
    let span = match to {
        None => Span { from, to: None },
        Some(to) => Span { from, to: Some(to.filter(|to| *to >= from)?) },
    };
    words.next().is_none().then_some((typed, span))
}

fn unquoted(argument: &str) -> String {
    quoted(argument).map_or_else(|| argument.to_owned(), |(typed, _)| typed)
}

/// The text between quotes, two of which are one, and what stands behind; `None` without a pair.
fn quoted(argument: &str) -> Option<(String, &str)> {
    let inner = argument.strip_prefix('"')?;
    let mut typed = String::new();
    let mut rest = inner;
    loop {
        let (part, behind) = rest.split_once('"')?;
        typed.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                typed.push('"');
                rest = more;
            }
            None => return Some((typed, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_quoted_and_only_then_is_there_more() {
        let span = |from, to| Span { from, to };
        for (argument, expected) in [
            ("a b", Some(("a b", Span::WHOLE))),
            ("a 1 2", Some(("a 1 2", Span::WHOLE))),
            ("\"a b\"", Some(("a b", Span::WHOLE))),
            ("\"a\" 5", Some(("a", span(5, None)))),
            ("\"a\"\"b\" 5 9", Some(("a\"b", span(5, Some(9))))),
            ("\"a", Some(("\"a", Span::WHOLE))),
            ("\"a\" 9 5", None),
            ("\"a\" x", None),
            ("\"a\" 1 2 3", None),
        ] {
            assert_eq!(parse(argument), expected.map(|(typed, span)| (typed.to_owned(), span)), "{argument}");
        }
    }
}
