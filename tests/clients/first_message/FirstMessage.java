// A first message in Java: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;

class FirstMessage {
    static final long PATIENCE_MS = 5_000;
    static final int ATTEMPTS = 5;

    public static void main(String[] arguments) throws Exception {
        var operation = arguments.length == 2 ? arguments[0] : "order.bet";
        var body = arguments.length == 2 ? arguments[1] : newBet();
        var factory = new ConnectionFactory();
        factory.setUri(System.getenv("AMQP_URL"));
        if (factory.isSSL()) {
            factory.useSslProtocol(SSLContext.getDefault());
            // From client 5.4 on, enableHostnameVerification() belongs here, too.
        }
        try (var connection = factory.newConnection(); var channel = connection.createChannel()) {
            var reply = ask(channel, operation, body);
            System.out.println(reply);
            if (reply.contains("\"error\"")) {
                System.exit(1);
            }
        }
    }

    static String newBet() {
        return """
            {"amount":100,"currency":"EUR","game":"wallstroulette","round":1,"externalId":"%s","playerId":"alice"}"""
            .formatted(UUID.randomUUID());
    }

    static String ask(Channel channel, String operation, String body) throws Exception {
        channel.confirmSelect();
        channel.addReturnListener((code, why, exchange, key, properties, returned) -> {
            System.err.println("no queue takes " + key + ": " + why);
            System.exit(1);
        });
        var queue = channel.queueDeclare().getQueue();
        var replies = new LinkedBlockingQueue<Delivery>();
        channel.basicConsume(queue, true, (tag, reply) -> replies.add(reply), tag -> {});
        var message = new BasicProperties.Builder()
            .contentType("application/json")
            .deliveryMode(2)
            .correlationId(UUID.randomUUID().toString())
            .replyTo(queue)
            .timestamp(new Date())
            .headers(Map.of("authorization", "Bearer " + System.getenv("TOKEN")))
            .build();
        var key = "v1.0." + System.getenv("PARTY") + "." + operation;
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            channel.basicPublish("v1.0", key, true, message, body.getBytes(StandardCharsets.UTF_8));
            var reply = channel.waitForConfirms(PATIENCE_MS) ? awaitReply(replies, message.getCorrelationId()) : null;
            if (reply != null) {
                return reply;
            }
        }
        throw new IllegalStateException("no reply");
    }

    static String awaitReply(BlockingQueue<Delivery> replies, String correlationId) throws InterruptedException {
        var reply = replies.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        while (reply != null && !correlationId.equals(reply.getProperties().getCorrelationId())) {
            reply = replies.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        }
        return reply == null ? null : new String(reply.getBody(), StandardCharsets.UTF_8);
    }
}
