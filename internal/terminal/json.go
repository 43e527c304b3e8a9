package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Time is RFC 3339 in UTC with milliseconds, as JSON output has it.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// EventObject is the JSON form of an output event: {"type": "line", "time": …, …}.
func EventObject(ev *waypointv1.OutputEvent) map[string]any {
	o := map[string]any{"time": Time(time.UnixMilli(ev.GetTimeUnixMs()))}
	switch e := ev.GetEvent().(type) {
	case *waypointv1.OutputEvent_Line_:
		o["type"], o["text"] = "line", e.Line.GetText()
		put(o, "style", styleName(e.Line.GetStyle()))
	case *waypointv1.OutputEvent_Status_:
		o["type"], o["text"], o["done"] = "status", e.Status.GetText(), e.Status.GetDone()
		put(o, "style", styleName(e.Status.GetStyle()))
	case *waypointv1.OutputEvent_NamedValues_:
		values := make([]map[string]string, 0, len(e.NamedValues.GetValues()))
		for _, v := range e.NamedValues.GetValues() {
			values = append(values, map[string]string{"name": v.GetName(), "value": v.GetValue()})
		}
		o["type"], o["values"] = "named_values", values
	case *waypointv1.OutputEvent_Table_:
		rows := make([][]string, 0, len(e.Table.GetRows()))
		for _, r := range e.Table.GetRows() {
			rows = append(rows, r.GetCells())
		}
		o["type"], o["headers"], o["rows"] = "table", e.Table.GetHeaders(), rows
	case *waypointv1.OutputEvent_StepGroup_:
		o["type"], o["id"], o["closed"] = "step_group", e.StepGroup.GetId(), e.StepGroup.GetClosed()
	case *waypointv1.OutputEvent_Step_:
		o["type"], o["id"] = "step", e.Step.GetId()
		put(o, "group_id", e.Step.GetGroupId())
		put(o, "text", e.Step.GetText())
		put(o, "state", strings.ToLower(strings.TrimPrefix(e.Step.GetState().String(), "STEP_STATE_")))
		putBytes(o, "output", e.Step.GetOutput())
	case *waypointv1.OutputEvent_Raw_:
		o["type"], o["stream"] = "raw", "stdout"
		if e.Raw.GetStderr() {
			o["stream"] = "stderr"
		}
		putBytes(o, "text", e.Raw.GetData())
	default:
		o["type"] = "unknown"
	}
	return o
}

func styleName(s Style) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimPrefix(s.String(), "STYLE_")), "unspecified")
}

func put(o map[string]any, key, value string) {
	if value != "" && value != "unspecified" {
		o[key] = value
	}
}

// putBytes keeps every byte: text as it is, anything else as base64 under key_base64.
func putBytes(o map[string]any, key string, data []byte) {
	switch {
	case len(data) == 0:
	case utf8.Valid(data):
		o[key] = string(data)
	default:
		o[key+"_base64"] = data
	}
}

// JSON encodes v with a line end, and leaves <, > and & as they are: the output is not HTML.
func JSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return escapeHidden(b.Bytes()), nil
}

// escapeHidden writes the hidden characters that encoding/json leaves as they are as \uXXXX: the value is the same, and a
// terminal that shows the JSON is not misled. They stand in strings only.
func escapeHidden(data []byte) []byte {
	left := func(r rune) bool { return r >= 0x7f && hidden(r) }
	if bytes.IndexFunc(data, left) < 0 {
		return data
	}
	var b bytes.Buffer
	for _, r := range string(data) {
		if left(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// JSONLines writes one JSON object a line. It is safe for concurrent use.
type JSONLines struct {
	mu  sync.Mutex
	out io.Writer
	err error
}

// NewJSONLines writes to out.
func NewJSONLines(out io.Writer) *JSONLines { return &JSONLines{out: out} }

// Write writes v, which must be an object, as one line.
func (j *JSONLines) Write(v any) {
	line, err := JSON(v, "")
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.out.Write(line)
	}
	if err != nil && j.err == nil {
		j.err = err
	}
}

// Err is the first error of writing.
func (j *JSONLines) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}
