package store

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// SchemaVersion is written to every item that Put makes. A change of what attributes mean raises it, and comes with a reader of
// the version before.
const SchemaVersion = 1

// CheckVersion refuses an item that this version of the server cannot read: one of a newer schema, which a newer server wrote,
// or one older than the schema before. An item without a version is of the first.
func CheckVersion(item Item) error {
	v := max(NumberOf(item, AttrVersion), 1)
	if v <= SchemaVersion && v >= SchemaVersion-1 {
		return nil
	}
	e := fault.New(connect.CodeFailedPrecondition, fault.VersionUnsupported,
		"the data has schema version %d, and this server reads up to %d", v, SchemaVersion).
		WithHint("A newer version of Waypoint wrote it: upgrade this server.")
	if v < SchemaVersion {
		e = fault.New(connect.CodeFailedPrecondition, fault.VersionUnsupported,
			"the data has schema version %d, and this server reads from %d on", v, SchemaVersion-1).
			WithHint("Upgrade to the version between first, so that it converts the data.")
	}
	return e.WithCause(fmt.Errorf("item %s", KeyOf(item)))
}

// Encode turns a struct with `dynamodbav` tags (names and "omitempty", as in the SDK's attributevalue package) into an
// item. Fields without a tag are skipped. It knows strings, numbers, booleans, bytes, slices, maps with string
// keys and nested structs; that is all that items of ours hold, so the SDK's module for it is not needed.
func Encode(v any) (Item, error) {
	if item, ok := v.(Item); ok {
		out := make(Item, len(item)+3)
		for k, av := range item {
			out[k] = av
		}
		return out, nil
	}
	rv := reflect.Indirect(reflect.ValueOf(v))
	if rv.Kind() != reflect.Struct {
		return nil, fmt.Errorf("cannot store a %T as an item", v)
	}
	return encodeStruct(rv)
}

func encodeStruct(rv reflect.Value) (Item, error) {
	item := Item{}
	rt := rv.Type()
	for i := range rt.NumField() {
		name, omit := tagOf(rt.Field(i))
		if name == "" || (omit && empty(rv.Field(i))) {
			continue
		}
		av, err := encodeValue(rv.Field(i))
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		item[name] = av
	}
	return item, nil
}

func empty(rv reflect.Value) bool {
	switch rv.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return rv.Len() == 0
	default:
		return rv.IsZero()
	}
}

// AttributeOf is the name under which Encode stores a field; "" for one that it skips.
func AttributeOf(f reflect.StructField) string {
	name, _ := tagOf(f)
	return name
}

func tagOf(f reflect.StructField) (name string, omitEmpty bool) {
	tag, ok := f.Tag.Lookup("dynamodbav")
	if !ok || tag == "-" {
		return "", false
	}
	name, rest, _ := strings.Cut(tag, ",")
	return name, strings.Contains(rest, "omitempty")
}

// AV turns a Go value into an attribute value.
func AV(v any) (types.AttributeValue, error) {
	switch x := v.(type) {
	case types.AttributeValue:
		return x, nil
	case string:
		return &types.AttributeValueMemberS{Value: x}, nil
	case int64:
		return Number(x), nil
	case nil:
		return nil, fmt.Errorf("nil is not an attribute value")
	}
	return encodeValue(reflect.ValueOf(v))
}

// Number is a whole number as an attribute value.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func encodeValue(rv reflect.Value) (types.AttributeValue, error) {
	switch rv.Kind() {
	case reflect.String:
		return &types.AttributeValueMemberS{Value: rv.String()}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Number(rv.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &types.AttributeValueMemberN{Value: strconv.FormatUint(rv.Uint(), 10)}, nil
	case reflect.Bool:
		return &types.AttributeValueMemberBOOL{Value: rv.Bool()}, nil
	case reflect.Pointer:
		if !rv.IsNil() {
			return encodeValue(rv.Elem())
		}
	case reflect.Struct:
		m, err := encodeStruct(rv)
		return &types.AttributeValueMemberM{Value: m}, err
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return &types.AttributeValueMemberB{Value: rv.Bytes()}, nil
		}
		list := make([]types.AttributeValue, rv.Len())
		for i := range list {
			av, err := encodeValue(rv.Index(i))
			if err != nil {
				return nil, err
			}
			list[i] = av
		}
		return &types.AttributeValueMemberL{Value: list}, nil
	case reflect.Map:
		m := make(Item, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			av, err := encodeValue(it.Value())
			if err != nil {
				return nil, err
			}
			m[it.Key().String()] = av
		}
		return &types.AttributeValueMemberM{Value: m}, nil
	}
	return nil, fmt.Errorf("cannot store a %s", rv.Kind())
}

