//! A queue read from its front, with everything that was read held until it is dropped or let go.
//!
//! Letters come through consumers, many at a time: the broker takes a hundred times longer to hand them out one by one.
//! A consumer gets no more than its window, and what is held stays in it; so when that is half full, the consumer ends
//! and the next letters come over a channel of their own. What is held in memory here is one window, and the letters' tags.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::time::{Instant, sleep, timeout};

use super::legible::Mended;
use super::session::SessionError;
use super::topology::closed;

/// Letters that one channel gets. With the 2047 channels of a connection that is room for four million.
const WINDOW: u16 = 2000;

/// How long nothing may come before it is looked whether the queue is empty.
const QUIET: Duration = Duration::from_millis(200);

/// How soon an answer comes that the queue itself has given; and how long nothing may come before any answer will do,
/// since a broker may be far away.
pub(super) const PROMPT: Duration = Duration::from_millis(150);
const QUIET_AT_LAST: Duration = Duration::from_secs(5);

/// How long letters that are let go may make no progress towards their queue, and how often it is looked.
const RETURN_PATIENCE: Duration = Duration::from_secs(5);
const RETURN_PAUSE: Duration = Duration::from_millis(2);

/// Letters let go together, and before it is waited until they are in their places. Of more than 32 together a quorum
/// queue (RabbitMQ 3.10) forgets the order, and of more than 32 times that under way its client makes one.
const RETURNED_TOGETHER: usize = 32;
const RETURNED_AT_ONCE: usize = 16 * RETURNED_TOGETHER;

/// A letter, held: dropped or let go by the queue that it came from.
pub(super) struct HeldLetter {
    pub window: usize,
    pub delivery: Delivery,
    /// Nobody could read it as it came.
    pub is_mended: bool,
}

impl HeldLetter {
    /// A letter that no queue holds.
    pub fn of(delivery: Delivery) -> Self {
        Self { window: 0, delivery, is_mended: false }
    }
}

/// One channel's share of the letters.
struct Window {
    channel: Channel,
    /// Tags of the letters that came and were not dropped.
    held: BTreeSet<u64>,
}

/// Whom the last window's letters come through. It keeps the room that they took for as long as it is there.
struct Consuming {
    channel: Channel,
    consumer: Consumer,
    is_open: bool,
}

pub(super) struct QueueBrowser {
    name: ShortString,
    /// Deliveries of the connection that nobody could read as they came.
    mended: Mended,
    /// For questions, so that they do not wait behind letters.
    channel: Channel,
    windows: Vec<Window>,
    /// Once there is a window.
    consuming: Option<Consuming>,
}

impl QueueBrowser {
    pub async fn open(connection: &Connection, mended: Mended, name: ShortString) -> lapin::Result<Self> {
        Ok(Self { name, mended, channel: connection.create_channel().await?, windows: Vec::new(), consuming: None })
    }

