//! The checksum by which an edit of `_example`, instead of the data, is noticed.

/// The annotation with the checksum of `_example`.
pub const EXAMPLE_CHECKSUM: &str = "knative.dev/example-checksum";

/// The checksum that Knative writes beside `_example`: CRC-32 (IEEE), in hex, of its trimmed text
/// with each run of line ends as the two characters `\n`.
#[must_use]
pub fn example_checksum(example: &str) -> String {
    let lines = example.trim().split('\n').map(|line| line.trim_end_matches('\r'));
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\\n");
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    format!("{:08x}", !crc)
}
