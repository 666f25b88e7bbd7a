//! Any bytes, read as a receipt.
#![no_main]

use gov_deferred_audit::read_back::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    Format::Receipt.read_back(bytes).unwrap();
});