    /// How many letters wait; what is held does not.
    pub async fn count(&self) -> lapin::Result<u64> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(self.name.clone(), options, FieldTable::default()).await?;
        Ok(u64::from(declared.message_count()))
    }

    /// Whether none waits. A quorum queue that is too busy to answer its broker within 250 ms counts as empty there
    /// (RabbitMQ 3.10), so a late answer is not believed at once. Nothing has come since `quiet`.
    async fn is_empty(&self, quiet: Instant) -> lapin::Result<bool> {
        let asked = Instant::now();
        Ok(self.count().await? == 0 && (asked.elapsed() < PROMPT || quiet.elapsed() >= QUIET_AT_LAST))
    }

    /// The next letter; `None` when there is none.
    pub async fn next(&mut self, connection: &Connection) -> Result<Option<HeldLetter>, SessionError> {
        let quiet = Instant::now();
        loop {
            let (Some(consuming), Some(window)) = (&mut self.consuming, self.windows.last()) else {
                self.another(connection).await?;
                continue;
            };
            if window.held.len() >= usize::from(WINDOW / 2) {
                consuming.close().await?;
            }
            let came = match timeout(QUIET, consuming.consumer.next()).await {
                Ok(None) if consuming.is_open => return Err(SessionError::Cancelled),
                Ok(Some(came)) => came?,
                Ok(None) => {
                    self.another(connection).await?;
                    continue;
                }
                Err(_) if !self.is_empty(quiet).await? => continue,
                Err(_) => match self.last().await? {
                    Some(came) => came,
                    None => return Ok(None),
                },
            };
            let window = self.windows.len() - 1;
            self.windows[window].held.insert(came.delivery_tag);
            let is_mended = self.mended.take(self.windows[window].channel.id(), came.delivery_tag);
            return Ok(Some(HeldLetter { window, delivery: came, is_mended }));
        }
    }

    /// Takes a letter out for good.
    pub async fn take_out(&mut self, letter: &HeldLetter) -> lapin::Result<()> {
        let Some(window) = self.windows.get_mut(letter.window) else { return Ok(()) };
        window.channel.basic_ack(letter.delivery.delivery_tag, BasicAckOptions { multiple: false }).await?;
        window.held.remove(&letter.delivery.delivery_tag);
        Ok(())
    }

    /// Lets everything go back to its place, in its order, and waits until it is there: whoever looks next, at once
    /// perhaps, must find it. A nack does not count towards delivery limits where the broker tells the two apart.
    pub async fn release(&mut self) -> lapin::Result<()> {
        // It first: while open, it would be given what the others let go.
        if let Some(mut consuming) = self.consuming.take() {
            consuming.close().await?;
            // What it got and nobody has asked for goes back, too.
            while let (Some(Some(Ok(came))), Some(window)) =
                (consuming.consumer.next().now_or_never(), self.windows.last_mut())
            {
                window.held.insert(came.delivery_tag);
            }
        }
        let mut there = self.count().await?;
        for window in &self.windows {
            let tags: Vec<u64> = window.held.iter().copied().collect();
            for step in tags.chunks(RETURNED_AT_ONCE) {
                for last in step.chunks(RETURNED_TOGETHER).filter_map(<[u64]>::last) {
                    window.channel.basic_nack(*last, BasicNackOptions { multiple: true, requeue: true }).await?;
                }
                there += u64::try_from(step.len()).unwrap_or(0);
                self.until_there(there).await?;
            }
        }
        Ok(())
    }

    /// Lets everything go back to its place, and reads from the front again.
    pub async fn begin_again(&mut self) -> lapin::Result<()> {
        self.release().await?;
        for window in self.windows.drain(..) {
            closed(window.channel.close(200, "read".into()).await)?;
        }
        Ok(())
    }

    /// Waits until so many letters wait; not for ever, since others may take some.
    async fn until_there(&self, letters: u64) -> lapin::Result<()> {
        let (mut there, mut since) = (0, Instant::now());
        while there < letters && since.elapsed() < RETURN_PATIENCE {
            let now = self.count().await?;
            if now > there {
                (there, since) = (now, Instant::now());
            } else {
                sleep(RETURN_PAUSE).await;
            }
        }
        Ok(())
    }

    /// What was still under way when the queue was found empty. It was sent before the answer to this question, so it is
    /// here by then.
    async fn last(&mut self) -> lapin::Result<Option<Delivery>> {
        let Some(Consuming { channel, consumer, .. }) = &mut self.consuming else { return Ok(None) };
        channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
        consumer.next().now_or_never().flatten().transpose()
    }

    /// Opens another window, through which the next letters come.
    async fn another(&mut self, connection: &Connection) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(self.name.clone(), tag, options, FieldTable::default()).await?;
        self.windows.push(Window { channel: channel.clone(), held: BTreeSet::new() });
        self.consuming = Some(Consuming { channel, consumer, is_open: true });
        Ok(())
    }
}

impl Consuming {
    /// Ends it. What came is still held, and what came and was not told is still told.
    async fn close(&mut self) -> lapin::Result<()> {
        if std::mem::replace(&mut self.is_open, false) {
            self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default()).await?;
        }
        Ok(())
    }
}
