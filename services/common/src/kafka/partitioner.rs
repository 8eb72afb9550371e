//! Which partition a key goes to: murmur2 as Java's default partitioner computes it, so that every producer agrees,
//! over the part of the key before the first `|`.
//!
//! Keys of revised records have two parts, `device|day`: compaction keeps one record for each whole key, while all
//! days of a device stay in one partition, in order.

use rdkafka::producer::Partitioner;

/// Partitions by the entity a key names: the part before the first `|`.
pub struct ByEntity;

impl Partitioner for ByEntity {
    fn partition(
        &self,
        _topic_name: &str,
        key: Option<&[u8]>,
        partition_cnt: i32,
        _is_partition_available: impl Fn(i32) -> bool,
    ) -> i32 {
        partition_of(key.unwrap_or_default(), partition_cnt)
    }
}

/// The partition of `key` among `partitions` (at least one).
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let entity = key.split(|byte| *byte == b'|').next().unwrap_or_default();
    ((murmur2(entity) & 0x7fff_ffff) % partitions.max(1) as u32) as i32
}

/// MurmurHash2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
#[allow(clippy::cast_possible_truncation)]
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    #[allow(clippy::cast_sign_loss)]
    fn agrees_with_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash as u32, "{key}");
        }
    }

    #[test]
    fn all_days_of_a_device_share_a_partition() {
        let device = partition_of(b"device-7", 12);
        for day in 1..=31 {
            assert_eq!(partition_of(format!("device-7|2026-01-{day:02}").as_bytes(), 12), device);
        }
    }
}
