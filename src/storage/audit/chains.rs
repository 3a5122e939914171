//! The journal's chains, one per writer; and, up to the checkpoint, the seals of what pruning left.

use std::collections::BTreeMap;

use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::{AuditReport, ChainHead, hex};
use crate::ledger::chain::{self, Hash};
use crate::storage::StoreError;
use crate::storage::checkpoint::{self, CheckpointRow, PrunedHead, hash};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::rows::{Bytes, JournalRow};
use crate::storage::schema::writers;

/// Where a writer's chain was left.
struct Left {
    last_seq: i64,
    head: Bytes,
}

pub(super) struct Chains {
    checkpoint: CheckpointRow,
    writers: BTreeMap<i32, Left>,
    /// How far each chain has been followed.
    heads: BTreeMap<i32, (i64, Hash)>,
    /// What was found of what pruning left.
    rows_left: i64,
    accounts_carried: i64,
    seals: Hash,
    /// All of that in its order. The checkpoint's own seals do not know an order, and whoever can write rows could choose
    /// such that they come out the same.
    left: Sha256,
}

impl Chains {
    pub(super) fn begin(conn: &mut AnyConnection) -> Result<Self, StoreError> {
        let checkpoint = checkpoint::read(conn)?;
        let columns = (writers::id, writers::last_seq, writers::head, writers::pruned_seq, writers::pruned_head);
        let rows: Vec<(i32, i64, Bytes, i64, Bytes)> =
            on!(conn, conn => writers::table.select(columns).load(conn)).map_err(classify)?;
        let mut chains = Self {
            checkpoint,
            writers: BTreeMap::new(),
            heads: BTreeMap::new(),
            rows_left: 0,
            accounts_carried: 0,
            seals: chain::START,
            left: Sha256::new(),
        };
        chains.checkpoint.toggle(&mut chains.seals);
        chains.left.update(chains.seals);
        for (writer, last_seq, head, pruned_seq, pruned_head) in rows {
            chains.writers.insert(writer, Left { last_seq, head });
            chains.left.update(writer.to_be_bytes());
            chains.left.update(pruned_seq.to_be_bytes());
            chains.left.update(&pruned_head);
            chains.heads.insert(writer, (pruned_seq, hash(&pruned_head)?));
            PrunedHead { writer, seq: pruned_seq, head: pruned_head }.toggle(&mut chains.seals)?;
        }
        Ok(chains)
    }

    /// Compares a row's hash with what it must be.
    pub(super) fn link(&mut self, row: &JournalRow, report: &mut AuditReport) -> Result<(), StoreError> {
        if row.seq <= self.checkpoint.seq {
            return self.unseal(row, report);
        }
        let (_, previous) = self.heads.get(&row.writer).copied().unwrap_or((0, chain::START));
        let linked = checkpoint::hashed(row, |hashed| chain::link(&previous, hashed))?;
        if linked.as_slice() != row.hash.as_slice() {
            let (seq, writer) = (row.seq, row.writer);
            report.findings.push(format!("journal row {seq} does not follow from its predecessor in chain {writer}"));
        }
        // Go on from the stored hash, so that one altered row is one finding.
        let head = hash(&row.hash).unwrap_or(previous);
        self.heads.insert(row.writer, (row.seq, head));
        Ok(())
    }

    fn unseal(&mut self, row: &JournalRow, report: &mut AuditReport) -> Result<(), StoreError> {
        let seal = checkpoint::sealed(row)?;
        if seal.as_slice() != row.hash.as_slice() {
            report.findings.push(format!("journal row {} is not as pruning left it", row.seq));
        }
        self.rows_left += 1;
        self.left.update(seal);
        chain::toggle(&mut self.seals, &hash(&row.hash).unwrap_or(seal));
        Ok(())
    }

    /// Compares where the chains end, and what was carried.
    pub(super) fn finish(mut self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        for (id, (seq, _)) in self.heads.iter().filter(|(id, _)| !self.writers.contains_key(id)) {
            report.findings.push(format!("chain {id} ends at journal row {seq}, and no writer left it"));
        }
        for (id, Left { last_seq, head: left }) in &self.writers {
            let (seq, head) = self.heads.get(id).copied().unwrap_or((0, chain::START));
            if *last_seq != seq || *left != head {
                report.findings.push(format!("chain {id} ends at journal row {seq}, and was left at {last_seq}"));
            }
        }
        self.carried(conn, report)?;
        report.heads = self.heads();
        let CheckpointRow { seq, rows_left, accounts_carried, seals, .. } = &self.checkpoint;
        if (self.rows_left, self.accounts_carried) != (*rows_left, *accounts_carried) {
            let (rows, accounts) = (self.rows_left, self.accounts_carried);
            report.findings.push(format!(
                "{rows} journal rows and {accounts} carried accounts are left up to row {seq}, and pruning left \
                 {rows_left} and {accounts_carried}"
            ));
        } else if self.seals.as_slice() != seals.as_slice() {
            report.findings.push(format!("the checkpoint at journal row {seq} is not that of what pruning left"));
        }
        Ok(())
    }

    /// Each chain's head, over what pruning left before it as well.
    fn heads(&self) -> Vec<ChainHead> {
        let left = self.left.clone().finalize();
        let is_pruned = self.checkpoint.seq > 0;
        let head = |(writer, (seq, head)): (&i32, &(i64, Hash))| {
            let covering = Sha256::new_with_prefix(head).chain_update(left).finalize();
            let head = if is_pruned { covering.as_slice() } else { head.as_slice() };
            let head = head.iter().map(|byte| format!("{byte:02x}")).collect();
            ChainHead { chain: *writer, seq: *seq, head }
        };
        self.heads.iter().map(head).collect()
    }

    fn carried(&mut self, conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
        checkpoint::each_carried(conn, |row| {
            let seal = row.sealed()?;
            if seal.as_slice() != row.seal.as_slice() {
                let account = hex(&row.account);
                report.findings.push(format!("{account} is an account of which something else is carried"));
            }
            self.accounts_carried += 1;
            self.left.update(seal);
            chain::toggle(&mut self.seals, &hash(&row.seal).unwrap_or(seal));
            Ok(())
        })
    }
}
