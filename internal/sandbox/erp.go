package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sfbridge/bridge"
	"sfbridge/writeback/rows"
)

// The topics that the ERP system beside the org writes, behind its own prefix:
// JSON, keyed by its own numbers.
const (
	customersTopic = "customers"
	ordersTopic    = "orders"
)

// erpFields maps what the ERP system writes to the fields of the org's objects.
var erpFields = map[string]struct {
	object string
	fields map[string]string
}{
	customersTopic: {"Account", map[string]string{
		"ERP_Id__c": "id", "Name": "name", "Phone": "phone", "BillingStreet": "address.street", "BillingCity": "address.city",
		"Score__c": "score", "Active__c": "active",
	}},
	ordersTopic: {"Order__c", map[string]string{
		"ERP_Id__c": "number", "Account__r.ERP_Id__c": "customer", "Status__c": "status", "Total__c": "total",
		"Quantity__c": "quantity", "Due__c": "due",
	}},
}

// Writebacks are the flows from the topics of an ERP system into the org.
func Writebacks(prefix string) []bridge.Writeback {
	var out []bridge.Writeback
	for _, topic := range []string{customersTopic, ordersTopic} {
		m := erpFields[topic]
		out = append(out, bridge.Writeback{
			Topic: prefix + topic, Org: OrgName,
			Rows: rows.Config{Object: m.object, ExternalID: "ERP_Id__c", Operation: rows.Upsert, Fields: m.fields},
		})
	}
	return out
}

type erpAddress struct {
	Street string `json:"street"`
	City   string `json:"city"`
}

type erpCustomer struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Phone   *string     `json:"phone"`
	Address erpAddress  `json:"address"`
	Score   json.Number `json:"score"`
	Active  bool        `json:"active"`
}

type erpOrder struct {
	Number   string      `json:"number"`
	Customer string      `json:"customer"`
	Status   string      `json:"status"`
	Total    json.Number `json:"total"`
	Quantity int         `json:"quantity"`
	Due      string      `json:"due"`
}

// ERPConfig says where an ERP system writes.
type ERPConfig struct {
	Broker string
	Prefix string // of its topics; ERPPrefix in the demo
	Seed   uint64 // of everything random
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// ERPPrefix is the usual prefix of the ERP system's topics.
const ERPPrefix = "erp."

// ERP plays an ERP system: it enters customers and orders, and changes them.
type ERP struct {
	client    *kgo.Client
	prefix    string
	rng       *rand.Rand
	customers []erpCustomer
	orders    []erpOrder
	written   int
}

// NewERP connects to Kafka and makes the topics.
func NewERP(ctx context.Context, cfg ERPConfig) (*ERP, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(cfg.Broker), kgo.ProducerLinger(0)}
	if cfg.Dial != nil {
		opts = append(opts, kgo.Dialer(cfg.Dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("ERP system: %w", err)
	}
	res, err := kadm.NewClient(client).CreateTopics(ctx, 4, -1, nil, cfg.Prefix+customersTopic, cfg.Prefix+ordersTopic)
	for _, t := range res {
		if err == nil && t.Err != nil && t.ErrMessage == "" {
			err = t.Err
		}
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("topics of the ERP system: %w", err)
	}
	return &ERP{client: client, prefix: cfg.Prefix, rng: rand.New(rand.NewPCG(cfg.Seed, 11))}, nil
}

// Close disconnects.
func (e *ERP) Close() { e.client.Close() }

// Work writes about rate records a second until ctx ends, which is no error.
func (e *ERP) Work(ctx context.Context, rate float64) error {
	tick := time.NewTicker(max(time.Millisecond, time.Duration(float64(time.Second)/rate)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := e.Turn(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// Turn enters or changes one customer or order.
func (e *ERP) Turn(ctx context.Context) error {
	switch {
	case len(e.customers) > 0 && e.rng.IntN(2) == 0:
		o := e.order()
		return e.write(ctx, ordersTopic, o.Number, o)
	default:
		c := e.customer()
		return e.write(ctx, customersTopic, c.ID, c)
	}
}

func (e *ERP) write(ctx context.Context, topic, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := e.client.ProduceSync(ctx, &kgo.Record{Topic: e.prefix + topic, Key: []byte(key), Value: value}).FirstErr(); err != nil {
		return fmt.Errorf("ERP system writes to %s: %w", e.prefix+topic, err)
	}
	e.written++
	return nil
}

// Written is how many records were written so far. Ask when Work has ended.
func (e *ERP) Written() int { return e.written }

var (
	erpNames    = []string{"Nordlicht", "Acme", "Kawasemi", "Čapek & synové", "Água Clara", "Olive Grove", "Zinc Works", "Blue Heron"}
	erpCities   = []string{"Lübeck", "Porto", "Brno", "Kyoto", "Cork", "Malmö"}
	erpStatuses = []string{"Draft", "Placed", "Paid", "Shipped", "Delivered"}
)

// customer is a new one, or, as often, a known one with something changed.
func (e *ERP) customer() erpCustomer {
	if n := len(e.customers); n > 0 && e.rng.IntN(2) == 0 {
		c := &e.customers[e.rng.IntN(n)]
		e.changePhone(c)
		c.Score, c.Active = e.decimal(100_000, 4), !c.Active
		return *c
	}
	n := len(e.customers) + 1
	c := erpCustomer{
		ID: fmt.Sprintf("K-%06d", n), Name: fmt.Sprintf("%s %d", erpNames[e.rng.IntN(len(erpNames))], n),
		Address: erpAddress{fmt.Sprintf("%d Harbour Road", e.rng.IntN(300)+1), erpCities[e.rng.IntN(len(erpCities))]},
		Score:   e.decimal(100_000, 4), Active: true,
	}
	e.changePhone(&c)
	e.customers = append(e.customers, c)
	return c
}

// changePhone gives the customer another phone number, or none.
func (e *ERP) changePhone(c *erpCustomer) {
	c.Phone = nil
	if e.rng.IntN(4) > 0 {
		phone := fmt.Sprintf("+353 21 %07d", e.rng.IntN(10_000_000))
		c.Phone = &phone
	}
}

// order is a new one of a customer, or a known one on its way.
func (e *ERP) order() erpOrder {
	if n := len(e.orders); n > 0 && e.rng.IntN(2) == 0 {
		o := &e.orders[e.rng.IntN(n)]
		o.Status, o.Quantity = erpStatuses[e.rng.IntN(len(erpStatuses))], e.rng.IntN(50)+1
		return *o
	}
	o := erpOrder{
		Number: fmt.Sprintf("O-%06d", len(e.orders)+1), Customer: e.customers[e.rng.IntN(len(e.customers))].ID,
		Status: "Draft", Total: e.decimal(1_000_000, 2), Quantity: e.rng.IntN(50) + 1,
		Due: time.Now().UTC().AddDate(0, 0, e.rng.IntN(60)).Format(time.DateOnly),
	}
	e.orders = append(e.orders, o)
	return o
}

// decimal makes a number below limit with so many digits after the point.
func (e *ERP) decimal(limit, scale int) json.Number {
	unit := 1
	for range scale {
		unit *= 10
	}
	return json.Number(fmt.Sprintf("%d.%0*d", e.rng.IntN(limit), scale, e.rng.IntN(unit)))
}
