//! Archives no archiver would write: every field of every header is the test's to choose. Source: PKWARE APPNOTE 4.3.
#![allow(dead_code, reason = "each test program uses a part")]

const UNIX: u16 = 3;
pub(crate) const STORED: u16 = 0;
pub(crate) const DEFLATED: u16 = 8;
pub(crate) const ENCRYPTED: u16 = 1;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// As `st_mode`; 0 writes an entry of an archiver that knows no modes.
    pub(crate) mode: u32,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    /// The unpacked size the headers claim, if not the true one.
    pub(crate) claimed: Option<u32>,
    pub(crate) crc: Option<u32>,
    /// Where the central directory says the entry is, if not where it is.
    pub(crate) offset: Option<u32>,
}

impl Entry {
    pub(crate) fn new(name: &str, content: &[u8], mode: u32) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            content: content.to_vec(),
            mode,
            flags: 0,
            method: STORED,
            claimed: None,
            crc: None,
            offset: None,
        }
    }

    pub(crate) fn file(name: &str, content: &[u8]) -> Self {
        Self::new(name, content, libc::S_IFREG | 0o644)
    }

    pub(crate) fn link(name: &str, target: &str) -> Self {
        Self::new(name, target.as_bytes(), libc::S_IFLNK | 0o777)
    }

    pub(crate) fn directory(name: &str) -> Self {
        Self::new(name, b"", libc::S_IFDIR | 0o755)
    }

    /// Version, flags, method, time, CRC and sizes: what both headers share.
    fn common(&self) -> Vec<u8> {
        let size = self.content.len() as u32;
        let mut bytes = Vec::new();
        for field in [20, self.flags, self.method, 0, 0x21] {
            bytes.extend(u16::to_le_bytes(field));
        }
        for field in [self.crc.unwrap_or_else(|| crc32(&self.content)), size, self.claimed.unwrap_or(size)] {
            bytes.extend(u32::to_le_bytes(field));
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
        bytes
    }
}

pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = entry.offset.unwrap_or(file.len() as u32);
        file.extend(b"PK\x03\x04");
        file.extend(entry.common());
        file.extend(&entry.name);
        file.extend(&entry.content);
        let host = if entry.mode == 0 { 0 } else { UNIX };
        directory.extend(b"PK\x01\x02");
        directory.extend((host << 8 | 20).to_le_bytes());
        directory.extend(entry.common());
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = file.len() as u32;
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
