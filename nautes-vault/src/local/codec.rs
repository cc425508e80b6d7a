//! The bytes of a secret's values before they are sealed: a count, then each key and value with its length.

use std::collections::BTreeMap;

use nautes_model::Secret;
use zeroize::Zeroizing;

/// Writes values into one buffer, which never grows and so leaves no copy behind.
pub(super) fn encode(values: &BTreeMap<String, Secret>) -> Zeroizing<Vec<u8>> {
    let size = 4 + values
        .iter()
        .map(|(k, v)| 8 + k.len() + v.expose().len())
        .sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    put_length(&mut out, values.len());
    for (key, value) in values {
        for bytes in [key.as_bytes(), value.expose()] {
            put_length(&mut out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
    out
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<BTreeMap<String, Secret>> {
    let mut values = BTreeMap::new();
    let count = take_length(&mut bytes)?;
    for _ in 0..count {
        let key = std::str::from_utf8(take(&mut bytes)?).ok()?.to_owned();
        let value = Secret::new(take(&mut bytes)?);
        if values.insert(key, value).is_some() {
            return None;
        }
    }
    bytes.is_empty().then_some(values)
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    // A store accepts a few MB at most, so the length fits.
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*head)).ok()
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decoding_gives_what_was_encoded(
            values in proptest::collection::btree_map(".{0,20}", proptest::collection::vec(any::<u8>(), 0..50), 0..8),
        ) {
            let values: BTreeMap<String, Secret> = values.into_iter().map(|(k, v)| (k, Secret::new(v))).collect();
            let bytes = encode(&values);
            prop_assert_eq!(decode(&bytes), Some(values));
            for at in 0..bytes.len() {
                prop_assert!(decode(&bytes[..at]).is_none());
            }
        }

        #[test]
        fn decoding_nonsense_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
