package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestSettingLines(t *testing.T) {
	got, err := settingLines(strings.NewReader("# comment\nA=1\r\n\n  \nB= with spaces \n"))
	if err != nil || fmt.Sprintf("%q", got) != `["A=1" "B= with spaces "]` {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := settingLines(strings.NewReader("\n#\n")); err == nil {
		t.Error("nothing to set is no error")
	}
}
