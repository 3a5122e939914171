//! What acts about transactions change: of one decision, and of a batch.

use std::collections::BTreeMap;

use super::{ManualVoid, Transaction, Transactions};

/// What one decision changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionEffects {
    /// Final values of new and changed transactions.
    pub transactions: Vec<Transaction>,
    pub void: Option<ManualVoid>,
}

/// What a batch changes: final values, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionChanges {
    pub transactions: BTreeMap<i64, Transaction>,
    /// By the number of the transaction that they are about.
    pub voids: BTreeMap<i64, ManualVoid>,
}

impl TransactionChanges {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(in crate::ledger) fn apply(&mut self, known: &mut Transactions, effects: TransactionEffects) {
        for transaction in effects.transactions {
            self.transactions.insert(transaction.number, transaction.clone());
            known.keep(transaction);
        }
        if let Some(void) = effects.void {
            self.voids.insert(void.source, void.clone());
            known.voids.insert(void.source, void);
        }
    }
}
