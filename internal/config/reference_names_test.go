package config_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gitRepository is made once: one commit with the tag v1 and a remote.
var gitRepository struct {
	sync.Once
	dir string
	err error
}

func gitDir(t *testing.T) string {
	t.Helper()
	gitRepository.Do(func() { gitRepository.dir, gitRepository.err = makeRepository() })
	if gitRepository.err != nil {
		t.Fatal(gitRepository.err)
	}
	return gitRepository.dir
}

func makeRepository() (string, error) {
	dir, err := os.MkdirTemp("", "waypoint-reference-")
	if err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "-q"}, {"remote", "add", "origin", "https://example.com/shop.git"},
		{"commit", "-q", "--allow-empty", "-m", "first"}, {"tag", "v1"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("git %v: %w: %s", args, err, out)
		}
	}
	return dir, nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if gitRepository.dir != "" {
		_ = os.RemoveAll(gitRepository.dir)
	}
	os.Exit(code)
}

// gives is a case for an expression and its value in JSON.
func gives(expression, json string) referenceCase {
	return referenceCase{hcl: value(expression), want: []string{"web build value = " + json}}
}

func functionRows() []referenceRow {
	return []referenceRow{
		{"Functions", "HCL's own", "U", "abs ceil chomp chunklist coalescelist compact concat contains csvdecode distinct element flatten floor format formatdate formatlist indent join jsondecode jsonencode keys log lower max merge min parseint pow range regex regexall replace reverse setintersection setproduct setsubtract setunion signum slice sort split strrev substr timeadd title trim trimprefix trimspace trimsuffix upper values yamldecode yamlencode zipmap", []referenceCase{
			gives(`"${upper("a")} ${join("-", sort(["b", "a"]))} ${length([1])}"`, `"A a-b 1"`),
			gives(`[abs(-1), ceil(1.1), floor(1.9), log(8, 2), max(1, 2), min(1, 2), parseint("ff", 16), pow(2, 3), signum(-9)]`, `[1,2,1,3,2,1,255,8,-1]`),
			gives(`[chomp("a\n"), format("%s!", "a"), indent(1, "a"), lower("A"), replace("ab", "b", "c"), strrev("ab"), substr("abc", 1, 1), title("ab")]`, `["a","a!","a","a","ac","ba","b","Ab"]`),
			gives(`[trim("xax", "x"), trimprefix("ab", "a"), trimspace(" a "), trimsuffix("ab", "b"), regex("b+", "abb")]`, `["a","b","a","a","bb"]`),
			gives(`[formatlist("%s!", ["a"]), regexall("a", "aa"), split(",", "a,b"), compact(["a", ""]), concat([1], [2]), distinct([1, 1]), flatten([[1], [2]]), reverse([1, 2])]`, `[["a!"],["a","a"],["a","b"],["a"],[1,2],[1],[1,2],[2,1]]`),
			gives(`[chunklist([1, 2], 1), coalescelist([], [1]), contains(["a"], "a"), element([1, 2], 3), keys({ a = 1 }), values({ a = 1 }), merge({ a = 1 }, { b = 2 }), range(3), slice([1, 2, 3], 0, 2), zipmap(["a"], [1])]`,
				`[[[1],[2]],[1],true,2,["a"],[1],{"a":1,"b":2},[0,1,2],[1,2],{"a":1}]`),
			gives(`[setintersection(["a", "b"], ["b"]), setunion(["a"], ["b"]), setsubtract(["a", "b"], ["b"]), setproduct(["a"], ["b"])]`, `[["b"],["a","b"],["a"],[["a","b"]]]`),
			gives(`[csvdecode("a,b\n1,2"), jsondecode("{\"a\":1}"), yamldecode("a: 1"), jsonencode([1]), yamlencode({ a = 1 })]`, `[[{"a":"1","b":"2"}],{"a":1},{"a":1},"[1]","\"a\": 1\n"]`),
			gives(`formatdate("YYYY-MM-DD", timeadd("2024-01-02T03:04:05Z", "24h"))`, `"2024-01-03"`),
		}},
		{"Functions", "beyond Waypoint's", "U", "`try`, `can`, `length`, `lookup`, `coalesce`, `tostring`, `tonumber`, `tobool`, `tolist`, `toset`, `tomap`, hashes and uuids: the pure functions that Terraform's users expect.", []referenceCase{
			gives(`[try(jsondecode("{"), "no"), can(jsondecode("{")), length("abc"), lookup({ a = 1 }, "b", 2), coalesce("", "x")]`, `["no",false,3,2,"x"]`),
			gives(`[tostring(1), tonumber("1"), tobool("true"), tolist(["a"]), toset(["a", "a"]), tomap({ a = 1 }), sha256("a"), md5("a")]`,
				`["1",1,true,["a"],["a"],{"a":1},"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","0cc175b9c0f1b6a831c399e269772661"]`),
		}},
		{"Functions", "files", "C", "`file`, `filebase64`, `fileexists`, `fileset`, `basename`, `dirname`, `abspath`, `pathexpand`. Relative paths start at the directory of the file.", []referenceCase{
			gives(`trimspace(file("files/Dockerfile.tpl"))`, mustJSON("testdata/files/Dockerfile.tpl")),
			gives(`[fileexists("files/none"), fileset("files/manifests", "*.yaml"), basename("a/b"), dirname("a/b"), length(filebase64("files/greet.jsonnet")) > 0, abspath("/a/../b"), pathexpand("/a")]`, `[false,["app.yaml"],"b","a",true,"/b","/a"]`),
			{hcl: value(`file("none.txt")`), refused: "none.txt"},
		}},
		{"Functions", "encodings", "U", "`base64encode`, `base64decode`, `base64gzip`, `urlencode`.", []referenceCase{
			gives(`[base64encode("a b"), base64decode("YSBi"), urlencode("a b/c"), length(base64gzip("aaaa")) > 10]`, `["YSBi","a b","a+b%2Fc",true]`),
		}},
		{"Functions", "time", "U", "`timestamp`, with `formatdate` and `timeadd`.", []referenceCase{gives(`timestamp()`, `"2024-01-02T03:04:05Z"`)}},
		{"Functions", "templates", "C", "`templatefile(path, values…)` gives the path of a file that lives as long as the operation, `templatedir` that of a directory, `templatestring` the text. Modes and links are kept. Templates see all names of the stage.", []referenceCase{
			gives(`templatestring("Hello $${app.name} from $${who}", { who = "me" })`, `"Hello web from me"`),
			{
				hcl:  "variable \"tag\" {\n  default = \"v1\"\n}\n" + value(`trimspace(file(templatefile("files/Dockerfile.tpl", { base = "scratch" })))`),
				want: []string{`web build value = "FROM scratch\nLABEL app=web tag=v1"`},
			},
			gives(`length(fileset(templatedir("files/manifests"), "*.yaml"))`, `1`),
		}},
		{"Functions", "jsonnet", "U", "`jsonnetfile(path, options)` gives the path of a JSON file, `jsonnetdir` that of a directory; the options are `ext_vars`, `ext_code`, `tla_vars`, `tla_code`.", []referenceCase{
			gives(`endswith(jsonnetfile("files/greet.jsonnet", { ext_vars = { who = "x" } }), ".json")`, `true`),
		}},
		{"Functions", "git", "C", "`gitrefpretty()` is the tag, else the short hash, with a suffix where tracked files have changed; `gitrefhash()`, `gitreftag()`, `gitremoteurl(name)`.", []referenceCase{
			gives(`[gitrefpretty(), gitreftag(), gitremoteurl("origin"), length(gitrefhash())]`, `["v1","v1","https://example.com/shop.git",40]`),
			{hcl: value(`gitremoteurl("upstream")`), refused: "upstream"},
		}},
		{"Functions", "selectors", "U", "`selectormatch(map, selector)`, `selectorlookup(map, {selector = value}, default)`.", []referenceCase{
			gives(`[selectormatch({ env = "prod" }, "env == prod"), selectorlookup({ env = "prod" }, { "env == dev" = 1, "env == prod" = 2 }, 3)]`, `[true,2]`),
		}},
		{"Functions", "dynamic", "C", "`dynamic(source, {…})`, also spelt `configdynamic`, stands in `config` and in defaults of variables alone.", []referenceCase{
			{hcl: in("  config {\n    env = {\n      A = dynamic(\"vault\", { path = \"p\", key = \"k\" })\n      B = configdynamic(\"aws-ssm\", { path = \"/b\" })\n    }\n  }"),
				want: []string{"web config env A = from vault map[key:k path:p]", "web config env B = from aws-ssm map[path:/b]"}},
			{hcl: value(`dynamic("vault", { path = "p" })`), refused: "config"},
		}},
		{"Functions", "unknown ones", "U", "A function that is not there is refused when the file is read, with the nearest name.", []referenceCase{
			{hcl: value(`uper("a")`), refused: `Did you mean "upper"`},
		}},
	}
}

