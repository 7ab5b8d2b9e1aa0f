//! IPv4 packets: what comes out of a sandbox, and the answers that are not a connection's own. Pure.
//!
//! Checksums of what comes in are not verified: it comes from the kernel of this machine through memory.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IPV4_HEADER_LEN, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber, UDP_HEADER_LEN, UdpPacket, UdpRepr,
};

use crate::address::GATEWAY_ADDRESS;

const HOP_LIMIT: u8 = 64;
/// Bytes of the refused packet's payload that an ICMP error returns. Source: RFC 792.
const RETURNED_BYTES: usize = 8;

/// A packet out of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    pub(crate) transport: Transport<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport<'a> {
    Tcp(Flags),
    Udp(&'a [u8]),
    /// Ports are 0.
    Icmp,
    /// Ports are 0.
    Other,
}

/// What decides where a TCP packet belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Asks for a connection: SYN without ACK.
    pub(crate) opens: bool,
    pub(crate) resets: bool,
}

/// `None` for what is not a whole IPv4 packet: IPv6, fragments (the device's MTU leaves no reason for one), rubbish.
pub(crate) fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let ip = Ipv4Packet::new_checked(bytes).ok()?;
    if ip.version() != 4 || ip.more_frags() || ip.frag_offset() != 0 {
        return None;
    }
    let (source_port, destination_port, transport) = match ip.next_header() {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
            let flags = Flags { opens: tcp.syn() && !tcp.ack() && !tcp.rst(), resets: tcp.rst() };
            (tcp.src_port(), tcp.dst_port(), Transport::Tcp(flags))
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(ip.payload()).ok()?;
            (udp.src_port(), udp.dst_port(), Transport::Udp(udp.payload()))
        }
        IpProtocol::Icmp => (0, 0, Transport::Icmp),
        _ => (0, 0, Transport::Other),
    };
    Some(Packet {
        source: SocketAddrV4::new(ip.src_addr(), source_port),
        destination: SocketAddrV4::new(ip.dst_addr(), destination_port),
        transport,
    })
}

/// What a sandbox is told about a packet that leads nowhere. What the function's `connect` returns for it stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The policy says no: `ENETUNREACH`, "network is unreachable".
    Denied,
    /// Nobody listens there, or no further flow is possible: `ECONNREFUSED`.
    Refused,
    /// The outside could not be reached: `EHOSTUNREACH`, "no route to host".
    Unreachable,
    /// `ENOPROTOOPT`
    Protocol,
}

/// The packet that says so. `None` where no answer may be given: to a TCP reset, or to something unreadable.
pub(crate) fn refuse(original: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    let packet = parse(original)?;
    match (refusal, packet.transport) {
        (_, Transport::Tcp(flags)) if flags.resets => None,
        (_, Transport::Icmp) => None,
        (Refusal::Refused, Transport::Tcp(_)) => reset(original),
        (Refusal::Refused, _) => unreachable(original, Icmpv4DstUnreachable::PortUnreachable),
        (Refusal::Denied, _) => unreachable(original, Icmpv4DstUnreachable::NetProhibited),
        (Refusal::Unreachable, _) => unreachable(original, Icmpv4DstUnreachable::HostUnreachable),
        (Refusal::Protocol, _) => unreachable(original, Icmpv4DstUnreachable::ProtoUnreachable),
    }
}

