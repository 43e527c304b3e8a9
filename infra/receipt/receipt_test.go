package receipt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/infra/receipt"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// The receipt's counts are constants; this measures them again on the real functions.
func TestAnIdleSweepCostsWhatTheReceiptSays(t *testing.T) {
	var log, debug bytes.Buffer
	logger := slog.New(both{slog.NewJSONHandler(&log, nil), slog.NewJSONHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug})})
	s, err := server.New(context.Background(), server.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if err := s.Sweep(context.Background()); err != nil { // the first one finds a new table
		t.Fatal(err)
	}
	log.Reset()
	debug.Reset()
	if err := s.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Read  float64 `json:"read_units"`
		Write float64 `json:"write_units"`
		Queue int     `json:"queue_calls"`
		Calls int     `json:"table_calls"`
	}
	if err := json.Unmarshal(debug.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Read != receipt.SweepReadUnits || line.Write != receipt.SweepWriteUnits || line.Queue != 0 || line.Calls != receipt.SweepCalls {
		t.Errorf("an idle run costs %v read units, %v write units, %d table calls and %d queue calls", line.Read, line.Write, line.Calls, line.Queue)
	}
	if log.Len() > receipt.SweepLogBytes {
		t.Errorf("an idle run logs %d bytes: %s", log.Len(), &log)
	}
}

// both hands records to two handlers, each of which has its own level.
type both struct {
	slog.Handler
	second slog.Handler
}

func (b both) Enabled(ctx context.Context, l slog.Level) bool {
	return b.Handler.Enabled(ctx, l) || b.second.Enabled(ctx, l)
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	if b.Handler.Enabled(ctx, r.Level) {
		if err := b.Handler.Handle(ctx, r); err != nil {
			return err
		}
	}
	return b.second.Handle(ctx, r)
}

// The promise is of list prices: what AWS gives for free each month comes on top.
func TestTheDefaultStackIdlesForFiveCents(t *testing.T) {
	r, err := receipt.For(map[string]string{"NamePrefix": "waypoint"}, "123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle: $%.4f a month at list prices, $%.4f after what AWS always gives for free; recovery $%.2f a GB", r.List, r.Charged, r.RecoveryPerGB)
	for _, i := range r.Items {
		if i.List > 0 {
			t.Logf("  $%.4f  %s %s: %s", i.List, i.Type, i.Name, i.Basis)
		}
	}
	if r.List > 0.05 || r.RecoveryPerGB > 0.20 {
		t.Errorf("$%.4f a month, $%.2f a GB", r.List, r.RecoveryPerGB)
	}
	if r.List < r.Charged || r.Charged <= 0 {
		t.Errorf("list $%.4f, charged $%.4f", r.List, r.Charged)
	}
}

func TestTheReceiptNamesEverythingAndEveryPermission(t *testing.T) {
	r, err := receipt.For(nil, "123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"waypoint-code-123456789012-eu-west-1", "/waypoint/encryption-key", "waypoint-api", "/aws/lambda/waypoint-tail", "waypoint-eu-west-1-runner",
		"may receive, hide and delete messages of the pools' queues", "arn:aws:sqs:eu-west-1:123456789012:waypoint-????????????????",
		"arn:aws:dynamodb:eu-west-1:123456789012:table/waypoint",
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the receipt does not name %s", want)
		}
	}
	if strings.Contains(string(raw), "${") {
		t.Error("a name is not written out")
	}
	if len(r.Roles) != 4 {
		t.Errorf("%d roles", len(r.Roles))
	}
	for _, i := range r.Items {
		if i.Type == "AWS::CloudWatch::Alarm" {
			t.Error("there are alarms that nobody asked for")
		}
	}
}

func TestAlarmsAndAnOwnKeyAreOnTheReceipt(t *testing.T) {
	r, err := receipt.For(map[string]string{"AlarmTopicArn": "arn:aws:sns:eu-west-1:1:t", "KmsKeyArn": "arn:aws:kms:eu-west-1:1:key/k"}, "1", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	alarms := 0
	for _, i := range r.Items {
		if i.Type == "AWS::CloudWatch::Alarm" {
			alarms++
		}
		if i.Type == "AWS::SSM::Parameter" {
			t.Error("a key is made beside the own one")
		}
	}
	raw, _ := json.Marshal(r.Roles)
	if alarms != 7 || !strings.Contains(string(raw), "kms:Decrypt") || strings.Contains(string(raw), "ssm:GetParameter") {
		t.Errorf("%d alarms; roles %s", alarms, raw)
	}
}

func TestThePricesAreDatedAndHaveSources(t *testing.T) {
	p, err := receipt.LoadPrices()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		t.Error(err)
	}
	for name, price := range p.Prices {
		if price.Source == "" || price.Per == "" || price.USD < 0 {
			t.Errorf("%s: %+v", name, price)
		}
	}
}