// Decode is Encode's inverse. out is an *Item or a pointer to a struct. Attributes that the struct does not name are
// ignored, so that a newer writer may add some.
func Decode(item Item, out any) error {
	if err := CheckVersion(item); err != nil {
		return err
	}
	if p, ok := out.(*Item); ok {
		*p = item
		return nil
	}
	rv := reflect.ValueOf(out)
	if rv.Kind() != reflect.Pointer || rv.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("cannot read an item into a %T", out)
	}
	return decodeStruct(item, rv.Elem())
}

func decodeStruct(item Item, rv reflect.Value) error {
	rt := rv.Type()
	for i := range rt.NumField() {
		name, _ := tagOf(rt.Field(i))
		av, ok := item[name]
		if name == "" || !ok {
			continue
		}
		if err := decodeValue(av, rv.Field(i)); err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}

func decodeValue(av types.AttributeValue, rv reflect.Value) error {
	switch x := av.(type) {
	case *types.AttributeValueMemberNULL:
		rv.SetZero()
		return nil
	case *types.AttributeValueMemberS:
		if rv.Kind() == reflect.String {
			rv.SetString(x.Value)
			return nil
		}
	case *types.AttributeValueMemberBOOL:
		if rv.Kind() == reflect.Bool {
			rv.SetBool(x.Value)
			return nil
		}
	case *types.AttributeValueMemberB:
		if rv.Kind() == reflect.Slice && rv.Type().Elem().Kind() == reflect.Uint8 {
			rv.SetBytes(x.Value)
			return nil
		}
	case *types.AttributeValueMemberN:
		return decodeNumber(x.Value, rv)
	case *types.AttributeValueMemberL:
		if rv.Kind() == reflect.Slice {
			rv.Set(reflect.MakeSlice(rv.Type(), len(x.Value), len(x.Value)))
			for i, e := range x.Value {
				if err := decodeValue(e, rv.Index(i)); err != nil {
					return err
				}
			}
			return nil
		}
	case *types.AttributeValueMemberM:
		return decodeMap(x.Value, rv)
	}
	return fmt.Errorf("a %T does not fit a %s", av, rv.Type())
}

func decodeNumber(s string, rv reflect.Value) error {
	switch rv.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("not a whole number: %w", err)
		}
		rv.SetInt(n)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return fmt.Errorf("not a whole number: %w", err)
		}
		rv.SetUint(n)
		return nil
	}
	return fmt.Errorf("a number does not fit a %s", rv.Type())
}

func decodeMap(m Item, rv reflect.Value) error {
	switch {
	case rv.Kind() == reflect.Struct:
		return decodeStruct(m, rv)
	case rv.Kind() == reflect.Map && rv.Type().Key().Kind() == reflect.String:
		rv.Set(reflect.MakeMapWithSize(rv.Type(), len(m)))
		for k, e := range m {
			v := reflect.New(rv.Type().Elem()).Elem()
			if err := decodeValue(e, v); err != nil {
				return err
			}
			rv.SetMapIndex(reflect.ValueOf(k).Convert(rv.Type().Key()), v)
		}
		return nil
	}
	return fmt.Errorf("a map does not fit a %s", rv.Type())
}

// TextValue is a string as an attribute value.
func TextValue(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// StringOf reads an attribute that is a text; "" if there is none.
func StringOf(item Item, name string) string {
	if s, ok := item[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// NumberOf reads an attribute that is a whole number; 0 if there is none.
func NumberOf(item Item, name string) int64 {
	if n, ok := item[name].(*types.AttributeValueMemberN); ok {
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err == nil {
			return v
		}
	}
	return 0
}

func expired(item Item, now time.Time) bool {
	ttl := NumberOf(item, AttrTTL)
	return ttl != 0 && ttl <= now.Unix()
}
