//! Address ranges: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

use ipnet::IpNet;

/// The range that a text names.
#[must_use]
pub fn parse(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_range_of_one() {
        for (text, address, within) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::1", "::1", true),
            ("0.0.0.0/0", "::1", false),
        ] {
            let network = parse(text).expect(text);
            assert_eq!(network.contains(&address.parse::<IpAddr>().expect(address)), within);
        }
        for text in
            ["10.0.0.0/33", "10.0.0", "example.org", "", "10.0.0.0/8/8", "10.0.0.0-10.0.0.9"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
