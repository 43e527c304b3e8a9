// Package receipt lists what an installation consists of: each resource, each permission in words, and what all of
// it costs in a month in which nobody uses it.
//
// Prices are those of a dated file with their sources; counts of what the server does while idle were measured, and
// a test measures them again. It calls nothing.
package receipt

import (
	_ "embed" // for the prices
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/infra/template"
)

//go:embed prices.json
var pricesFile []byte

// Price is one of the file.
type Price struct {
	USD float64 `json:"usd"`
	Per string  `json:"per"`
	// AlwaysFree is how much of it AWS gives to every account each month, for good.
	AlwaysFree float64 `json:"always_free"`
	// Unchecked: the source was not read when the file was made.
	Unchecked bool   `json:"unchecked,omitempty"`
	Source    string `json:"source"`
}

// Prices are dated; they are list prices of one region, without taxes.
type Prices struct {
	Date     string           `json:"date"`
	Region   string           `json:"region"`
	Currency string           `json:"currency"`
	Prices   map[string]Price `json:"prices"`
}

// LoadPrices reads the embedded file.
func LoadPrices() (Prices, error) {
	var p Prices
	if err := json.Unmarshal(pricesFile, &p); err != nil {
		return p, fmt.Errorf("reading the prices: %w", err)
	}
	return p, nil
}

// Usage is what requests used, as the server counted it.
type Usage struct {
	Requests              int64
	ReadUnits, WriteUnits float64
	QueueCalls            int64
	// GBSeconds of functions, on arm64.
	GBSeconds float64
}

// logBytesPerRequest bounds what a request leaves in the logs: our line, and Lambda's three.
const logBytesPerRequest = 750

// USD is what usage costs at list prices, without what AWS gives for free.
func (p Prices) USD(u Usage) float64 {
	of := func(price string, amount float64) float64 { return p.Prices[price].USD * amount }
	n := float64(u.Requests)
	return of("rest-api-request", n) + of("lambda-request", n) + of("logs-gb", n*logBytesPerRequest/1e9) +
		of("lambda-gb-second-arm64", u.GBSeconds) + of("dynamodb-read", u.ReadUnits) + of("dynamodb-write", u.WriteUnits) +
		of("sqs-request", float64(u.QueueCalls))
}

// What an idle server does. A month has 30 days.
const (
	// sweepsPerMonth is one a minute.
	sweepsPerMonth = 30 * 24 * 60
	// SweepReadUnits and SweepWriteUnits are those of one idle run with no pool, measured.
	SweepReadUnits  = 1.5
	SweepWriteUnits = 1.0
	// SweepCalls is how many calls of DynamoDB one idle run makes, one after the other, measured.
	SweepCalls = 4
	// callSeconds bounds the time of a call from Lambda with 128 MB. It is an estimate, as is RunSeconds: only a real
	// account can measure them.
	callSeconds = 0.010
	// runSeconds bounds what a run takes beside its calls.
	runSeconds = 0.010
	// sweepSeconds is the time that Lambda bills for one idle run.
	sweepSeconds = SweepCalls*callSeconds + runSeconds
	// SweepLogBytes is what an idle run logs: it has no line of its own, and Lambda writes none about runs that succeed
	// (SystemLogLevel WARN).
	SweepLogBytes = 0
	// codeGB is a generous bound on the size of the code in the bucket.
	codeGB = 0.02
)

// Item is a resource.
type Item struct {
	// Logical is the name in the template; "" for what stands beside the stack.
	Logical, Type string
	// Name is the physical name, as far as it is known beforehand.
	Name string
	// Basis describes what it costs, and when; "" if it never costs anything.
	Basis string
	// List is the idle price of a month in USD; Charged what is left of it after what AWS always gives for free.
	List, Charged float64
}

// Role is an identity and what it may do.
type Role struct {
	Name, AssumedBy string
	// May are sentences: "may …: the actions, on the resources".
	May []Permission
}

// Permission is one statement.
type Permission struct {
	Words              string
	Actions, Resources []string
}

// Receipt is what an installation is.
type Receipt struct {
	PricesOf, PricesRegion string
	Items                  []Item
	Roles                  []Role
	// List and Charged are the sums of the items'; RecoveryPerGB is what each GB of data adds for point-in-time recovery.
	List, Charged, RecoveryPerGB float64
}

// For makes the receipt of an installation with these parameters of the template; account and region are for names.
func For(params map[string]string, account, region string) (*Receipt, error) {
	prices, err := LoadPrices()
	if err != nil {
		return nil, err
	}
	all := map[string]string{"AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": "aws"}
	for name, v := range template.Defaults() {
		all[name] = fmt.Sprint(v)
	}
	maps.Copy(all, params)
	r := &Receipt{PricesOf: prices.Date, PricesRegion: prices.Region, RecoveryPerGB: prices.Prices["dynamodb-pitr-gb-month"].USD}
	b := &builder{Receipt: r, prices: prices.Prices, params: all}
	b.items()
	b.roles()
	for _, i := range r.Items {
		r.List += i.List
		r.Charged += i.Charged
	}
	return r, nil
}

