//! What is open and what is closed, as tables; and what holds for every address.

use proptest::prelude::*;

use super::*;

const NO_NAMES: fn(&str, Ipv4Addr) -> bool = |_, _| false;

fn policy(allow: &[&str]) -> Policy {
    Policy::parse(Outgoing::Internet, allow).expect("allow entries")
}

fn to(text: &str) -> SocketAddrV4 {
    text.parse().expect(text)
}

fn decide(policy: &Policy, destination: &str) -> Verdict {
    policy.decide(to(destination), |_| false, NO_NAMES)
}

#[test]
fn the_internet_is_open_and_everything_else_closed() {
    let open = None;
    let table = [
        ("1.1.1.1:53", open),
        ("8.8.8.8:443", open),
        ("93.184.216.34:80", open),
        ("172.15.255.255:1", open),
        ("172.32.0.0:1", open),
        ("100.63.255.255:1", open),
        ("100.128.0.0:1", open),
        ("198.17.255.255:1", open),
        ("198.20.0.0:1", open),
        ("192.31.196.1:1", open),
        ("223.255.255.255:1", open),
        ("0.0.0.0:80", Some(Denial::SpecialPurpose)),
        ("0.1.2.3:80", Some(Denial::SpecialPurpose)),
        ("127.0.0.1:80", Some(Denial::Loopback)),
        ("127.255.255.254:80", Some(Denial::Loopback)),
        ("169.254.169.254:80", Some(Denial::LinkLocal)),
        ("169.254.170.2:80", Some(Denial::LinkLocal)),
        ("169.254.100.6:80", Some(Denial::LinkLocal)),
        ("10.0.0.0:1", Some(Denial::Private)),
        ("10.255.255.255:1", Some(Denial::Private)),
        ("172.16.0.1:1", Some(Denial::Private)),
        ("172.31.255.255:1", Some(Denial::Private)),
        ("192.168.0.1:1", Some(Denial::Private)),
        ("100.64.0.1:1", Some(Denial::Private)),
        ("100.100.100.200:80", Some(Denial::Private)),
        ("192.0.0.192:80", Some(Denial::SpecialPurpose)),
        ("192.0.2.1:1", Some(Denial::SpecialPurpose)),
        ("192.88.99.1:1", Some(Denial::SpecialPurpose)),
        ("198.18.0.1:1", Some(Denial::SpecialPurpose)),
        ("198.19.255.255:1", Some(Denial::SpecialPurpose)),
        ("198.51.100.7:1", Some(Denial::SpecialPurpose)),
        ("203.0.113.7:1", Some(Denial::SpecialPurpose)),
        ("240.0.0.1:1", Some(Denial::SpecialPurpose)),
        ("168.63.129.16:80", Some(Denial::SpecialPurpose)),
        ("224.0.0.251:5353", Some(Denial::Multicast)),
        ("239.255.255.250:1900", Some(Denial::Multicast)),
        ("255.255.255.255:67", Some(Denial::Multicast)),
        ("169.254.100.2:5432", Some(Denial::HostPort)),
    ];
    let policy = policy(&[]);
    for (destination, expected) in table {
        let expected = expected.map_or(Verdict::Connect(to(destination)), Verdict::Denied);
        assert_eq!(decide(&policy, destination), expected, "{destination}");
    }
}

#[test]
fn an_entry_opens_exactly_what_it_says() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("10.0.0.0/8", &["10.0.0.1:1", "10.255.0.1:65535"], &["11.0.0.1:1", "192.168.1.5:5432"]),
        ("10.1.0.0/16:443", &["10.1.2.3:443"], &["10.1.2.3:444", "10.2.0.1:443"]),
        ("192.168.1.5:5432", &["192.168.1.5:5432"], &["192.168.1.5:5433", "192.168.1.6:5432"]),
        ("192.168.1.5", &["192.168.1.5:1", "192.168.1.5:22"], &["192.168.1.4:1"]),
        ("0.0.0.0/0", &["10.0.0.1:1", "203.0.113.9:1"], &["127.0.0.1:1", "169.254.169.254:80", "224.0.0.1:1"]),
    ];
    for (entry, open, closed) in table {
        // With outgoing "none" nothing is open but by the entry.
        let policy = Policy::parse(Outgoing::None, &[entry]).expect("entry");
        for destination in *open {
            assert_eq!(decide(&policy, destination), Verdict::Connect(to(destination)), "{entry}: {destination}");
        }
        for destination in *closed {
            assert!(matches!(decide(&policy, destination), Verdict::Denied(_)), "{entry}: {destination}");
        }
    }
}

#[test]
fn the_host_is_reached_by_its_name_and_port_only() {
    let policy = policy(&["host.hearth.internal:5432", "Host.Hearth.Internal.:6379"]);
    assert_eq!(decide(&policy, "169.254.100.2:5432"), Verdict::Connect(to("127.0.0.1:5432")));
    assert_eq!(decide(&policy, "169.254.100.2:6379"), Verdict::Connect(to("127.0.0.1:6379")));
    assert_eq!(decide(&policy, "169.254.100.2:22"), Verdict::Denied(Denial::HostPort));
    assert_eq!(decide(&policy, "127.0.0.1:5432"), Verdict::Denied(Denial::Loopback));
}

