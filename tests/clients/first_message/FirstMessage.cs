// A first message in C#: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.
// Written for RabbitMQ.Client 7 from its documentation; neither compiled nor run here.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.

using System.Text;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

var patience = TimeSpan.FromSeconds(5);
const int attempts = 5;
static string From(string name) =>
    Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

var (operation, body) = args.Length == 2 ? (args[0], args[1]) : ("order.bet", NewBet());
var factory = new ConnectionFactory { Uri = new Uri(From("AMQP_URL")) };
await using var connection = await factory.CreateConnectionAsync();
// With both, a publish returns once the message is confirmed, and throws where no queue takes it.
await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(
    publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
var reply = await Ask(channel, operation, body);
Console.WriteLine(reply);
return JsonDocument.Parse(reply).RootElement.TryGetProperty("error", out _) ? 1 : 0;

static string NewBet() => JsonSerializer.Serialize(new
{
    amount = 100, currency = "EUR", game = "wallstroulette", round = 1,
    externalId = Guid.NewGuid().ToString(), playerId = "alice",
});

async Task<string> Ask(IChannel channel, string operation, string body)
{
    var queue = (await channel.QueueDeclareAsync()).QueueName;
    var message = new BasicProperties
    {
        ContentType = "application/json",
        Persistent = true,
        CorrelationId = Guid.NewGuid().ToString(),
        ReplyTo = queue,
        Timestamp = new AmqpTimestamp(DateTimeOffset.UtcNow.ToUnixTimeSeconds()),
        Headers = new Dictionary<string, object?> { ["authorization"] = $"Bearer {From("TOKEN")}" },
    };
    var replied = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += (_, delivery) =>
    {
        if (delivery.BasicProperties.CorrelationId == message.CorrelationId)
            replied.TrySetResult(Encoding.UTF8.GetString(delivery.Body.Span));
        return Task.CompletedTask;
    };
    await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    var key = $"v1.0.{From("PARTY")}.{operation}";
    for (var attempt = 0; attempt < attempts; attempt++)
    {
        try
        {
            using var limit = new CancellationTokenSource(patience);
            await channel.BasicPublishAsync(
                "v1.0", key, mandatory: true, message, Encoding.UTF8.GetBytes(body), limit.Token);
            return await replied.Task.WaitAsync(patience);
        }
        catch (Exception error) when (
            error is TimeoutException or OperationCanceledException or PublishException { IsReturn: false })
        {
            Console.Error.WriteLine($"again: {error.Message}"); // Not confirmed, or not answered in time.
        }
    }
    throw new TimeoutException("no reply");
}