func mustJSON(path string) string {
	src, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(fmt.Sprintf("%q", strings.TrimSpace(string(src))), `\x`, `\u00`)
}

// nameRows has a row for each name: in which stages it is known, and that it is refused in the others.
func nameRows() []referenceRow {
	names := []struct {
		name, mark, rule, json string
		in                     []string
	}{
		{"path.project", "C", "the directory of the file; `path.app` is the app's, `path.pwd` the one that the command runs in", "", []string{"build", "registry", "deploy", "release", "config"}},
		{"workspace.name", "C", "the workspace", `"default"`, []string{"build", "registry", "deploy", "release", "config"}},
		{"var.given", "C", "an input variable", `"given"`, []string{"build", "registry", "deploy", "release", "config"}},
		{"app.name", "U", "the app", `"web"`, []string{"build", "registry", "deploy", "release", "config"}},
		{"labels", "U", "the labels of the stage, of all levels", "", []string{"build", "registry", "deploy", "release"}},
		{"artifact.image", "C", "what was built, in `registry`; what was pushed, in `deploy` and `release`", `"example/web"`, []string{"registry", "deploy", "release"}},
		{"entrypoint.env", "C", "what the entrypoint in the app must be given", "", []string{"deploy", "release"}},
		{"deploy.id", "U", "what was deployed", `"d1"`, []string{"release"}},
		{"config.env.X", "U", "values of the `config` stanza", "", []string{"config"}},
	}
	rows := make([]referenceRow, 0, len(names))
	for _, n := range names {
		row := referenceRow{section: "Names", name: n.name, mark: n.mark, rule: fmt.Sprintf("%s; in %s.", n.rule, strings.Join(n.in, ", "))}
		for _, where := range []string{"build", "registry", "deploy", "release", "config"} {
			c := referenceCase{hcl: nameIn(where, n.name)}
			switch {
			case !slices.Contains(n.in, where):
				c.refused = strings.SplitN(n.name, ".", 2)[0]
				if where == "config" && n.name == "labels" {
					continue // they are known to the label blocks of the deployment alone
				}
			case n.json != "" && where != "config":
				c.want = []string{fmt.Sprintf("web %s value = %s", where, n.json)}
			case n.json != "":
				c.want = []string{"web config env A = " + strings.Trim(n.json, `"`)}
			case n.name == "config.env.X":
				c.want = []string{"web config env A = x"}
			default:
				c.want = []string{"app web in ."}
			}
			row.cases = append(row.cases, c)
		}
		rows = append(rows, row)
	}
	return rows
}

// nameIn is a file with the name in one place.
func nameIn(where, name string) string {
	at := map[string]string{where: fmt.Sprintf("\n      value = %s\n    ", name)}
	config := ""
	if where == "config" {
		config = fmt.Sprintf("  config {\n    env = {\n      A = %s\n      X = \"x\"\n    }\n  }\n", name)
		if name == "labels" {
			config = ""
		}
	}
	return fmt.Sprintf(`project = "shop"
variable "given" {
  default = "given"
}
app "web" {
%s  build {
    use "null" {%s}
    registry {
    use "null" {%s}
    }
  }
  deploy {
    use "null" {%s}
  }
  release {
    use "null" {%s}
  }
}
`, config, at["build"], at["registry"], at["deploy"], at["release"])
}