/// Source: RFC 9293, section 3.10.7.1.
fn reset(original: &[u8]) -> Option<Vec<u8>> {
    let ip = Ipv4Packet::new_checked(original).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let (seq_number, ack_number) = if tcp.ack() {
        (tcp.ack_number(), None)
    } else {
        (TcpSeqNumber(0), Some(tcp.seq_number() + tcp.segment_len()))
    };
    let answer = TcpRepr {
        src_port: tcp.dst_port(),
        dst_port: tcp.src_port(),
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (from, to) = (ip.dst_addr(), ip.src_addr());
    Some(emit(from, to, IpProtocol::Tcp, answer.buffer_len(), |payload| {
        answer.emit(&mut TcpPacket::new_unchecked(payload), &from.into(), &to.into(), &checksums());
    }))
}

fn unreachable(original: &[u8], reason: Icmpv4DstUnreachable) -> Option<Vec<u8>> {
    let ip = Ipv4Packet::new_checked(original).ok()?;
    // Less than eight bytes are filled up: the receiver looks for ports there.
    let mut returned = [0; RETURNED_BYTES];
    let length = ip.payload().len().min(RETURNED_BYTES);
    returned[..length].copy_from_slice(&ip.payload()[..length]);
    let header = Ipv4Repr {
        src_addr: ip.src_addr(),
        dst_addr: ip.dst_addr(),
        next_header: ip.next_header(),
        payload_len: ip.payload().len(),
        hop_limit: ip.hop_limit(),
    };
    let answer = Icmpv4Repr::DstUnreachable { reason, header, data: &returned };
    Some(emit(GATEWAY_ADDRESS, ip.src_addr(), IpProtocol::Icmp, answer.buffer_len(), |payload| {
        answer.emit(&mut Icmpv4Packet::new_unchecked(payload), &checksums());
    }))
}

/// Bytes of an UDP packet with such a payload; `None` where there is none so large.
pub(crate) fn datagram_length(payload: usize) -> Option<usize> {
    let length = IPV4_HEADER_LEN + UDP_HEADER_LEN + payload;
    u16::try_from(length).ok().map(usize::from)
}

/// Writes an UDP packet into `packet`, which is [`datagram_length`] long.
pub(crate) fn emit_datagram(packet: &mut [u8], from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
    let udp = UdpRepr { src_port: from.port(), dst_port: to.port() };
    emit_into(packet, *from.ip(), *to.ip(), IpProtocol::Udp, |buffer| {
        udp.emit(
            &mut UdpPacket::new_unchecked(buffer),
            &(*from.ip()).into(),
            &(*to.ip()).into(),
            payload.len(),
            |buffer| buffer.copy_from_slice(payload),
            &checksums(),
        );
    });
}

fn emit(
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: IpProtocol,
    payload_length: usize,
    payload: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut packet = vec![0; IPV4_HEADER_LEN + payload_length];
    emit_into(&mut packet, from, to, protocol, payload);
    packet
}

fn emit_into(packet: &mut [u8], from: Ipv4Addr, to: Ipv4Addr, protocol: IpProtocol, payload: impl FnOnce(&mut [u8])) {
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: protocol,
        payload_len: packet.len() - IPV4_HEADER_LEN,
        hop_limit: HOP_LIMIT,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut *packet), &checksums());
    payload(&mut packet[IPV4_HEADER_LEN..]);
}

