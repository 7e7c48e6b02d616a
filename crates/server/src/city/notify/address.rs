//! Where messages may go: nowhere inside, unless the operator says so. A name is judged by the addresses
//! it has at the moment of the connection, and the connection goes to an address that was judged: a name
//! that changes in between gains nothing.
//!
//! What it is not: a firewall. Invariants: what is not known to be public is not public; an address of
//! IPv4 inside one of IPv6 is judged as itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Ports of the world outside that messages go to.
const PORTS: [u16; 2] = [443, 8443];

/// A host or network that the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// A name, in small letters.
    Host(String),
    /// A network and how many of its bits count.
    Network(IpAddr, u8),
}

impl Allowed {
    /// `hooks.internal`, `10.1.2.3`, `10.1.0.0/16`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .map(|b| Self::Network(address, b));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        (!text.is_empty() && text.bytes().all(is_name)).then(|| Self::Host(text.to_lowercase()))
    }

    fn covers(&self, host: &str, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Host(name), _) => name.eq_ignore_ascii_case(host),
            (Self::Network(IpAddr::V4(net), bits), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            (Self::Network(IpAddr::V6(net), bits), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Why a message may not go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no web address.
    #[error("give an address such as https://host/path, without a name or password in it")]
    Form,
    /// The name has no address.
    #[error("the host is not found")]
    Unknown,
    /// It is not public.
    #[error("the address is private, local or reserved")]
    Private,
    /// It is not encrypted.
    #[error("only https")]
    Plain,
    /// It is not a port of web servers.
    #[error("only ports 443 and 8443")]
    Port,
}

/// What is allowed here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    allowed: Vec<Allowed>,
}

impl Guard {
    pub(crate) const fn new(allowed: Vec<Allowed>) -> Self {
        Self { allowed }
    }

    /// Whether a message may go to this address of that host.
    fn judge(&self, uri: &Uri, ip: IpAddr) -> Result<(), Refused> {
        let ip = ip.to_canonical();
        let host = host(uri);
        if self.allowed.iter().any(|allowed| allowed.covers(host, ip)) {
            return Ok(());
        }
        if !is_public(ip) {
            return Err(Refused::Private);
        }
        if uri.scheme_str() != Some("https") {
            return Err(Refused::Plain);
        }
        if uri.port_u16().is_some_and(|port| !PORTS.contains(&port)) {
            return Err(Refused::Port);
        }
        Ok(())
    }

    /// Those of a host's addresses that a message may go to.
    fn choose(
        &self,
        uri: &Uri,
        found: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let mut reason = Refused::Unknown;
        let mut chosen = Vec::new();
        for address in found {
            match self.judge(uri, address.ip()) {
                Ok(()) => chosen.push(address),
                Err(refused) => reason = refused,
            }
        }
        if chosen.is_empty() { Err(reason) } else { Ok(chosen) }
    }

    /// Whether a message may go to a web address now. Asks for the addresses of the name, and waits.
    pub(crate) fn check(&self, text: &str) -> Result<(), Refused> {
        use std::net::ToSocketAddrs as _;
        let uri = parse(text)?;
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let found = (host(&uri), port).to_socket_addrs().map_err(|_unknown| Refused::Unknown)?;
        self.choose(&uri, found).map(|_chosen| ())
    }
}

/// A web address with a host, and nobody's name or password in it.
fn parse(text: &str) -> Result<Uri, Refused> {
    let uri: Uri = text.parse().map_err(|_bad| Refused::Form)?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map(ureq::http::uri::Authority::as_str).unwrap_or_default();
    if !is_web || authority.contains('@') || host(&uri).is_empty() || text.len() > 2_000 {
        return Err(Refused::Form);
    }
    Ok(uri)
}

/// The host, without the brackets of an IPv6 address.
fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// The client asks for every connection here.
impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let chosen = self.choose(uri, found.iter().copied());
        let chosen = chosen.map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
        let mut addresses = self.empty();
        for address in chosen {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// Whether anybody in the world reaches it, as far as is known.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Networks of IPv4 that are not the public Internet (IANA's register of special addresses), and one
/// address by which a cloud speaks to its machines.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let inside = |(net, bits): &(Ipv4Addr, u32)| {
        let mask = u32::MAX << (32 - bits);
        ip.to_bits() & mask == net.to_bits()
    };
    !SPECIAL_V4.iter().any(inside)
}

