//! The addresses that PORT, EPRT and EPSV name. Whether they may be used is decided by others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 2428's network protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 1
    V4,
    /// 2
    V6,
}

impl Family {
    /// Of an address; IPv4 in IPv6 counts as IPv4.
    pub fn of(ip: IpAddr) -> Family {
        if ip.to_canonical().is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// What is wrong with an extended address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedFault {
    /// Not of the form.
    #[error("not of the form |protocol|address|port|")]
    Format,
    /// A network protocol other than 1 and 2.
    #[error("unknown network protocol")]
    Family,
}

/// PORT: `h1,h2,h3,h4,p1,p2`.
pub fn parse_port(text: &str) -> Option<SocketAddr> {
    let mut numbers = [0_u8; 6];
    let mut parts = text.split(',');
    for number in &mut numbers {
        *number = decimal(parts.next()?)?;
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    (parts.next().is_none() && port != 0).then(|| SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)))
}

/// EPRT: `|1|192.0.2.7|50001|`, with any graphic ASCII character between the parts.
///
/// # Errors
/// `ExtendedFault`
pub fn parse_eprt(text: &str) -> Result<SocketAddr, ExtendedFault> {
    let delimiter = text.chars().next().filter(char::is_ascii_graphic).ok_or(ExtendedFault::Format)?;
    let mut parts = text[1..].split(delimiter);
    let mut part = || parts.next().ok_or(ExtendedFault::Format);
    let (family, ip, port, rest) = (part()?, part()?, part()?, part()?);
    if !rest.is_empty() || parts.next().is_some() {
        return Err(ExtendedFault::Format);
    }
    let family = parse_family(family)?;
    let port = decimal::<u16>(port).filter(|port| *port != 0).ok_or(ExtendedFault::Format)?;
    let ip = match family {
        Family::V4 => ip.parse::<Ipv4Addr>().map(IpAddr::V4),
        // Something of the other family: what is wrong is the pair.
        Family::V6 if !ip.contains(':') => return Err(ExtendedFault::Family),
        Family::V6 => ip.parse::<Ipv6Addr>().map(IpAddr::V6),
    };
    ip.map(|ip| SocketAddr::new(ip.to_canonical(), port)).map_err(|_| ExtendedFault::Format)
}

/// The network protocol of EPSV and EPRT.
///
/// # Errors
/// `ExtendedFault::Format` for what is no number.
pub fn parse_family(text: &str) -> Result<Family, ExtendedFault> {
    match decimal::<u32>(text) {
        Some(1) => Ok(Family::V4),
        Some(2) => Ok(Family::V6),
        Some(_) => Err(ExtendedFault::Family),
        None => Err(ExtendedFault::Format),
    }
}

/// Digits only: `parse` alone would take a plus sign.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_72_port_is_six_numbers_and_nothing_else() {
        assert_eq!(parse_port("192,0,2,7,195,81"), Some("192.0.2.7:50001".parse().expect("address")));
        for wrong in [
            "",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "256,0,0,1,1,1",
            "1,2,3,4,256,1",
            "1,2,3,4,5,",
            ",1,2,3,4,5",
            "a,b,c,d,e,f",
            "1,2,3,4,+5,6",
            "1,2,3,4,-5,6",
            "1,2,3,4,5,6 ",
            "127.0.0.1:80",
            "1,2,3,4,0,0",
        ] {
            assert_eq!(parse_port(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn t_72_eprt_takes_both_families_and_folds_mapped_addresses() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("address");
        assert_eq!(parse_eprt("|1|192.0.2.7|50001|"), Ok(address("192.0.2.7:50001")));
        assert_eq!(parse_eprt("|2|2001:db8::1|50001|"), Ok(address("[2001:db8::1]:50001")));
        assert_eq!(parse_eprt("!2!::ffff:192.0.2.7!50001!"), Ok(address("192.0.2.7:50001")));
        for foreign in ["|3|192.0.2.7|50001|", "|2|192.0.2.7|1|"] {
            assert_eq!(parse_eprt(foreign), Err(ExtendedFault::Family));
        }
        for wrong in [
            "",
            "|",
            "|1|192.0.2.7|50001",
            "|1|192.0.2.7|50001||",
            "|1|2001:db8::1|1|",
            "|1|1.2.3.4|65536|",
            "|1|1.2.3.4|+1|",
            "|1|1.2.3.4|0|",
            "||1.2.3.4|1|",
            "1,2,3,4,5,6",
            "\u{e4}1\u{e4}1.2.3.4\u{e4}1\u{e4}",
        ] {
            assert_eq!(parse_eprt(wrong), Err(ExtendedFault::Format), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn every_address_reads_back(ip in any::<IpAddr>(), port in 1_u16..) {
            let ip = ip.to_canonical();
            let number = match Family::of(ip) { Family::V4 => 1, Family::V6 => 2 };
            prop_assert_eq!(parse_eprt(&format!("|{number}|{ip}|{port}|")), Ok(SocketAddr::new(ip, port)));
            if let IpAddr::V4(v4) = ip {
                let [a, b, c, d] = v4.octets();
                let text = format!("{a},{b},{c},{d},{},{}", port >> 8, port & 255);
                prop_assert_eq!(parse_port(&text), Some(SocketAddr::new(ip, port)));
            }
        }

        #[test]
        fn any_text_is_an_address_or_none(text in "(\\PC|[|,0-9.:]){0,40}") {
            let _ = (parse_port(&text), parse_eprt(&text), parse_family(&text));
        }
    }
}
