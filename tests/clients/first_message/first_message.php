<?php
// A first message in PHP: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const PATIENCE_S = 5;
const ATTEMPTS = 5;

function connection(): AMQPStreamConnection
{
    $url = array_map(rawurldecode(...), array_map(strval(...), parse_url(getenv('AMQP_URL'))));
    if ($url['scheme'] !== 'amqp') {
        fwrite(STDERR, "this example speaks no TLS: take PhpAmqpLib\\Connection\\AMQPSSLConnection for amqps\n");
        exit(1);
    }
    $vhost = substr($url['path'] ?? '//', 1);
    return new AMQPStreamConnection($url['host'], (int) ($url['port'] ?? 5672), $url['user'], $url['pass'], $vhost);
}

function newBet(): string
{
    $bet = ['amount' => 100, 'currency' => 'EUR', 'game' => 'wallstroulette', 'round' => 1];
    return json_encode([...$bet, 'externalId' => bin2hex(random_bytes(16)), 'playerId' => 'alice']);
}

/** Waits until there is a reply, as long as it may take. */
function awaitReply(AMQPChannel $channel, ?string &$reply): void
{
    $deadline = microtime(true) + PATIENCE_S;
    while ($reply === null && ($left = $deadline - microtime(true)) > 0) {
        try {
            $channel->wait(null, false, $left);
        } catch (AMQPTimeoutException) {
            return;
        }
    }
}

function ask(AMQPChannel $channel, string $operation, string $body): string
{
    $channel->confirm_select();
    $channel->set_return_listener(fn ($code, $why, $exchange, $key) => throw new RuntimeException("$key: $why"));
    [$queue] = $channel->queue_declare('', false, false, true);
    $id = bin2hex(random_bytes(16));
    $reply = null;
    $channel->basic_consume($queue, '', false, true, true, false, function (AMQPMessage $came) use ($id, &$reply) {
        $reply = $came->get('correlation_id') === $id ? $came->getBody() : $reply;
    });
    $message = new AMQPMessage($body, [
        'content_type' => 'application/json',
        'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
        'correlation_id' => $id,
        'reply_to' => $queue,
        'timestamp' => time(),
        'application_headers' => new AMQPTable(['authorization' => 'Bearer ' . getenv('TOKEN')]),
    ]);
    for ($attempt = 0; $attempt < ATTEMPTS && $reply === null; $attempt++) {
        $channel->basic_publish($message, 'v1.0', 'v1.0.' . getenv('PARTY') . ".$operation", true);
        $channel->wait_for_pending_acks_returns(PATIENCE_S);
        awaitReply($channel, $reply);
    }
    return $reply ?? throw new RuntimeException('no reply');
}

[$operation, $body] = $argc === 3 ? array_slice($argv, 1) : ['order.bet', newBet()];
$connection = connection();
$reply = ask($connection->channel(), $operation, $body);
$connection->close();
echo "$reply\n";
exit(isset(json_decode($reply)->error) ? 1 : 0);
