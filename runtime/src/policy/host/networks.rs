//! Named networks, and arithmetic with addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Caller;
use super::wit::networks::Host;

impl Host for Caller {
    fn contains(&mut self, set: String, address: String) -> wasmtime::Result<Option<bool>> {
        self.meter.host_call()?;
        Ok(address.parse().ok().and_then(|ip: IpAddr| self.host.offer.networks.contains(&set, ip.to_canonical())))
    }

    fn around(&mut self, address: String, v4_bits: u8, v6_bits: u8) -> wasmtime::Result<Option<String>> {
        self.meter.host_call()?;
        Ok(around(&address, v4_bits, v6_bits).map(|net| net.to_string()))
    }
}

fn around(address: &str, v4_bits: u8, v6_bits: u8) -> Option<IpNet> {
    let ip = address.parse::<IpAddr>().ok()?.to_canonical();
    let net = IpNet::new(ip, if ip.is_ipv4() { v4_bits } else { v6_bits }).ok()?;
    Some(net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_around_an_address() {
        let text = |address, v4, v6| around(address, v4, v6).map(|net| net.to_string());
        assert_eq!(text("192.0.2.7", 24, 64).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(text("::ffff:192.0.2.7", 24, 64).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(text("2001:db8::1", 24, 64).as_deref(), Some("2001:db8::/64"));
        assert_eq!(text("192.0.2.7", 33, 64), None);
        assert_eq!(text("nowhere", 24, 64), None);
    }
}