#[test]
fn the_hosts_own_addresses_are_closed_whatever_they_are() {
    let own = |policy: &Policy, destination: &str| policy.decide(to(destination), |_| true, |_, _| true);
    let closed = Verdict::Denied(Denial::HostItself);
    assert_eq!(own(&policy(&[]), "93.184.216.34:80"), closed);
    // Not in passing by a wide entry, nor by one without a port.
    assert_eq!(own(&policy(&["10.0.0.0/8", "10.0.0.0/8:80"]), "10.0.0.5:80"), closed);
    assert_eq!(own(&policy(&["10.0.0.5", "db.internal"]), "10.0.0.5:80"), closed);
    assert_eq!(own(&policy(&["10.0.0.5:80"]), "10.0.0.5:80"), Verdict::Connect(to("10.0.0.5:80")));
    assert_eq!(own(&policy(&["10.0.0.5:80"]), "10.0.0.5:81"), Verdict::Denied(Denial::Private));
    assert_eq!(own(&policy(&["db.internal:80"]), "10.0.0.5:80"), Verdict::Connect(to("10.0.0.5:80")));
}

#[test]
fn a_name_opens_the_addresses_it_has() {
    let policy = policy(&["DB.internal:5432", "web.internal"]);
    assert_eq!(policy.names().collect::<Vec<_>>(), ["db.internal", "web.internal"]);
    let has = |name: &str, address: Ipv4Addr| {
        (name == "db.internal" && address == Ipv4Addr::new(10, 0, 0, 9))
            || (name == "web.internal" && address == Ipv4Addr::new(10, 0, 0, 8))
    };
    for (destination, open) in
        [("10.0.0.9:5432", true), ("10.0.0.9:22", false), ("10.0.0.8:22", true), ("10.0.0.7:5432", false)]
    {
        let verdict = policy.decide(to(destination), |_| false, has);
        assert_eq!(verdict == Verdict::Connect(to(destination)), open, "{destination}");
    }
}

#[test]
fn outgoing_none_closes_the_internet() {
    let policy = Policy::parse::<&str>(Outgoing::None, &[]).expect("policy");
    assert_eq!(decide(&policy, "1.1.1.1:53"), Verdict::Denied(Denial::OutgoingNone));
    assert_eq!(decide(&policy, "10.0.0.1:53"), Verdict::Denied(Denial::Private));
}

#[test]
fn an_entry_that_cannot_work_is_refused_with_advice() {
    let table = [
        ("", "write for example"),
        ("db internal:5432", "write for example"),
        ("db.internal:", "write for example"),
        ("db.internal:http", "write for example"),
        ("-db.internal", "write for example"),
        ("10.0.0:80", "write for example"),
        ("10.0.0.0/33", "write for example"),
        ("10.0.0.0/+8", "write for example"),
        ("http://db.internal", "write for example"),
        ("10.0.0.1:0", "between 1 and 65535"),
        ("db.internal:65536", "between 1 and 65535"),
        ("10.1.2.3/8", "write \"10.0.0.0/8\""),
        ("::1", "IPv6"),
        ("[fd00::1]:80", "IPv6"),
        ("fd00::/8", "IPv6"),
        ("::ffff:127.0.0.1", "IPv6"),
        ("127.0.0.1:5432", "host.hearth.internal:PORT"),
        ("169.254.169.254:80", "link-local"),
        ("169.254.0.0/16", "link-local"),
        ("0.0.0.0:80", "never be opened"),
        ("224.0.0.0/4", "never be opened"),
        ("255.255.255.255", "never be opened"),
        ("host.hearth.internal", "needs the port"),
    ];
    for (entry, advice) in table {
        let error = entry.parse::<Allow>().expect_err(entry).to_string();
        assert!(error.contains(advice) && error.contains(entry), "{entry}: {error}");
    }
    let many = vec!["10.0.0.1"; ALLOW_MAX + 1];
    assert_eq!(Policy::parse(Outgoing::Internet, &many), Err(AllowError::TooMany));
}

proptest! {
    #[test]
    fn no_entry_opens_what_is_never_open(address in any::<u32>(), prefix in 0_u8..=32, port in 1_u16..) {
        let base = Ipv4Range::new(Ipv4Addr::from_bits(address), prefix).base();
        if let Ok(policy) = Policy::parse(Outgoing::Internet, &[format!("{base}/{prefix}")]) {
            for closed in ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
                let destination = SocketAddrV4::new(closed.parse().expect("address"), port);
                prop_assert!(matches!(policy.decide(destination, |_| false, NO_NAMES), Verdict::Denied(_)));
            }
        }
    }

    /// Rust's own idea of these ranges is the second opinion.
    #[test]
    fn what_is_open_by_default_is_a_public_address(address in any::<u32>(), port in any::<u16>()) {
        let address = Ipv4Addr::from_bits(address);
        let verdict = Policy::default().decide(SocketAddrV4::new(address, port), |_| false, NO_NAMES);
        if address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
            || address.is_broadcast() || address.is_unspecified() || address.is_documentation()
        {
            prop_assert!(matches!(verdict, Verdict::Denied(_)));
        }
        if let Verdict::Connect(target) = verdict {
            prop_assert_eq!(target, SocketAddrV4::new(address, port));
        }
    }

    #[test]
    fn the_host_itself_is_never_open_by_default(address in any::<u32>(), port in any::<u16>()) {
        let destination = SocketAddrV4::new(Ipv4Addr::from_bits(address), port);
        prop_assert!(matches!(Policy::default().decide(destination, |_| true, NO_NAMES), Verdict::Denied(_)));
    }

    #[test]
    fn a_range_has_what_lies_between_its_ends(address in any::<u32>(), prefix in 0_u8..=32, other in any::<u32>()) {
        let range = Ipv4Range::new(Ipv4Addr::from_bits(address), prefix);
        let size = 1_u64 << (32 - u32::from(prefix));
        let base = u64::from(range.base().to_bits());
        prop_assert_eq!(range.contains(Ipv4Addr::from_bits(other)), (base..base + size).contains(&u64::from(other)));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = text.parse::<Allow>();
    }
}
