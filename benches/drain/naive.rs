//! The straightforward way: a transaction, a confirmed reply and an ack for each message, so many at a time.

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use purser::clock;
use purser::ledger::account::{HouseAccount, HouseSide};
use purser::ledger::command::Timestamp;
use purser::ledger::orders::OrderKey;
use purser::ledger::{AccountId, Currency, ExternalId, Game, OrderId, PlayerId, PlayerKey, Pocket};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::backlog::request_queue;
use crate::{ledger, postgres};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bet {
    amount: i64,
    currency: String,
    game: String,
    round: i64,
    external_id: String,
    player_id: String,
}

pub async fn run(channel: Channel, replies: Channel, pg_url: String, at_once: u16) -> anyhow::Result<()> {
    let sessions = Mutex::new(Vec::new());
    for _ in 0..at_once {
        sessions.lock().await.push(Session::open(&pg_url).await?);
    }
    channel.basic_qos(at_once, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel.basic_consume(request_queue().as_str().into(), "naive".into(), options, none).await?;
    let (sessions, replies) = (&sessions, &replies);
    let handle = |delivery: Delivery| async move {
        let mut session = sessions.lock().await.pop().context("more messages at once than sessions")?;
        session.place(&delivery).await?;
        sessions.lock().await.push(session);
        answer(replies, &delivery).await?;
        delivery.acker.ack(BasicAckOptions::default()).await?;
        Ok(())
    };
    consumer.err_into::<anyhow::Error>().try_for_each_concurrent(usize::from(at_once), handle).await
}

async fn answer(channel: &Channel, request: &Delivery) -> lapin::Result<()> {
    let properties = lapin::BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type("order.bet.status".into())
        .with_correlation_id(request.properties.correlation_id().clone().unwrap_or_default())
        .with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let to = request.properties.reply_to().clone().unwrap_or_default();
    channel.basic_publish("".into(), to, options, br#"{"code":"201"}"#, properties).await?.await?;
    Ok(())
}

/// A connection with its statements prepared.
struct Session {
    client: Client,
    known: Statement,
    lock: Statement,
    journal: Statement,
    order: Statement,
    debit: Statement,
}

impl Session {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let client = postgres::connect(url).await?;
        Ok(Self {
            known: client.prepare("SELECT outcome FROM journal WHERE key = $1 AND by_key").await?,
            lock: client.prepare("SELECT balance, staked FROM accounts WHERE id = $1 FOR UPDATE").await?,
            journal: client
                .prepare(
                    "INSERT INTO journal (seq, writer, key, by_key, at, party, command, outcome, transfers, hash) \
                     VALUES (nextval('journal_seq'), 0, $1, TRUE, $2, $3, $4, $5, $6, '') RETURNING seq",
                )
                .await?,
            order: client
                .prepare(
                    "INSERT INTO orders (id, party, game, external_id, player, state, stake, currency, bucket, \
                     wallet, product, round, day, paid, placed_seq) \
                     VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, 'real', '', 0, $8, $9, 0, $10)",
                )
                .await?,
            debit: client
                .prepare(
                    "UPDATE accounts SET balance = balance - $2, staked = staked + $2, staked_day = $3 WHERE id = $1",
                )
                .await?,
            client,
        })
    }

    /// The rows that Purser writes for a bet, less the hash chain.
    async fn place(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let bet: Bet = serde_json::from_slice(&delivery.data)?;
        let (party, currency) = (ledger::party(), Currency::parse(&bet.currency)?);
        let player = PlayerKey::of(&party, &PlayerId::parse(&bet.player_id)?);
        let account = AccountId::of_player(player, &Pocket::real(currency)).uuid();
        let key = OrderKey { game: Game::parse(&bet.game)?, external_id: ExternalId::parse(&bet.external_id)? };
        let order = OrderId::of(&party, &key).uuid();
        let house = HouseAccount { party: party.clone(), side: HouseSide::House, currency }.id().uuid();
        let Timestamp(now) = clock::now();
        let day = Timestamp(now).day();
        let body = std::str::from_utf8(&delivery.data)?;
        let (order, account, house) = (&order.as_bytes()[..], &account.as_bytes()[..], &house.as_bytes()[..]);

        let transaction = self.client.transaction().await?;
        ensure!(transaction.query_opt(&self.known, &[&order]).await?.is_none(), "the order is known");
        let balance: i64 = transaction.query_one(&self.lock, &[&account]).await?.get(0);
        ensure!(balance >= bet.amount, "too little money");
        let outcome = r#"{"done":"bet_placed"}"#;
        let transfer = [account, house, &bet.amount.to_be_bytes()].concat();
        let values: [&(dyn ToSql + Sync); 6] = [&order, &now, &party.as_str(), &body, &outcome, &transfer];
        let seq: i64 = transaction.query_one(&self.journal, &values).await?.get(0);
        let player = &player.uuid().into_bytes()[..];
        transaction
            .execute(
                &self.order,
                &[
                    &order,
                    &party.as_str(),
                    &bet.game,
                    &bet.external_id,
                    &player,
                    &bet.amount,
                    &bet.currency,
                    &bet.round,
                    &day,
                    &seq,
                ],
            )
            .await?;
        transaction.execute(&self.debit, &[&account, &bet.amount, &day]).await?;
        Ok(transaction.commit().await?)
    }
}