/// Only the part of IPv6 that is given out as public, without what wraps or documents others.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return is_public_v4(Ipv4Addr::from_bits((u32::from(g) << 16) | u32::from(h)));
    }
    let wraps = a == 0x2002 || (a == 0x2001 && b < 0x200);
    let documents = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !wraps && !documents
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_public_is_known_by_its_address() {
        for (text, public) in [
            ("1.1.1.1", true),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("0.0.0.0", false),
            ("10.255.255.255", false),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.100.100.200", false),
            ("127.0.0.1", false),
            ("127.8.9.10", false),
            ("168.63.129.16", false),
            ("169.254.169.254", false),
            ("192.0.0.192", false),
            ("192.168.1.1", false),
            ("198.19.255.255", false),
            ("203.0.113.9", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:1.1.1.1", true),
            ("::127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::101:101", true),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2606:4700::1111", true),
            ("2408:8000::1", true),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(is_public(ip.to_canonical()), public, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_inside_another_is_judged_as_itself(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let public = is_public(v4.into());
            prop_assert_eq!(is_public(IpAddr::from(v4.to_ipv6_mapped()).to_canonical()), public);
            let [a, b, c, d] = v4.octets();
            let nat: Ipv6Addr = format!("64:ff9b::{a:02x}{b:02x}:{c:02x}{d:02x}").parse().unwrap();
            prop_assert_eq!(is_public(nat.into()), public);
        }

        #[test]
        fn no_network_of_the_inside_is_public(
            (net, rest) in prop_oneof![
                Just(([10_u8, 0, 0, 0], 0x00ff_ffff_u32)),
                Just(([127, 0, 0, 0], 0x00ff_ffff)),
                Just(([169, 254, 0, 0], 0xffff)),
                Just(([172, 16, 0, 0], 0x000f_ffff)),
                Just(([192, 168, 0, 0], 0xffff)),
                Just(([224, 0, 0, 0], 0x1fff_ffff)),
            ],
            low: u32,
        ) {
            let ip = Ipv4Addr::from_bits(Ipv4Addr::from(net).to_bits() | (low & rest));
            prop_assert!(!is_public(ip.into()), "{ip}");
        }
    }

    #[test]
    fn a_web_address_is_judged_whole() {
        let guard = |list: &[&str]| {
            Guard::new(list.iter().map(|text| Allowed::parse(text).unwrap()).collect())
        };
        let none: &[&str] = &[];
        for (url, allowed, expected) in [
            ("https://1.1.1.1/hook", none, Ok(())),
            ("https://1.1.1.1:8443/hook", none, Ok(())),
            ("https://1.1.1.1:22/", none, Err(Refused::Port)),
            ("http://1.1.1.1/", none, Err(Refused::Plain)),
            ("https://127.0.0.1/", none, Err(Refused::Private)),
            ("https://[::1]/", none, Err(Refused::Private)),
            ("https://[::ffff:10.0.0.1]/", none, Err(Refused::Private)),
            ("https://localhost/", none, Err(Refused::Private)),
            ("https://2130706433/", none, Err(Refused::Private)),
            ("https://0x7f.1/", none, Err(Refused::Private)),
            ("ftp://1.1.1.1/", none, Err(Refused::Form)),
            ("https://a:b@1.1.1.1/", none, Err(Refused::Form)),
            ("/hook", none, Err(Refused::Form)),
            ("http://127.0.0.1:9/", &["127.0.0.0/8"], Ok(())),
            ("http://[::ffff:127.0.0.1]:9/", &["127.0.0.0/8"], Ok(())),
            ("http://localhost:9/", &["localhost"], Ok(())),
            ("http://LOCALHOST:9/", &["localhost"], Ok(())),
            ("http://127.0.0.1:9/", &["localhost"], Err(Refused::Private)),
            ("https://10.1.2.3/", &["10.1.2.3"], Ok(())),
            ("https://10.1.2.4/", &["10.1.2.3"], Err(Refused::Private)),
            ("https://[fd00::1]/", &["fd00::/8"], Ok(())),
        ] {
            assert_eq!(guard(allowed).check(url), expected, "{url}");
        }
    }

    #[test]
    fn of_a_name_with_many_addresses_only_the_public_ones_are_taken() {
        let uri: Uri = "https://rebound.example/".parse().unwrap();
        let found = ["127.0.0.1:443", "1.1.1.1:443", "[fe80::1]:443"].map(|a| a.parse().unwrap());
        let chosen = Guard::default().choose(&uri, found).unwrap();
        assert_eq!(chosen, ["1.1.1.1:443".parse().unwrap()]);
        let chosen = Guard::default().choose(&uri, [found[0]]);
        assert_eq!(chosen, Err(Refused::Private));
    }
}
