//! Any bytes, read as messages of an event stream one after the other.
//!
//! None may panic, and what was read is written the same way again.
#![no_main]

use hearth_wire::event_stream::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((message, taken))) = Message::decode(rest) {
        let mut again = Vec::new();
        message.encode(&mut again).expect("what was read can be written");
        assert_eq!(again, rest[..taken], "written as it was read");
        rest = &rest[taken..];
    }
});
