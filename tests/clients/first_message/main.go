// A first message in Go: a bet, asked again until there is a reply, and what it says.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	patience = 10 * time.Second
	attempts = 5
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func newID() string {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	must(err)
	return hex.EncodeToString(bytes)
}

func main() {
	connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	must(channel.Confirm(false))
	returned := channel.NotifyReturn(make(chan amqp.Return, attempts))
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	must(err)
	replies, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	must(err)

	bet, err := json.Marshal(map[string]any{
		"amount": 100, "currency": "EUR", "game": "wallstroulette", "round": 1,
		"externalId": newID(), "playerId": "alice",
	})
	must(err)
	message := amqp.Publishing{
		ContentType:   "application/json",
		DeliveryMode:  amqp.Persistent,
		CorrelationId: newID(),
		ReplyTo:       queue.Name,
		Timestamp:     time.Now(),
		Headers:       amqp.Table{"authorization": "Bearer " + os.Getenv("TOKEN")},
		Body:          bet,
	}
	key := "v1.0." + os.Getenv("PARTY") + ".order.bet"
	for attempt := 0; attempt < attempts; attempt++ {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "v1.0", key, true, false, message)
		must(err)
		if confirm.Wait() && answered(ctx, replies, returned, message.CorrelationId) {
			cancel()
			return
		}
		cancel()
	}
	log.Fatal("no reply")
}

// answered waits for the reply, and ends the program where it is a refusal.
func answered(ctx context.Context, replies <-chan amqp.Delivery, returned <-chan amqp.Return, id string) bool {
	for {
		select {
		case reply := <-replies:
			if reply.CorrelationId != id {
				continue
			}
			fmt.Println(string(reply.Body))
			var status struct{ Code string }
			must(json.Unmarshal(reply.Body, &status))
			if status.Code != "201" {
				os.Exit(1)
			}
			return true
		case back := <-returned:
			log.Fatalf("no queue takes %s: %s", back.RoutingKey, back.ReplyText)
		case <-ctx.Done():
			return false
		}
	}
}
