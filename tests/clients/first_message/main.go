// A first message in Go: a bet, or OPERATION BODY, asked again until there is a reply, and what it says.
//
// AMQP_URL, PARTY and TOKEN (the player's) come from the environment.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	patience = 5 * time.Second
	attempts = 5
	newBet   = `{"amount":100,"currency":"EUR","game":"wallstroulette","round":1,"externalId":"%s","playerId":"alice"}`
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func newID() string {
	bytes := make([]byte, 16)
	must(rand.Read(bytes))
	return hex.EncodeToString(bytes)
}

func main() {
	operation, body := "order.bet", fmt.Sprintf(newBet, newID())
	if len(os.Args) == 3 {
		operation, body = os.Args[1], os.Args[2]
	}
	connection := must(amqp.Dial(os.Getenv("AMQP_URL")))
	defer connection.Close()
	reply := ask(must(connection.Channel()), operation, body)
	fmt.Println(reply)
	if strings.Contains(reply, `"error"`) {
		os.Exit(1)
	}
}

func ask(channel *amqp.Channel, operation, body string) string {
	must(0, channel.Confirm(false))
	returned := channel.NotifyReturn(make(chan amqp.Return, attempts))
	queue := must(channel.QueueDeclare("", false, true, true, false, nil))
	replies := must(channel.Consume(queue.Name, "", true, true, false, false, nil))
	message := amqp.Publishing{
		ContentType:   "application/json",
		DeliveryMode:  amqp.Persistent,
		CorrelationId: newID(),
		ReplyTo:       queue.Name,
		Timestamp:     time.Now(),
		Headers:       amqp.Table{"authorization": "Bearer " + os.Getenv("TOKEN")},
		Body:          []byte(body),
	}
	key := "v1.0." + os.Getenv("PARTY") + "." + operation
	for attempt := 0; attempt < attempts; attempt++ {
		if !must(channel.PublishWithDeferredConfirm("v1.0", key, true, false, message)).Wait() {
			continue
		}
		select {
		case reply := <-replies: // The queue is this message's alone.
			return string(reply.Body)
		case back := <-returned:
			log.Fatalf("no queue takes %s: %s", back.RoutingKey, back.ReplyText)
		case <-time.After(patience):
		}
	}
	log.Fatal("no reply")
	return ""
}
