//! What holds for any bytes in the place of a PROXY header: the body of a fuzz target (see [`crate::fuzzing`]).

use std::net::IpAddr;

use super::proxy::{Header, Progress, parse};

const MOST: usize = 4096;

/// The PROXY header: what is read does not depend on what is behind it, every cut of it goes on, what is wrong
/// stays wrong, and a client that is named reads back.
pub fn proxy_header(bytes: &[u8]) {
    match parse(bytes) {
        Progress::Whole(header, length) => {
            assert!(length <= bytes.len() && length <= MOST);
            assert_eq!(parse(&bytes[..length]), Progress::Whole(header, length));
            for cut in (0..length).rev().take(256) {
                assert_eq!(parse(&bytes[..cut]), Progress::More, "cut at {cut}");
            }
            if let Header::Proxied { source, destination } = header {
                assert_eq!(source.ip(), source.ip().to_canonical());
                assert_eq!(destination.ip(), destination.ip().to_canonical());
                // One of two families may be folded; as IPv6 both are of one.
                let six = |ip: IpAddr| match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let (from, to) = (six(source.ip()), six(destination.ip()));
                let line = format!("PROXY TCP6 {from} {to} {} {}\r\n", source.port(), destination.port());
                assert_eq!(parse(line.as_bytes()), Progress::Whole(header, line.len()));
            }
        }
        Progress::More => {
            assert!(bytes.len() < MOST);
            for cut in (0..bytes.len()).rev().take(64) {
                assert_eq!(parse(&bytes[..cut]), Progress::More, "cut at {cut}");
            }
        }
        Progress::Wrong => {
            let longer = [bytes, b"\r\n"].concat();
            assert_eq!(parse(&longer), Progress::Wrong);
        }
    }
}
