//! The PROXY protocol, versions 1 and 2: a balancer says in whose name it connects, before anything else.
//!
//! The parser is pure and for any bytes; who may send a header is decided elsewhere. TLVs of version 2 are
//! hints and are passed over, if they are well formed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::peer::folded;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The balancer speaks for itself: a health check.
    Local,
    /// It speaks for a client.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
}

/// What was read so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A header that goes on.
    More,
    /// A header, and how many bytes it has.
    Whole(Header, usize),
    /// No header, or a malformed one.
    Wrong,
}

/// A header that did not come as it must.
#[derive(Debug)]
pub enum HeaderFault {
    /// The balancer went, as health checks do.
    Gone,
    /// The bytes are no header.
    Malformed,
    /// The kernel's.
    Broken(io::ErrorKind),
}

const V1: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included.
const V1_BYTES_MAX: usize = 107;
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;
/// More TLVs than that say nothing that is of use here.
const V2_BYTES_MAX: usize = 4096;
/// Shorter than any whole header, long enough to tell the versions apart.
const START: usize = V2.len();

/// Reads a header at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Progress {
    let starts = |mark: &[u8]| bytes.iter().zip(mark).all(|(byte, mark)| byte == mark);
    if starts(V2) {
        v2(bytes)
    } else if starts(V1) {
        v1(bytes)
    } else {
        Progress::Wrong
    }
}

fn v1(bytes: &[u8]) -> Progress {
    let Some(end) = bytes.iter().take(V1_BYTES_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_BYTES_MAX { Progress::More } else { Progress::Wrong };
    };
    let line = bytes[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    let header = line.and_then(|line| {
        let mut words = line.split(' ').skip(1);
        let family = words.next()?;
        if family == "UNKNOWN" {
            return Some(Header::Local);
        }
        let (source, destination) = (address(family, words.next()?)?, address(family, words.next()?)?);
        let (from, to) = (port(words.next()?)?, port(words.next()?)?);
        words.next().is_none().then(|| proxied(SocketAddr::new(source, from), SocketAddr::new(destination, to)))
    });
    header.map_or(Progress::Wrong, |header| Progress::Whole(header, end + 1))
}

fn address(family: &str, text: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn proxied(source: SocketAddr, destination: SocketAddr) -> Header {
    Header::Proxied { source: folded(source), destination: folded(destination) }
}

fn v2(bytes: &[u8]) -> Progress {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else { return Progress::More };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, 0x20 | 0x21) || V2_FIXED + length > V2_BYTES_MAX {
        return Progress::Wrong;
    }
    let Some(content) = rest.get(..length) else { return Progress::More };
    let whole = |header| Progress::Whole(header, V2_FIXED + length);
    // Over AF_UNSPEC, and for itself, a balancer names nobody; what stands there says nothing.
    if command == 0x20 || family == 0 {
        return whole(Header::Local);
    }
    let header =
        match family {
            0x11 => ends::<4>(content)
                .map(|(from, to, ports)| (Ipv4Addr::from(from).into(), Ipv4Addr::from(to).into(), ports)),
            0x21 => ends::<16>(content)
                .map(|(from, to, ports)| (Ipv6Addr::from(from).into(), Ipv6Addr::from(to).into(), ports)),
            _ => None,
        };
    let header = header.map(|(from, to, [source, destination]): (IpAddr, IpAddr, _)| {
        proxied(SocketAddr::new(from, source), SocketAddr::new(to, destination))
    });
    header.map_or(Progress::Wrong, whole)
}

/// Both addresses and ports; `None` when they, or the TLVs behind them, are cut.
fn ends<const N: usize>(content: &[u8]) -> Option<([u8; N], [u8; N], [u16; 2])> {
    let (source, rest) = content.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (&[a, b, c, d], mut tlvs) = rest.split_first_chunk::<4>()?;
    while !tlvs.is_empty() {
        let (&[_, high, low], rest) = tlvs.split_first_chunk::<3>()?;
        tlvs = rest.get(usize::from(u16::from_be_bytes([high, low]))..)?;
    }
    Some((*source, *destination, [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]))
}

/// Reads a header and nothing behind it: the next bytes may be a ClientHello. The caller bounds the time.
///
/// # Errors
/// `HeaderFault`
pub async fn receive(stream: &mut TcpStream) -> Result<Header, HeaderFault> {
    let mut bytes = vec![0; START];
    match stream.read_exact(&mut bytes).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(HeaderFault::Gone),
        Err(error) => return Err(HeaderFault::Broken(error.kind())),
    }
    loop {
        let missing = match parse(&bytes) {
            Progress::Whole(header, length) if length == bytes.len() => return Ok(header),
            Progress::Whole(..) | Progress::Wrong => return Err(HeaderFault::Malformed),
            Progress::More => missing(stream, &bytes).await?,
        };
        let start = bytes.len();
        bytes.resize(start + missing, 0);
        stream.read_exact(&mut bytes[start..]).await.map_err(|error| HeaderFault::Broken(error.kind()))?;
    }
}

