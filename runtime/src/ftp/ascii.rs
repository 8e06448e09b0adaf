//! TYPE A: line ends between the disk's LF and the wire's CRLF, over buffers cut anywhere.

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// For downloads: LF becomes CRLF; a CRLF on disk stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToWire {
    behind_cr: bool,
}

impl ToWire {
    /// Puts `bytes` converted at the end of `out`: at most twice as many.
    pub fn convert(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|&byte| byte == LF) {
            match piece.split_last() {
                Some((&LF, line)) => {
                    let behind_cr = line.last().map_or(self.behind_cr, |&byte| byte == CR);
                    out.extend_from_slice(line);
                    out.extend_from_slice(if behind_cr { b"\n" } else { b"\r\n" });
                    self.behind_cr = false;
                }
                Some((&last, _)) => {
                    out.extend_from_slice(piece);
                    self.behind_cr = last == CR;
                }
                None => {}
            }
        }
    }
}

/// For uploads: CRLF becomes LF; any other CR is data.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromWire {
    held_cr: bool,
}

impl FromWire {
    /// Puts `bytes` converted at the end of `out`: at most one more than came.
    pub fn convert(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some((&first, _)) = bytes.split_first() else { return };
        if self.held_cr && first != LF {
            out.push(CR);
        }
        let ends_in_cr = bytes.last() == Some(&CR);
        let body = if ends_in_cr { &bytes[..bytes.len() - 1] } else { bytes };
        for piece in body.split_inclusive(|&byte| byte == LF) {
            match piece.strip_suffix(b"\r\n") {
                Some(line) => {
                    out.extend_from_slice(line);
                    out.push(LF);
                }
                None => out.extend_from_slice(piece),
            }
        }
        self.held_cr = ends_in_cr;
    }

    /// The upload is over: a CR that waited for its LF was data.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.held_cr {
            out.push(CR);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to_wire(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut convert, mut out) = (ToWire::default(), Vec::new());
        chunks.iter().for_each(|chunk| convert.convert(chunk, &mut out));
        out
    }

    fn from_wire(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut convert, mut out) = (FromWire::default(), Vec::new());
        chunks.iter().for_each(|chunk| convert.convert(chunk, &mut out));
        convert.finish(&mut out);
        out
    }

    #[test]
    fn t_62_lf_becomes_crlf_and_crlf_stays() {
        assert_eq!(to_wire(&[b"a\nb\r\nc\r", b"\nd\r", b"", b"e\n"]), b"a\r\nb\r\nc\r\nd\re\r\n");
        assert_eq!(to_wire(&[b"\n", b"\n"]), b"\r\n\r\n");
    }

    #[test]
    fn t_62_crlf_becomes_lf_even_when_it_is_cut() {
        assert_eq!(from_wire(&[b"a\r", b"\nb\r\nc\rd\r", b"e\r"]), b"a\nb\nc\rd\re\r");
        assert_eq!(from_wire(&[b"\r", b"\r", b"\n", b"\n"]), b"\r\n\n");
    }

    proptest! {
        #[test]
        fn t_62_cuts_change_nothing_and_what_went_out_comes_back(
            text in "[ab\r\n]{0,60}", cut in 0usize..60, other in 0usize..60
        ) {
            let bytes = text.as_bytes();
            let (cut, other) = (cut.min(bytes.len()), other.min(bytes.len()));
            let (from, to) = (cut.min(other), cut.max(other));
            let chunks = [&bytes[..from], &bytes[from..to], &bytes[to..]];
            let wire = to_wire(&[bytes]);
            prop_assert_eq!(&to_wire(&chunks), &wire);
            prop_assert_eq!(from_wire(&chunks), from_wire(&[bytes]));
            prop_assert_eq!(from_wire(&[&wire]), text.replace("\r\n", "\n").into_bytes());
        }
    }
}
