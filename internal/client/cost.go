package client

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"connectrpc.com/connect"
)

// Cost adds up what calls used.
type Cost struct {
	// Requests that reached the API, tries again included.
	Requests int64
	// ReadUnits and WriteUnits of DynamoDB.
	ReadUnits, WriteUnits float64
	// QueueCalls that the server made.
	QueueCalls int64
	// ServerMS is the time that functions ran, in milliseconds.
	ServerMS float64
}

type meter struct {
	mu   sync.Mutex
	cost Cost
}

func (m *meter) read() Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cost
}

func (m *meter) add(res connect.AnyResponse, err error) {
	var h http.Header
	if err == nil {
		h = res.Header()
	} else if c := new(connect.Error); errors.As(err, &c) {
		h = c.Meta()
	}
	one, ok := parseCost(h.Get(HeaderCost))
	if !ok && err != nil {
		return // nobody answered
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cost.Requests++
	m.cost.ReadUnits += one.ReadUnits
	m.cost.WriteUnits += one.WriteUnits
	m.cost.QueueCalls += one.QueueCalls
	m.cost.ServerMS += one.ServerMS
}

// parseCost reads "r=1.5,w=4,q=1,ms=12".
func parseCost(header string) (c Cost, ok bool) {
	if header == "" {
		return c, false
	}
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return Cost{}, false
		}
		switch name {
		case "r":
			c.ReadUnits = f
		case "w":
			c.WriteUnits = f
		case "q":
			c.QueueCalls = int64(f)
		case "ms":
			c.ServerMS = f
		}
	}
	return c, true
}