/// How many bytes can be read that belong to the header for sure.
async fn missing(stream: &TcpStream, bytes: &[u8]) -> Result<usize, HeaderFault> {
    if bytes.starts_with(V2) {
        return Ok(match bytes.get(V2_FIXED - 2..V2_FIXED) {
            Some(length) => V2_FIXED + usize::from(u16::from_be_bytes([length[0], length[1]])) - bytes.len(),
            None => V2_FIXED - bytes.len(),
        });
    }
    let mut ahead = [0; V1_BYTES_MAX];
    let count = stream.peek(&mut ahead).await.map_err(|error| HeaderFault::Broken(error.kind()))?;
    if count == 0 {
        return Err(HeaderFault::Gone);
    }
    Ok(ahead[..count].iter().position(|byte| *byte == b'\n').map_or(count, |end| end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2_header(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        [&V2[..], &[command, family], &length, content].concat()
    }

    fn whole(bytes: &[u8], source: &str, destination: &str) {
        let header = Header::Proxied {
            source: source.parse().expect("address"),
            destination: destination.parse().expect("address"),
        };
        assert_eq!(parse(bytes), Progress::Whole(header, bytes.len()));
    }

    #[test]
    fn version_1_names_both_ends() {
        whole(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 21\r\n", "192.0.2.1:56324", "198.51.100.2:21");
        whole(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1", "[2001:db8::2]:65535");
        whole(b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1:1", "192.0.2.2:2");
        let unknown = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        assert_eq!(parse(unknown), Progress::Whole(Header::Local, unknown.len()));
        assert_eq!(parse(b"PROXY UNKNOWN\r\nUSER x"), Progress::Whole(Header::Local, 15));
    }

    #[test]
    fn version_2_names_both_ends_and_tlvs_are_passed_over() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 0, 21];
        whole(&v2_header(0x21, 0x11, &v4), "192.0.2.1:56324", "198.51.100.2:21");
        let tlv = [&v4[..], &[4, 0, 3, 1, 2, 3, 5, 0, 0]].concat();
        whole(&v2_header(0x21, 0x11, &tlv), "192.0.2.1:56324", "198.51.100.2:21");
        let local = v2_header(0x20, 0, &[]);
        assert_eq!(parse(&local), Progress::Whole(Header::Local, 16));
    }

    #[test]
    fn s_30_what_is_malformed_is_no_header() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 0, 21];
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 100]].concat();
        for wrong in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"[..],
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 21 7\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 21\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 21\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            &long,
            &v2_header(0x22, 0x11, &v4),
            &v2_header(0x11, 0x11, &v4),
            &v2_header(0x21, 0x12, &v4),
            &v2_header(0x21, 0x11, &v4[..11]),
            &v2_header(0x21, 0x11, &[&v4[..], &[4, 0, 9, 1]].concat()),
            &v2_header(0x21, 0x11, &[0; 5000]),
        ] {
            assert_eq!(parse(wrong), Progress::Wrong, "{:?}", String::from_utf8_lossy(wrong));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in 0usize..3) {
            let bytes = [[&b""[..], V1, V2][start], &bytes[..]].concat();
            if let Progress::Whole(_, length) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(parse(&bytes), parse(&bytes[..length]), "what is behind does not count");
            }
        }

        #[test]
        fn any_clients_header_reads_back(v6 in any::<bool>(), ips in any::<[u128; 2]>(), ports in any::<[u16; 2]>(), cut in any::<prop::sample::Index>()) {
            let ip = |bits: u128| -> IpAddr {
                if v6 { Ipv6Addr::from(bits).into() } else { Ipv4Addr::from(bits as u32).into() }
            };
            let line = format!("PROXY TCP{} {} {} {} {}\r\n", if v6 { 6 } else { 4 }, ip(ips[0]), ip(ips[1]), ports[0], ports[1]);
            let header = proxied(SocketAddr::new(ip(ips[0]), ports[0]), SocketAddr::new(ip(ips[1]), ports[1]));
            prop_assert_eq!(parse(line.as_bytes()), Progress::Whole(header, line.len()));
            prop_assert_eq!(parse(&line.as_bytes()[..cut.index(line.len())]), Progress::More);
        }
    }
}
