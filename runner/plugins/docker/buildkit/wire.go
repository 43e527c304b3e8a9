package buildkit

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields calls visit for each field of a message; number is a varint's value, bytes a length-delimited one's.
func fields(message []byte, visit func(field protowire.Number, number uint64, bytes []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("reading a message of BuildKit: %w", protowire.ParseError(n))
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("reading a message of BuildKit: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if err := visit(field, number, bytes); err != nil {
			return err
		}
	}
	return nil
}

func putNumber(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func putBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func putText(b []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return putBytes(b, field, []byte(v))
}

// credentials answers Auth.Credentials: CredentialsRequest{host = 1}, CredentialsResponse{username = 1, secret = 2}.
func (s *Session) credentials(ctx context.Context, c *call) error {
	message, err := c.receive()
	if err != nil {
		return err
	}
	var host string
	if err := fields(message, func(field protowire.Number, _ uint64, bytes []byte) error {
		if field == 1 {
			host = string(bytes)
		}
		return nil
	}); err != nil {
		return err
	}
	var user, secret string
	if s.Credentials != nil {
		if user, secret, err = s.Credentials(ctx, host); err != nil {
			return err
		}
	}
	return c.send(putText(putText(nil, 1, user), 2, secret))
}

// Progress is a part of a build's status.
type Progress struct {
	Vertexes []Vertex
	Statuses []Status
	Logs     []Log
}

// Vertex is one step of a build.
type Vertex struct {
	Digest, Name, Error        string
	Cached, Started, Completed bool
}

// Status is a part of a step that counts: a download, a layer that is written.
type Status struct {
	ID, Vertex     string
	Current, Total uint64
	Completed      bool
}

// Log is what a step printed.
type Log struct {
	Vertex string
	Stream uint64
	Text   []byte
}

// DecodeProgress reads BuildKit's StatusResponse, which the engine sends as the value of a "moby.buildkit.trace"
// message.
func DecodeProgress(message []byte) (Progress, error) {
	var p Progress
	err := fields(message, func(field protowire.Number, _ uint64, bytes []byte) error {
		switch field {
		case 1:
			v, err := decodeVertex(bytes)
			p.Vertexes = append(p.Vertexes, v)
			return err
		case 2:
			s, err := decodeStatus(bytes)
			p.Statuses = append(p.Statuses, s)
			return err
		case 3:
			l, err := decodeLog(bytes)
			p.Logs = append(p.Logs, l)
			return err
		}
		return nil
	})
	return p, err
}

func decodeVertex(message []byte) (v Vertex, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) error {
		switch field {
		case 1:
			v.Digest = string(bytes)
		case 3:
			v.Name = string(bytes)
		case 4:
			v.Cached = number != 0
		case 5:
			v.Started = true
		case 6:
			v.Completed = true
		case 7:
			v.Error = string(bytes)
		}
		return nil
	})
	return v, err
}

func decodeStatus(message []byte) (s Status, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) error {
		switch field {
		case 1:
			s.ID = string(bytes)
		case 2:
			s.Vertex = string(bytes)
		case 4:
			s.Current = number
		case 5:
			s.Total = number
		case 8:
			s.Completed = true
		}
		return nil
	})
	return s, err
}

func decodeLog(message []byte) (l Log, err error) {
	err = fields(message, func(field protowire.Number, number uint64, bytes []byte) error {
		switch field {
		case 1:
			l.Vertex = string(bytes)
		case 3:
			l.Stream = number
		case 4:
			l.Text = bytes
		}
		return nil
	})
	return l, err
}
