package pack_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/release/pack"
)

func TestEqualBinariesMakeEqualZips(t *testing.T) {
	binary := bytes.Repeat([]byte("code"), 10_000)
	one, err := pack.Zip(binary)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // a time of packing would show
	t.Setenv("TZ", "Asia/Tokyo")
	two, err := pack.Zip(binary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) || pack.Key(one) != pack.Key(two) {
		t.Error("the same binary made two zips")
	}
	other, err := pack.Zip(append(binary, 'x'))
	if err != nil {
		t.Fatal(err)
	}
	if pack.Key(other) == pack.Key(one) {
		t.Error("another binary has the same key")
	}
}

func TestTheZipIsWhatLambdaStarts(t *testing.T) {
	archive, err := pack.Zip([]byte("code"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode().Perm() != 0o755 {
		t.Errorf("the zip holds %v", r.File)
	}
	got, err := pack.Bootstrap(archive)
	if err != nil || string(got) != "code" {
		t.Errorf("unpacked %q, %v", got, err)
	}
}

func TestWhatLambdaCannotStartIsRefused(t *testing.T) {
	build := func(name string, mode uint32) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: name}
		h.ExternalAttrs = mode << 16
		h.CreatorVersion = 3 << 8
		if _, err := w.CreateHeader(h); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, tt := range map[string]struct {
		archive []byte
		says    string
	}{
		"no zip":               {[]byte("PK"), "zip"},
		"another name":         {build("main", 0o100755), "no file bootstrap"},
		"not to be executed":   {build("bootstrap", 0o100644), "not executable"},
		"nothing in it at all": {nil, "zip"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := pack.Check(tt.archive); err == nil {
				t.Error("the check lets it pass")
			}
			_, err := pack.Bootstrap(tt.archive)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
