//! What one transaction writes, as table rows.

use std::collections::HashSet;

use super::StoreError;
use super::partners::PartnerRows;
use super::rows::{AccountRow, ChangedAccountRow, JournalRow, OrderRow, PlayerRow, WriterRow, bytes, damaged};
use super::transfers;
use super::usernames::UsernameRow;
use crate::ledger::chain;
use crate::ledger::{AccountId, Batch, CommandKey, OrderId, State};

/// What was there when a batch was loaded: it is changed, and anything else is added.
#[derive(Debug, Default)]
pub struct Found {
    accounts: HashSet<AccountId>,
    orders: HashSet<OrderId>,
}

impl Found {
    pub fn in_state(state: &State) -> Self {
        let accounts = state.players.values().flat_map(|player| &player.accounts);
        Self { accounts: accounts.map(|account| account.id).collect(), orders: state.orders.keys().copied().collect() }
    }
}

/// The rows that one batch writes.
#[derive(Debug, Default)]
pub struct BatchRows {
    pub journal: Vec<JournalRow>,
    pub players: Vec<PlayerRow>,
    pub usernames: Vec<UsernameRow>,
    /// New ones.
    pub accounts: Vec<AccountRow>,
    pub changed_accounts: Vec<ChangedAccountRow>,
    pub house: Vec<AccountRow>,
    /// New ones.
    pub orders: Vec<OrderRow>,
    pub changed_orders: Vec<OrderRow>,
    pub partners: PartnerRows,
    /// The writer's row after the batch.
    pub writer: Option<WriterRow>,
}

impl BatchRows {
    /// Chains the entries to `writer`'s head.
    pub fn of(batch: &Batch, writer: &WriterRow, found: &Found) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        let mut head = writer.head()?;
        for entry in &batch.entries {
            let seq = entry.seq;
            let before = rows.journal.last().map_or(writer.last_seq, |row| row.seq);
            if seq <= before {
                return Err(StoreError::Rejected(format!("journal row {seq} would follow row {before} of its chain")));
            }
            let command = serde_json::to_string(&entry.keyed.command).map_err(|error| damaged("command", error))?;
            let outcome = serde_json::to_string(&entry.outcome).map_err(|error| damaged("outcome", error))?;
            let key = entry.kept_key().map(CommandKey::uuid);
            let transfers = transfers::encode(&entry.transfers);
            let row = chain::Row { seq, key, command: &command, outcome: &outcome, transfers: &transfers };
            head = chain::link(&head, &row);
            rows.journal.push(JournalRow {
                seq,
                at: entry.keyed.command.at.0,
                writer: writer.id,
                by_key: key.is_some() && entry.keyed.order.is_none(),
                key: key.map(bytes),
                party: entry.keyed.command.party.to_string(),
                transfers,
                command,
                outcome,
                hash: head.to_vec(),
            });
        }
        rows.players = batch.players.iter().map(PlayerRow::of).collect();
        rows.usernames = batch.usernames.iter().map(|(name, player)| UsernameRow::of(name, *player)).collect();
        for account in &batch.accounts {
            if found.accounts.contains(&account.id) {
                rows.changed_accounts.push(ChangedAccountRow::of(account));
            } else {
                rows.accounts.push(AccountRow::of(account));
            }
        }
        rows.house = batch.house.iter().map(|(house, id)| AccountRow::of_house(house, *id)).collect();
        for (order, numbers) in &batch.orders {
            let is_found = found.orders.contains(&order.id());
            let orders = if is_found { &mut rows.changed_orders } else { &mut rows.orders };
            orders.push(OrderRow::of(order, *numbers));
        }
        rows.find_every_command()?;
        rows.partners = PartnerRows::of(batch)?;
        let last_seq = rows.journal.last().map_or(writer.last_seq, |row| row.seq);
        rows.writer = Some(WriterRow { id: writer.id, last_seq, head: head.to_vec() });
        Ok(rows)
    }

    /// What is kept and not found again would be decided twice.
    fn find_every_command(&self) -> Result<(), StoreError> {
        let by_order = self.journal.iter().filter(|row| row.key.is_some() && !row.by_key).count();
        let orders = self.orders.iter().chain(&self.changed_orders);
        let numbers = orders.flat_map(|row| [row.placed_seq, row.settled_seq, row.cancelled_seq]);
        let numbered = numbers.flatten().count();
        if numbered != by_order {
            let why = format!("{by_order} commands are kept about orders that tell {numbered} numbers");
            return Err(StoreError::Rejected(why));
        }
        Ok(())
    }
}
