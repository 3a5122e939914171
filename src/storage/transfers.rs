//! The transfers of a journal row, in a column of it: rows of their own would cost each bet one more, and an entry in the
//! index of those.
//!
//! | bytes | are |
//! |---|---|
//! | 16 | the account that is debited |
//! | 16 | the account that is credited |
//! | 8 | minor units, at least 1, the highest byte first |
//!
//! One behind the other, in the order in which the command made them, with nothing in between: just what the row's hash
//! covers ([`chain::Row`](crate::ledger::chain::Row)). A row that moved nothing has no bytes.

use uuid::Uuid;

use super::StoreError;
use super::rows::{Bytes, damaged};
use crate::ledger::AccountId;
use crate::ledger::batch::TransferEntry;

/// Bytes of one transfer.
pub(crate) const WIDTH: usize = 40;

/// A transfer as it lies in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransferBytes<'a> {
    pub debit: &'a [u8; 16],
    pub credit: &'a [u8; 16],
    /// Minor units, at least 1.
    pub amount: i64,
}

impl TransferBytes<'_> {
    pub fn entry(&self) -> TransferEntry {
        let [debit, credit] = [self.debit, self.credit].map(|id| AccountId::from_uuid(Uuid::from_bytes(*id)));
        TransferEntry { debit, credit, amount: self.amount }
    }
}

pub fn encode(transfers: &[TransferEntry]) -> Bytes {
    let mut bytes = Bytes::with_capacity(transfers.len() * WIDTH);
    for TransferEntry { debit, credit, amount } in transfers {
        bytes.extend_from_slice(debit.uuid().as_bytes());
        bytes.extend_from_slice(credit.uuid().as_bytes());
        bytes.extend_from_slice(&amount.to_be_bytes());
    }
    bytes
}

/// Reads the transfers of row `seq`.
pub(crate) fn decode(seq: i64, bytes: &[u8]) -> Result<Vec<TransferBytes<'_>>, StoreError> {
    let (whole, rest) = bytes.as_chunks::<WIDTH>();
    let transfers = if rest.is_empty() { whole.iter().map(one).collect() } else { None };
    transfers.ok_or_else(|| damaged(&format!("journal row {seq}"), "has transfers that cannot be read"))
}

fn one(bytes: &[u8; WIDTH]) -> Option<TransferBytes<'_>> {
    let (debit, bytes) = bytes.split_first_chunk()?;
    let (credit, bytes) = bytes.split_first_chunk()?;
    let amount = i64::from_be_bytes(bytes.try_into().ok()?);
    (amount > 0).then_some(TransferBytes { debit, credit, amount })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn transfers() -> impl Strategy<Value = Vec<TransferEntry>> {
        let account = || any::<u128>().prop_map(|id| AccountId::from_uuid(Uuid::from_u128(id)));
        let transfer = (account(), account(), 1..=i64::MAX);
        let entry = transfer.prop_map(|(debit, credit, amount)| TransferEntry { debit, credit, amount });
        proptest::collection::vec(entry, 0..6)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_as_it_was(transfers in transfers()) {
            let bytes = encode(&transfers);
            prop_assert_eq!(bytes.len(), transfers.len() * WIDTH);
            let read = decode(7, &bytes).unwrap();
            prop_assert_eq!(read.iter().map(TransferBytes::entry).collect::<Vec<_>>(), transfers);
        }

        #[test]
        fn what_is_read_is_encoded_as_it_was_or_is_an_error_that_names_its_row(bytes: Vec<u8>) {
            match decode(7, &bytes) {
                Ok(read) => prop_assert_eq!(read.len() * WIDTH, bytes.len()),
                Err(error) => prop_assert!(error.to_string().contains("journal row 7"), "{}", error),
            }
        }
    }

    #[test]
    fn half_a_transfer_and_one_of_nothing_cannot_be_read() {
        let nothing = [0; WIDTH];
        let mut less_than_nothing = nothing;
        less_than_nothing[32..].fill(0xff);
        let mut one = nothing;
        one[WIDTH - 1] = 1;
        for damaged in [&nothing[..], &less_than_nothing, &one[1..], &[&one[..], &[0]].concat()] {
            assert!(decode(7, damaged).is_err(), "{damaged:?}");
        }
        assert_eq!(decode(7, &one).unwrap().len(), 1);
    }
}