/// All are computed: the kernel verifies them.
fn checksums() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smoltcp::wire::IpAddress;

    use super::*;
    use crate::address::DEVICE_ADDRESS;

    fn inside() -> SocketAddrV4 {
        SocketAddrV4::new(DEVICE_ADDRESS, 40_000)
    }

    fn outside() -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(93, 184, 216, 34), 443)
    }

    fn segment(control: TcpControl, ack: Option<i32>) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: inside().port(),
            dst_port: outside().port(),
            control,
            seq_number: TcpSeqNumber(1_000),
            ack_number: ack.map(TcpSeqNumber),
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let (from, to) = (*inside().ip(), *outside().ip());
        emit(from, to, IpProtocol::Tcp, tcp.buffer_len(), |payload| {
            tcp.emit(&mut TcpPacket::new_unchecked(payload), &from.into(), &to.into(), &checksums());
        })
    }

    fn datagram(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; datagram_length(payload.len()).expect("length")];
        emit_datagram(&mut packet, inside(), outside(), payload);
        packet
    }

    #[test]
    fn a_packet_says_where_it_goes() {
        let hello = datagram(b"hello");
        let parsed = parse(&hello).map(|packet| (packet.source, packet.destination, packet.transport));
        assert_eq!(parsed, Some((inside(), outside(), Transport::Udp(b"hello"))));
        let syn = segment(TcpControl::Syn, None);
        let flags = Flags { opens: true, resets: false };
        assert_eq!(parse(&syn).map(|packet| packet.transport), Some(Transport::Tcp(flags)));
        let syn_ack = segment(TcpControl::Syn, Some(1));
        assert_eq!(parse(&syn_ack).map(|packet| packet.transport), Some(Transport::Tcp(Flags::default())));
    }

    #[test]
    fn fragments_and_ipv6_are_nothing() {
        let mut fragment = datagram(b"hello");
        Ipv4Packet::new_unchecked(&mut fragment).set_more_frags(true);
        assert_eq!(parse(&fragment), None);
        let mut late = datagram(b"hello");
        Ipv4Packet::new_unchecked(&mut late).set_frag_offset(8);
        assert_eq!(parse(&late), None);
        let mut ipv6 = datagram(b"hello");
        Ipv4Packet::new_unchecked(&mut ipv6).set_version(6);
        assert_eq!(parse(&ipv6), None);
    }

    /// RFC 9293, section 3.10.7.1: acknowledges the SYN where there is no ACK, takes its number from the ACK where there is.
    #[test]
    fn a_refused_connection_is_reset() {
        for (original, seq, ack) in [
            (segment(TcpControl::Syn, None), 0, Some(TcpSeqNumber(1_001))),
            (segment(TcpControl::Fin, Some(77)), 77, None),
        ] {
            let answer = refuse(&original, Refusal::Refused).expect("an answer");
            let ip = Ipv4Packet::new_checked(&answer[..]).expect("a packet");
            assert!(ip.verify_checksum());
            let tcp = TcpPacket::new_checked(ip.payload()).expect("a segment");
            assert!(tcp.verify_checksum(&IpAddress::from(ip.src_addr()), &IpAddress::from(ip.dst_addr())));
            assert!(tcp.rst());
            assert_eq!(tcp.seq_number(), TcpSeqNumber(seq));
            assert_eq!(tcp.ack().then(|| tcp.ack_number()), ack);
            assert_eq!((ip.src_addr(), tcp.src_port()), (*outside().ip(), outside().port()));
        }
    }

    /// RFC 792: the header and eight bytes of what was refused.
    #[test]
    fn a_denied_packet_is_answered_with_its_own_beginning() {
        for (refusal, code) in [(Refusal::Denied, 9), (Refusal::Unreachable, 1), (Refusal::Refused, 3)] {
            let original = datagram(b"hello");
            let answer = refuse(&original, refusal).expect("an answer");
            let ip = Ipv4Packet::new_checked(&answer[..]).expect("a packet");
            let icmp = Icmpv4Packet::new_checked(ip.payload()).expect("ICMP");
            assert!(ip.verify_checksum() && icmp.verify_checksum());
            assert_eq!((u8::from(icmp.msg_type()), icmp.msg_code()), (3, code));
            assert_eq!(&icmp.data()[IPV4_HEADER_LEN..], &original[IPV4_HEADER_LEN..][..RETURNED_BYTES]);
            assert_eq!(ip.dst_addr(), DEVICE_ADDRESS);
        }
    }

    #[test]
    fn an_error_is_never_answered_with_an_error() {
        assert_eq!(refuse(&segment(TcpControl::Rst, None), Refusal::Refused), None);
        assert_eq!(refuse(&segment(TcpControl::Rst, None), Refusal::Denied), None);
        let error = refuse(&datagram(b"hello"), Refusal::Denied).expect("an answer");
        assert_eq!(refuse(&error, Refusal::Denied), None);
    }

    #[test]
    fn no_datagram_is_longer_than_a_packet_can_be() {
        assert_eq!(datagram_length(65_507), Some(65_535));
        assert_eq!(datagram_length(65_508), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            looks_real in any::<bool>(),
            protocol in prop_oneof![Just(6_u8), Just(17), any::<u8>()],
        ) {
            if looks_real && bytes.len() > 20 {
                bytes[0] = 0x45;
                let length = u16::try_from(bytes.len()).expect("short");
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[6..8].fill(0);
                bytes[9] = protocol;
            }
            let _ = parse(&bytes);
            for refusal in [Refusal::Denied, Refusal::Refused, Refusal::Unreachable, Refusal::Protocol] {
                let _ = refuse(&bytes, refusal);
            }
        }

        #[test]
        fn a_datagram_arrives_as_it_was_sent(payload in proptest::collection::vec(any::<u8>(), 0..3_000)) {
            let packet = datagram(&payload);
            let ip = Ipv4Packet::new_checked(&packet[..]).expect("a packet");
            let udp = UdpPacket::new_checked(ip.payload()).expect("a datagram");
            prop_assert!(udp.verify_checksum(&IpAddress::from(ip.src_addr()), &IpAddress::from(ip.dst_addr())));
            prop_assert_eq!(parse(&packet).map(|packet| packet.transport), Some(Transport::Udp(&payload[..])));
        }
    }
}
