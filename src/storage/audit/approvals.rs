//! Transfers that a second person had to approve: moved where they were, exactly once and as they were asked for, and
//! nowhere else.

use diesel::prelude::*;

use super::AuditReport;
use crate::ledger::command::{Act, Command};
use crate::ledger::{AccountAct, TransactionAct};
use crate::storage::StoreError;
use crate::storage::approvals::{self, Approval, ApprovalState};
use crate::storage::queries::{AnyConnection, classify, on};
use crate::storage::schema::journal;

/// Approvals read at a time. Each is looked up in the journal, and there are few.
const AT_ONCE: i64 = 500;

/// Findings that are told.
const TOLD: usize = 20;

pub(super) fn audit(conn: &mut AnyConnection, report: &mut AuditReport) -> Result<(), StoreError> {
    let (mut after, mut findings) = (None, Vec::new());
    loop {
        let page = approvals::page(conn, &[], None, after, AT_ONCE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for approval in &page {
            let wrong = finding(conn, approval)?.filter(|_| findings.len() < TOLD);
            findings.extend(wrong.map(|wrong| format!("approval {} {wrong}", approval.id)));
        }
    }
    report.findings.append(&mut findings);
    Ok(())
}

fn finding(conn: &mut AnyConnection, approval: &Approval) -> Result<Option<String>, StoreError> {
    if matches!(&approval.command, Act::Account(AccountAct::Deposit(cash) | AccountAct::Withdraw(cash)) if *cash.key != *approval.id.to_string())
    {
        return Ok(Some("would move money under another key than its own".to_owned()));
    }
    if approval.decided.as_ref().is_some_and(|(by, _)| *by == approval.asked_by) {
        return Ok(Some("was decided on by whoever asked for it".to_owned()));
    }
    let rows = approval.rows(conn)?;
    // One void may be asked for several times, and be approved by hand where it no longer is above the threshold.
    let has_own_key = !matches!(approval.command, Act::Transaction(TransactionAct::ResolveVoid(_)));
    Ok(match (approval.state, rows.as_slice()) {
        (ApprovalState::Moved, []) => Some("is moved, and the journal has no such command".to_owned()),
        (ApprovalState::Pending | ApprovalState::Rejected, [row, ..]) if has_own_key => {
            Some(format!("is {}, and journal row {row} has moved it", approval.state.as_str()))
        }
        (ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Rejected, []) => None,
        (_, rows) if rows.len() > 1 => Some("was moved more than once".to_owned()),
        (_, rows) => differs(conn, approval, rows)?.then(|| "was moved otherwise than it was approved".to_owned()),
    })
}

/// Of what pruning left of a command its key speaks alone.
fn differs(conn: &mut AnyConnection, approval: &Approval, rows: &[i64]) -> Result<bool, StoreError> {
    let of_rows = journal::table.filter(journal::seq.eq_any(rows)).select(journal::command);
    let commands: Vec<String> = on!(conn, conn => of_rows.load(conn)).map_err(classify)?;
    let whole = commands.iter().filter_map(|text| serde_json::from_str::<Command>(text).ok());
    let same = |command: &Command| match (&command.act, &approval.command) {
        // The number is given when it is moved.
        (
            Act::Transaction(TransactionAct::ResolveVoid(moved)),
            Act::Transaction(TransactionAct::ResolveVoid(asked)),
        ) => {
            (&moved.player, moved.source, moved.approve, moved.attempt)
                == (&asked.player, asked.source, asked.approve, asked.attempt)
        }
        (moved, asked) => moved == asked,
    };
    Ok(whole.filter(|command| command.party != approval.party || !same(command)).count() > 0)
}
