package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
)

// tableCount is what DescribeTable says of a table's size. AWS updates it
// every six hours; here it is counted at most once a minute.
type tableCount struct {
	at           time.Time
	items, bytes int64
}

const countEvery = time.Minute

// decodeControl reads the body of an operation on tables; members that in does
// not have are refused by name.
func decodeControl(body string, in any) error {
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(in)
	if err == nil {
		return nil
	}
	if rest, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return notImplemented(strings.Trim(rest, `"`))
	}
	return serialization(unreadable(err))
}

// unreadable says what was wrong with a body, in the words of the protocol and not in those of our types.
func unreadable(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "The request is not valid JSON"
	}
	to := map[reflect.Kind]string{reflect.String: "String", reflect.Bool: "Boolean", reflect.Int: "Integer", reflect.Int64: "Long"}[wrong.Type.Kind()]
	kind, _, _ := strings.Cut(wrong.Value, " ") // "number", or "number 1e99"
	switch from := map[string]string{"number": "NUMBER_VALUE", "string": "STRING_VALUE", "bool": "TRUE_VALUE"}[kind]; {
	case from != "" && to != "":
		return from + " cannot be converted to " + to
	case kind == "array":
		return "Start of list found where not expected"
	case kind == "object":
		return "Start of structure or map found where not expected"
	}
	return "Unexpected field type"
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// respond encodes an answer of an operation on tables.
func respond(out any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(out)
	return bytes.TrimSpace(b.Bytes()), err
}

func checkTableName(name string) error {
	return checkName("TableName", name)
}

func checkName(member, name string) error {
	if name == "" {
		return validation("The parameter '" + member + "' is required but was not present in the request")
	}
	valid := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.'
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !valid(r) }) {
		return validation(fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", name, lowerFirst(member)))
	}
	if len(name) < 3 || len(name) > 255 {
		return validation(member + " must be at least 3 characters long and at most 255 characters long")
	}
	return nil
}

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingMode               string
	GlobalSecondaryIndexes    []createIndexInput
	Tags                      []tag
	DeletionProtectionEnabled bool
}

type createIndexInput struct {
	IndexName  string
	KeySchema  []keyElement
	Projection *projectionDefinition
}

func (e *Engine) createTable(ctx context.Context, body string) ([]byte, error) {
	var in createTableInput
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := e.allow(ctx, "CreateTable", e.arn(in.TableName)); err != nil {
		return nil, err
	}
	def := tableDefinition{
		Name: in.TableName, Created: e.clock().UTC(), Attributes: in.AttributeDefinitions, Key: in.KeySchema,
		Tags: in.Tags, DeletionProtection: in.DeletionProtectionEnabled, RecoveryDays: 35,
	}
	for _, ix := range in.GlobalSecondaryIndexes {
		def.Indexes = append(def.Indexes, indexDefinition{Name: ix.IndexName, Key: ix.KeySchema, Projection: *ix.Projection})
	}
	var made *table
	err := e.change(ctx, def.Name, func(conn *sqlite.Conn, have *table) (*table, error) {
		if have != nil {
			return nil, dynamoError("ResourceInUseException", "Table already exists: "+def.Name)
		}
		space, err := takeSpaces(conn, 1+len(def.Indexes))
		if err != nil {
			return nil, err
		}
		def.Space, def.ID = space, tableID(def.Name, space)
		for i := range def.Indexes {
			def.Indexes[i].Space = space + 1 + uint32(i)
		}
		made = newTable(def)
		return made, nil
	})
	if err != nil {
		return nil, err
	}
	return respond(map[string]any{"TableDescription": e.describe(made, "ACTIVE", tableCount{})})
}

// tableID has the form of AWS's table ids; it differs for each table made.
func tableID(name string, space uint32) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(name), space))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// takeSpaces reserves row spaces. They are never given out twice, so the rows
// of a deleted table cannot come back in a new one.
func takeSpaces(conn *sqlite.Conn, n int) (uint32, error) {
	stmt, err := conn.Prepare(`UPDATE ddb_counter SET next = next + ? RETURNING next`)
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, int64(n))
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	next := stmt.ColumnInt64(0)
	return uint32(next - int64(n)), stmt.Reset()
}

// change runs f inside the writer on a table (nil if there is none) and
// stores what it returns (nil removes it). The engine's own view moves in the
// writer too, so that the next request of the same commit sees the change; if
// the commit fails, the view is read back from the store.
func (e *Engine) change(ctx context.Context, name string, f func(*sqlite.Conn, *table) (*table, error)) error {
	moved := false
	err := e.store.Write(ctx, func(conn *sqlite.Conn) error {
		next, err := f(conn, e.lookup(name))
		if err != nil {
			return err
		}
		if next == nil {
			err = exec(conn, `DELETE FROM ddb_tables WHERE name = ?`, name)
		} else {
			var text []byte
			if text, err = json.Marshal(next.def); err == nil {
				err = exec(conn, `INSERT OR REPLACE INTO ddb_tables (name, definition) VALUES (?, ?)`, name, string(text))
			}
		}
		if err != nil {
			return err
		}
		moved = true
		e.mu.Lock()
		defer e.mu.Unlock()
		if next == nil {
			delete(e.tables, name)
		} else {
			e.tables[name] = next
		}
		return nil
	})
	if err != nil && moved {
		return errors.Join(err, e.loadTables(context.WithoutCancel(ctx)))
	}
	return err
}

func exec(conn *sqlite.Conn, query string, args ...string) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	for i, a := range args {
		stmt.BindText(i+1, a)
	}
	_, err = stmt.Step()
	return err
}
