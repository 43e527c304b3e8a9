package scope

import (
	"strings"
	"testing"
)

func TestWhichApps(t *testing.T) {
	for _, c := range []struct {
		name         string
		flag         string
		local, known []string
		want         string
		fails        bool
	}{
		{"all of the file", "", []string{"a", "b"}, []string{"c"}, "a b", false},
		{"all that the server knows", "", nil, []string{"c", "d"}, "c d", false},
		{"the named one", "b", []string{"a", "b"}, nil, "b", false},
		{"the named one that only the server knows", "c", []string{"a"}, []string{"c"}, "c", false},
		{"an unknown one", "x", []string{"a"}, []string{"c"}, "", true},
		{"none at all", "", nil, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := PickApps(c.flag, c.local, c.known)
			if (err != nil) != c.fails || strings.Join(got, " ") != c.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
