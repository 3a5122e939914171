//! The provider: publishes a plan, and collects what it is answered, through whatever breaks.

use super::*;

/// Events that may be unanswered at a time: the play lasts while things happen, and is quick where nothing does.
const UNANSWERED: usize = 400;

/// Messages confirmed together.
const CHUNK: usize = 40;

/// How long the broker may take to answer before the provider connects again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the provider has to connect again; nobody looks at it.
#[derive(Debug)]
pub struct Lost;

impl From<lapin::Error> for Lost {
    fn from(_: lapin::Error) -> Self {
        Self
    }
}

/// Waits for the broker no longer than it may take: one that breaks off meanwhile leaves lapin waiting for ever, be it for
/// an answer or for its own socket to take an ack.
pub async fn in_time<T>(asking: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, Lost> {
    Ok(tokio::time::timeout(PATIENCE, asking).await.map_err(|_| Lost)??)
}

/// A channel that confirms, where the reply queue is; with the connection that it lives on.
pub async fn connect(url: &str) -> Result<(Connection, Channel), Lost> {
    in_time(async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(short(REPLIES), options, FieldTable::default()).await?;
        Ok((connection, channel))
    })
    .await
}

pub async fn publish_all(url: String, plan: Arc<Plan>, ledger: Arc<Mutex<Ledger>>) {
    let mut published = 0;
    // What was not confirmed is sent again by the next connection.
    while publish_some(&url, &plan, &ledger, &mut published).await.is_err() {
        pause().await;
    }
}

async fn publish_some(url: &str, plan: &Plan, ledger: &Mutex<Ledger>, published: &mut usize) -> Result<(), Lost> {
    let (_connection, channel) = connect(url).await?;
    while *published < plan.publications.len() {
        while is_far_ahead(ledger) {
            pause().await;
        }
        let end = plan.publications.len().min(*published + CHUNK);
        let chunk = plan.publications[*published..end].iter().map(|index| &plan.events[*index]);
        publish_chunk(&channel, chunk, ledger).await?;
        *published = end;
    }
    Ok(())
}

fn is_far_ahead(ledger: &Mutex<Ledger>) -> bool {
    let ledger = ledger.lock().expect("nobody panics with it");
    ledger.confirmed.len() >= ledger.answers.len() + UNANSWERED
}

pub async fn publish_chunk(
    channel: &Channel,
    events: impl Iterator<Item = &Event>,
    ledger: &Mutex<Ledger>,
) -> Result<(), Lost> {
    let mut confirms = Vec::new();
    for event in events {
        let properties = BasicProperties::default()
            .with_correlation_id(short(&event.correlation()))
            .with_reply_to(short(REPLIES))
            .with_delivery_mode(2);
        let queue = short(&request_queue(&party("acme"), event.operation));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publishing = channel.basic_publish(short(REQUESTS), queue, options, &event.body, properties);
        confirms.push((event.correlation(), in_time(publishing).await?));
    }
    for (correlation, confirm) in confirms {
        let confirmation = in_time(confirm).await?;
        if !matches!(confirmation, Confirmation::Ack(None)) {
            return Err(Lost);
        }
        *ledger.lock().expect("nobody panics with it").confirmed.entry(correlation).or_default() += 1;
    }
    Ok(())
}

/// Until the play is dropped.
pub async fn collect_for_ever(url: String, ledger: Arc<Mutex<Ledger>>) {
    loop {
        let _ = collect(&url, &ledger).await;
        pause().await;
    }
}

async fn collect(url: &str, ledger: &Mutex<Ledger>) -> Result<(), Lost> {
    let (_connection, channel) = connect(url).await?;
    let (replies, tag, options) = (short(REPLIES), short(""), BasicConsumeOptions::default());
    let mut consumer = in_time(channel.basic_consume(replies, tag, options, FieldTable::default())).await?;
    // Whoever hears nothing for so long listens on another connection.
    while let Some(delivery) = in_time(consumer.next().map(Ok)).await? {
        let delivery = delivery?;
        // Acked first: a reply whose ack was lost comes again, and would count twice.
        let acked = in_time(delivery.ack(BasicAckOptions::default())).await;
        let correlation = delivery.properties.correlation_id().as_ref().expect("a correlation id").as_str().to_owned();
        ledger.lock().expect("nobody panics with it").answers.entry(correlation).or_default().push(delivery.data);
        acked?;
    }
    Ok(())
}
