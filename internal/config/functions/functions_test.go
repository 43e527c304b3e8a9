package functions_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

func testEnv(t *testing.T) functions.Env {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "hello", "sub/b.txt": "b", "sub/c.md": "c", "bin": "\xff\xfe"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return functions.Env{
		Dir:  dir,
		Now:  func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) },
		Rand: strings.NewReader(strings.Repeat("\x11", 1000)),
	}
}

func evaluate(t *testing.T, env functions.Env, expr string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", expr, diags)
	}
	return e.Value(&hcl.EvalContext{
		Functions: functions.Table(env),
		Variables: map[string]cty.Value{"null_list": cty.NullVal(cty.List(cty.String)), "secret": cty.StringVal("s").Mark(functions.Sensitive())},
	})
}

// rows has a row for each function: what it is called with, and what that is.
func rows() [][2]string {
	return [][2]string{
		{`abs(-1)`, `1`}, {`ceil(1.2)`, `2`}, {`floor(1.8)`, `1`}, {`log(8, 2)`, `3`}, {`max(1, 3, 2)`, `3`}, {`min(3, 1)`, `1`},
		{`parseint("ff", 16)`, `255`}, {`pow(2, 10)`, `1024`}, {`signum(-3)`, `-1`}, {`sum([1, "2", 3])`, `6`},
		{`chomp("a\n")`, `"a"`}, {`format("%s-%03d", "a", 7)`, `"a-007"`}, {`formatlist("%s!", ["a", "b"])`, `["a!", "b!"]`},
		{`indent(2, "a\nb")`, `"a\n  b"`}, {`join("-", ["a", "b"])`, `"a-b"`}, {`lower("A")`, `"a"`}, {`regex("a(.)", "xab")`, `["b"]`},
		{`regexall("a.", "ab ac")`, `["ab", "ac"]`}, {`regex_replace("a1", "[0-9]", "x")`, `"ax"`}, {`replace("a/b", "/", "-")`, `"a-b"`},
		{`split(",", "a,b")`, `["a", "b"]`}, {`strlen("hé")`, `2`}, {`strrev("abc")`, `"cba"`}, {`substr("hello", 1, 3)`, `"ell"`},
		{`title("hello world")`, `"Hello World"`}, {`trim("xax", "x")`, `"a"`}, {`trimprefix("ab", "a")`, `"b"`}, {`trimspace(" a ")`, `"a"`},
		{`trimsuffix("ab", "b")`, `"a"`}, {`upper("a")`, `"A"`}, {`startswith("ab", "a")`, `true`}, {`endswith("ab", "a")`, `false`},
		{`strcontains("abc", "b")`, `true`}, {`chunklist([1, 2, 3], 2)`, `[[1, 2], [3]]`}, {`coalesce("", "b")`, `"b"`}, {`coalesce(null, "b")`, `"b"`},
		{`coalescelist([], ["a"])`, `["a"]`}, {`compact(["a", "", "b"])`, `["a", "b"]`}, {`concat([1], [2])`, `[1, 2]`}, {`contains(["a"], "a")`, `true`},
		{`distinct(["a", "a"])`, `["a"]`}, {`element(["a", "b"], 3)`, `"b"`}, {`flatten([[1], [[2]]])`, `[1, 2]`}, {`index(["a", "b"], "b")`, `1`},
		{`keys({ b = 1, a = 2 })`, `["a", "b"]`}, {`length([1, 2])`, `2`}, {`length({ a = 1 })`, `1`}, {`length("héy")`, `3`},
		{`lookup({ a = 1 }, "a")`, `1`}, {`lookup({}, "a", "d")`, `"d"`}, {`lookup(tomap({ a = "x" }), "b", "d")`, `"d"`}, {`merge({ a = 1 }, { b = 2 })`, "{\n  a = 1\n  b = 2\n}"},
		{`range(3)`, `[0, 1, 2]`}, {`reverse([1, 2])`, `[2, 1]`}, {`setintersection(["a", "b"], ["b"])`, `["b"]`}, {`setproduct(["a"], ["b"])`, `[["a", "b"]]`},
		{`setsubtract(["a", "b"], ["b"])`, `["a"]`}, {`setunion(["a"], ["b"])`, `["a", "b"]`}, {`setsymmetricdifference(["a", "b"], ["b"])`, `["a"]`},
		{`sethaselement(toset(["a"]), "a")`, `true`}, {`slice([1, 2, 3], 1, 2)`, `[2]`}, {`sort(["b", "a"])`, `["a", "b"]`}, {`values({ a = 1 })`, `[1]`},
		{`zipmap(["a"], [1])`, "{\n  a = 1\n}"}, {`alltrue([true, false])`, `false`}, {`anytrue([true, false])`, `true`}, {`one(["a"])`, `"a"`},
		{`matchkeys(["a", "b"], ["x", "y"], ["y"])`, `["b"]`}, {`transpose({ a = ["x"], b = ["x"] })`, "{\n  x = [\"a\", \"b\"]\n}"},
		{`tostring(1)`, `"1"`}, {`tonumber("1.5")`, `1.5`}, {`tobool("true")`, `true`}, {`tolist(["a", 1])`, `["a", "1"]`}, {`toset(["b", "a", "b"])`, `["a", "b"]`},
		{`tomap({ a = 1 })`, "{\n  a = 1\n}"}, {`try(nope, "d")`, `"d"`}, {`can(nope)`, `false`}, {`nonsensitive(sensitive("a"))`, `"a"`}, {`nonsensitive(secret)`, `"s"`},
		{`csvdecode("a,b\n1,2")`, "[{\n  a = \"1\"\n  b = \"2\"\n}]"}, {`jsondecode("{\"a\":1}")`, "{\n  a = 1\n}"}, {`jsonencode({ a = [1] })`, `"{\"a\":[1]}"`},
		{`yamldecode("a: 1")`, "{\n  a = 1\n}"}, {`yamlencode({ a = 1 })`, `"\"a\": 1\n"`}, {`formatdate("YYYY-MM-DD", timestamp())`, `"2024-01-02"`},
		{`timeadd(timestamp(), "1h")`, `"2024-01-02T04:04:05Z"`}, {`timecmp(timestamp(), "2025-01-01T00:00:00Z")`, `-1`},
		{`uuid()`, `"11111111-1111-4111-9111-111111111111"`}, {`uuidv5("dns", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
		{`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
		{`selectormatch({ env = "prod" }, "env == \"prod\"")`, `true`}, {`selectormatch({}, "env == \"prod\"")`, `false`}, {`selectormatch({}, "env != \"prod\"")`, `true`},
		{`selectorlookup({ e = "b" }, { "e == \"a\"" = 1, "e == \"b\"" = 2 }, 3)`, `2`}, {`selectorlookup({}, { "e == \"a\"" = 1 }, 3)`, `3`},
		{`cidrhost("10.0.0.0/16", 257)`, `"10.0.1.1"`}, {`cidrhost("10.0.0.0/24", -1)`, `"10.0.0.255"`}, {`cidrnetmask("10.0.0.0/12")`, `"255.240.0.0"`},
		{`cidrsubnet("10.0.0.0/16", 8, 2)`, `"10.0.2.0/24"`}, {`cidrsubnet("fd00::/48", 16, 1)`, `"fd00:0:0:1::/64"`},
		{`base64encode("é")`, `"w6k="`}, {`base64decode("w6k=")`, `"é"`}, {`base64gunzip(base64gzip("abc"))`, `"abc"`}, {`length(base64gzip("")) > 0`, `true`},
		{`urlencode("a b&c")`, `"a+b%26c"`}, {`urldecode("a+b%26c")`, `"a b&c"`}, {`md5("a")`, `"0cc175b9c0f1b6a831c399e269772661"`},
		{`sha1("a")`, `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`}, {`substr(sha256("a"), 0, 8)`, `"ca978112"`}, {`substr(sha512("a"), 0, 8)`, `"1f40fc92"`},
		{`base64sha256("a")`, `"ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="`}, {`length(base64sha512("a"))`, `88`}, {`length(bcrypt("a", 4))`, `60`},
		{`file("a.txt")`, `"hello"`}, {`filebase64("bin")`, `"//4="`}, {`filemd5("a.txt") == md5("hello")`, `true`}, {`filesha1("a.txt") == sha1("hello")`, `true`},
		{`filesha256("a.txt") == sha256("hello")`, `true`}, {`filesha512("a.txt") == sha512("hello")`, `true`},
		{`filebase64sha256("a.txt") == base64sha256("hello")`, `true`}, {`filebase64sha512("a.txt") == base64sha512("hello")`, `true`},
		{`basename("a/b.c")`, `"b.c"`}, {`dirname("a/b")`, `"a"`}, {`basename(abspath("x/../y"))`, `"y"`}, {`pathexpand("a")`, `"a"`},
		{`fileexists("a.txt")`, `true`}, {`fileexists("none")`, `false`}, {`fileset(".", "**/*.{txt,md}")`, `["a.txt", "sub/b.txt", "sub/c.md"]`}, {`fileset("sub", "*.go")`, `[]`},
	}
}

func TestEachFunction(t *testing.T) {
	for _, row := range rows() {
		t.Run(row[0], func(t *testing.T) {
			v, diags := evaluate(t, testEnv(t), row[0])
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := string(hclwrite.TokensForValue(v).Bytes()); got != row[1] {
				t.Errorf("got %s, want %s", got, row[1])
			}
		})
	}
}

func TestNoFunctionIsWithoutARow(t *testing.T) {
	for name := range functions.Table(functions.Env{}) {
		if !slices.ContainsFunc(rows(), func(r [2]string) bool { return strings.Contains(r[0], name+"(") }) {
			t.Errorf("%s has no row", name)
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	for _, row := range [][2]string{
		{`file("none.txt")`, "there is no file"}, {`file("A.md")`, "there is a.txt"}, {`file("bin")`, "use filebase64"}, {`file("sub")`, "is a directory"},
		{`fileexists("sub")`, "not a regular file"}, {`base64decode("?")`, "not base64"}, {`base64gunzip("YQ==")`, "not gzip"}, {`lookup({}, "a")`, "no default"},
		{`index(["a"], "b")`, "not in the list"}, {`one([1, 2])`, "no more than one"}, {`sum([])`, "at least one"}, {`sum(["x"])`, "must be numbers"},
		{`length(1)`, "is required"}, {`format("%9999999999d", 1)`, "width"}, {`bcrypt("a", 31)`, "between"}, {`cidrhost("10.0.0.0/30", 9)`, "host number is out of the range"},
		{`cidrsubnet("10.0.0.0/30", 8, 0)`, "bits left"}, {`cidrnetmask("fd00::/8")`, "IPv4"}, {`selectormatch({}, "a = b")`, "not a label selector"},
		{`uuidv5("x", "y")`, "UUID"}, {`fileset(".", "[")`, "not a file pattern"}, {`timecmp("x", timestamp())`, "RFC 3339"}, {`coalesce("", null)`, "all arguments"}, {`cidrhost("10.0.0.0/8", 1.5)`, "whole number"},
	} {
		t.Run(row[0], func(t *testing.T) {
			_, diags := evaluate(t, testEnv(t), row[0])
			if !diags.HasErrors() || !strings.Contains(diags.Error(), row[1]) {
				t.Errorf("got %v", diags)
			}
		})
	}
}

func TestSensitiveStaysMarkedThroughFunctions(t *testing.T) {
	for _, expr := range []string{`upper(secret)`, `"a-${secret}"`, `base64encode(secret)`, `jsonencode({ a = secret })`, `[for s in [secret] : s]`, `sensitive("x")`, `try(secret, 1)`, `lookup({ s = 1 }, secret)`, `merge({ a = secret }, {})`} {
		v, diags := evaluate(t, testEnv(t), expr)
		if diags.HasErrors() || !functions.IsSensitive(v) {
			t.Errorf("%s: %#v %v", expr, v, diags)
		}
	}
}