type builder struct {
	*Receipt
	prices map[string]Price
	params map[string]string
}

func (b *builder) expand(text string) string {
	for name, v := range b.params {
		text = strings.ReplaceAll(text, "${"+name+"}", v)
	}
	return text
}

// cost prices an amount: at the list, and after the free allowance.
func (b *builder) cost(price string, amount float64) (list, charged float64) {
	p := b.prices[price]
	return amount * p.USD, max(0, amount-p.AlwaysFree) * p.USD
}

func (b *builder) items() {
	doc := template.Build()
	alarms := 0
	for _, logical := range slices.Sorted(maps.Keys(doc.Resources)) {
		r := doc.Resources[logical]
		kind := r["Type"].(string)
		item := Item{Logical: logical, Type: kind, Name: b.name(r)}
		switch {
		case kind == "AWS::CloudWatch::Alarm":
			if b.params[template.ParamAlarmTopicArn] == "" {
				continue
			}
			alarms++
			item.Basis = "each month; AWS gives ten to each account"
			item.List = b.prices["alarm-month"].USD
			if alarms > int(b.prices["alarm-month"].AlwaysFree) {
				item.Charged = item.List
			}
		case kind == "AWS::DynamoDB::Table":
			if b.params[template.ParamTableOrigin] == template.TableAdopted {
				item.Name += " (adopted)"
			}
			b.table(&item)
		case logical == "SweepFunction":
			b.sweep(&item)
		case kind == "AWS::Lambda::Function":
			item.Basis = "for each request, nothing while idle"
		case kind == "AWS::Logs::LogGroup":
			item.Basis = "each GB of logs, nothing while idle"
		case kind == "AWS::ApiGateway::Stage":
			item.Basis = "for each request, nothing while idle"
		case kind == "AWS::SQS::Queue":
			item.Basis = "for each message, nothing while idle"
		}
		b.Items = append(b.Items, item)
	}
	bucket := Item{Type: "AWS::S3::Bucket", Name: b.expand("${NamePrefix}-code-${AWS::AccountId}-${AWS::Region}"), Basis: "each GB of code"}
	bucket.List, bucket.Charged = b.cost("s3-gb-month", codeGB)
	b.Items = append(b.Items, bucket)
	if b.params[template.ParamKMSKeyArn] == "" {
		b.Items = append(b.Items, Item{Type: "AWS::SSM::Parameter", Name: b.expand(template.KeyParameter)})
	}
}

// table costs by what is read and written: while idle, by the sweep alone.
func (b *builder) table(item *Item) {
	item.Basis = fmt.Sprintf("each read, write and GB; idle: %v read units and %v write unit a minute", SweepReadUnits, SweepWriteUnits)
	readList, readCharged := b.cost("dynamodb-read", sweepsPerMonth*SweepReadUnits)
	writeList, writeCharged := b.cost("dynamodb-write", sweepsPerMonth*SweepWriteUnits)
	item.List, item.Charged = readList+writeList, readCharged+writeCharged
}

func (b *builder) sweep(item *Item) {
	var memory float64
	for _, f := range template.Functions() {
		if f.Name == "sweep" {
			memory = float64(f.MemoryMB) / 1024
		}
	}
	item.Basis = fmt.Sprintf("each run, one a minute: %.0f ms with %.3f GB", sweepSeconds*1000, memory)
	runList, runCharged := b.cost("lambda-request", sweepsPerMonth)
	timeList, timeCharged := b.cost("lambda-gb-second-"+b.params[template.ParamArchitecture], sweepsPerMonth*sweepSeconds*memory)
	item.List, item.Charged = runList+timeList, runCharged+timeCharged
}

// name is the resource's own name, if the template gives it one.
func (b *builder) name(r template.Object) string {
	properties, _ := r["Properties"].(template.Object)
	for _, key := range []string{"TableName", "FunctionName", "RoleName", "LogGroupName", "AlarmName", "StageName", "Name"} {
		o, ok := properties[key].(template.Object)
		if !ok {
			continue
		}
		if text, ok := o["Fn::Sub"].(string); ok {
			return b.expand(text)
		}
		if ref, ok := o["Ref"].(string); ok && b.params[ref] != "" {
			return b.params[ref]
		}
	}
	return ""
}

func (b *builder) roles() {
	ownKey := b.params[template.ParamKMSKeyArn] != ""
	for _, r := range template.Roles() {
		out := Role{Name: b.expand("${NamePrefix}-${AWS::Region}-" + r.Name), AssumedBy: r.AssumedBy}
		for _, s := range r.Statements {
			if s.When != "" && !ownKey || s.Unless != "" && ownKey { // the one condition that statements have
				continue
			}
			p := Permission{Words: "may " + s.Words, Actions: s.Actions}
			for _, resource := range s.Resources {
				p.Resources = append(p.Resources, b.expand(resource))
			}
			out.May = append(out.May, p)
		}
		b.Roles = append(b.Roles, out)
	}
}
