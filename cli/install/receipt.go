package install

import (
	"fmt"
	"strings"

	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/infra/receipt"
	"github.com/waypoint-serverless/waypoint/infra/template"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// showPlan says what is about to be done.
func showPlan(sh Host, p infra.Plan) {
	color := sh.ErrSetting().Color()
	sh.Progressf("%s\n", terminal.Paint(fmt.Sprintf("%s %s in account %s, region %s:", doing[p.Operation], p.Name, p.Account, p.Region), terminal.Header, color))
	signs := map[string]string{"Add": "+", "Modify": "~", "Remove": "-", "Import": "+"}
	for _, c := range p.Changes {
		note := ""
		if c.Replacement == "True" || c.Replacement == "Conditional" {
			note = " (replaced)"
		}
		sh.Progressf("  %s %-28s %s%s\n", signs[c.Action], c.Logical, c.Type, note)
	}
	sign := "+"
	if p.Operation == "uninstall" {
		sign = "-"
	}
	for _, b := range p.Beside {
		sh.Progressf("  %s %s\n", sign, b)
	}
	for _, k := range p.Kept {
		sh.Progressf("  = kept: %s\n", k)
	}
	if p.Receipt != nil {
		sh.Progressf("%s\n", priceLine(p.Receipt))
	}
}

func priceLine(r *receipt.Receipt) string {
	return fmt.Sprintf("Idle, it costs $%.4f a month at list price ($%.4f after AWS's permanent free tier), plus $%.2f for each GB of data (point-in-time recovery).",
		r.List, r.Charged, r.RecoveryPerGB)
}

// printReceiptAWS prints the receipt that an installation with these flags would have. It asks AWS nothing.
func printReceiptAWS(sh Host, o *awsInstallOptions) error {
	params, err := o.chosen(functionCode{executable: sh.Env().Executable}, false)
	if err != nil {
		return err
	}
	region := o.Region
	if region == "" {
		region = sh.Env().Get("AWS_REGION")
	}
	params[template.ParamNamePrefix] = o.Name
	id := infra.Identity{Account: "ACCOUNT", Region: region}
	if id.Region == "" {
		id.Region = "REGION"
	}
	r, err := receipt.For(params, id.Account, id.Region)
	if err != nil {
		return err
	}
	if o.json {
		return sh.PrintJSON(receiptJSON(r))
	}
	showReceipt(sh, r, id)
	return nil
}

// showReceipt prints every resource with its idle price, and in words what each role may do.
func showReceipt(sh Host, r *receipt.Receipt, id infra.Identity) {
	sh.Printf("Receipt: account %s, region %s; prices of %s, as of %s\n\n", id.Account, id.Region, r.PricesRegion, r.PricesOf)
	t := terminal.Table{Columns: []terminal.Column{{Title: "RESOURCE"}, {Title: "TYPE", Rank: 1}, {Title: "IDLE, A MONTH", Right: true}}}
	for _, i := range r.Items {
		price := "-"
		if i.List > 0 {
			price = fmt.Sprintf("$%.4f", i.List)
		}
		name := i.Name
		if name == "" {
			name = "(" + i.Logical + ")" // AWS invents its name
		}
		t.Rows = append(t.Rows, []string{name, strings.TrimPrefix(i.Type, "AWS::"), price})
	}
	sh.Table(t)
	for _, i := range r.Items {
		if i.List > 0 && i.Basis != "" {
			sh.Printf("%s: %s\n", i.Name, i.Basis)
		}
	}
	sh.Printf("\nWhat each role may do:\n")
	for _, role := range r.Roles {
		sh.Printf("%s, used by %s\n", role.Name, role.AssumedBy)
		for _, p := range role.May {
			sh.Printf("  %s\n", p.Words)
		}
	}
	sh.Printf("\n%s\n", priceLine(r))
}

func receiptJSON(r *receipt.Receipt) map[string]any {
	items := make([]any, len(r.Items))
	for n, i := range r.Items {
		items[n] = map[string]any{"logical": i.Logical, "type": i.Type, "name": i.Name, "basis": i.Basis, "list_usd": i.List, "charged_usd": i.Charged}
	}
	roles := make([]any, len(r.Roles))
	for n, role := range r.Roles {
		may := make([]any, len(role.May))
		for k, p := range role.May {
			may[k] = map[string]any{"words": p.Words, "actions": p.Actions, "resources": p.Resources}
		}
		roles[n] = map[string]any{"name": role.Name, "assumed_by": role.AssumedBy, "may": may}
	}
	return map[string]any{"prices_of": r.PricesOf, "prices_region": r.PricesRegion, "resources": items, "roles": roles,
		"list_usd": r.List, "charged_usd": r.Charged, "recovery_per_gb_usd": r.RecoveryPerGB}
}

func resultJSON(r *infra.Result, name, contextName string) map[string]any {
	return map[string]any{"name": name, "account": r.Identity.Account, "region": r.Identity.Region, "address": r.Address, "server_id": r.ServerID,
		"version": r.Version, "changed": r.Changed, "context": contextName, "parameters": r.Parameters, "receipt": receiptJSON(r.Receipt)}
}
