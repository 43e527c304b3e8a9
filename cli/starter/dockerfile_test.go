package starter

import "testing"

func TestThePortOfTheStageThatIsBuilt(t *testing.T) {
	tests := map[string]struct {
		file, target string
		want         int
	}{
		"the first TCP port":          {"FROM x\nEXPOSE 53/udp 8081 9000", "", 8081},
		"of several lines":            {"FROM x\nEXPOSE 53/udp\nexpose 8081/TCP", "", 8081},
		"of the last stage":           {"FROM x AS build\nEXPOSE 9229\nFROM x\nEXPOSE 80", "", 80},
		"of the stage that is named":  {"FROM x AS build\nEXPOSE 1\nFROM x AS Dev\nEXPOSE 2\nFROM x\nEXPOSE 3", "dev", 2},
		"of the stage by number":      {"FROM x\nEXPOSE 1\nFROM x\nEXPOSE 3", "0", 1},
		"of the stage it begins with": {"FROM x AS base\nEXPOSE 7000\nFROM base AS mid\nFROM mid", "", 7000},
		"not of another stage":        {"FROM x AS build\nEXPOSE 9229\nFROM y\nCOPY --from=build /a /a", "", 0},
		"of an ARG":                   {"FROM x\nARG PORT=8080\nEXPOSE $PORT", "", 8080},
		"of a global ARG":             {"ARG PORT=8080\nFROM x\nARG PORT\nEXPOSE ${PORT}", "", 8080},
		"a global ARG not declared":   {"ARG PORT=8080\nFROM x\nEXPOSE ${PORT:-90}", "", 90},
		"of ENV in both forms":        {"FROM x\nENV A=1 PORT=\"8080\"\nENV OTHER 2\nEXPOSE $PORT/tcp", "", 8080},
		"of an inherited ENV":         {"FROM x AS base\nENV PORT 5000\nFROM base\nEXPOSE $PORT", "", 5000},
		"of ENV made of an ARG":       {"FROM x\nARG P=7\nENV PORT=80${P}\nEXPOSE $PORT", "", 807},
		"on a continued line":         {"FROM x\nEXPOSE \\\n  # a comment\n  8080", "", 8080},
		"another escape":              {"# escape=`\nFROM x\nEXPOSE `\n 8080", "", 8080},
		"not in a here-document":      {"FROM x\nRUN <<EOF\nEXPOSE 1\nEOF\nEXPOSE 2", "", 2},
		"a range":                     {"FROM x\nEXPOSE 8000-8010", "", 8000},
		"none":                        {"FROM x", "", 0},
		"nothing":                     {"", "", 0},
		"not a port":                  {"FROM x\nEXPOSE $UNSET 99999 abc", "", 0},
		"of the image":                {"FROM node AS build\nFROM docker.io/library/nginx:1.27-alpine", "", 80},
		"a stage of its own name":     {"FROM x AS x\nFROM x", "", 0},
		"a flag":                      {"FROM --platform=$BUILDPLATFORM x AS y\nEXPOSE 1", "y", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := exposed(test.file, test.target); got != test.want {
				t.Errorf("%d, not %d", got, test.want)
			}
		})
	}
}

func FuzzExposed(f *testing.F) {
	f.Add("FROM x AS y\nARG A=${B:-$C}\nENV D $A\nEXPOSE $D/tcp <<X", "y")
	f.Add("# escape=\nFROM\nAS\nEXPOSE ${", "0")
	f.Fuzz(func(t *testing.T, file, target string) {
		if n := exposed(file, target); n < 0 || n > 65535 {
			t.Error(n)
		}
	})
}
