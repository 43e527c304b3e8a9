package sockets

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 113 1 0000000000000000 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 114 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 115 1 0000000000000000 100 0 0 10 0
   2: short line
   3: nonsense:1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 116 1 0000000000000000 100 0 0 10 0
`

func TestParse(t *testing.T) {
	got := fmt.Sprint(Parse(strings.NewReader(table)))
	if want := "[0.0.0.0:22 127.0.0.1:8080 127.0.0.1:9000 [::1]:3000]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPhrase(t *testing.T) {
	a, b, c := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("[::1]:2"), netip.MustParseAddrPort("[::]:3")
	for want, list := range map[string][]netip.AddrPort{
		"no TCP port": nil, "127.0.0.1:1": {a}, "127.0.0.1:1 and [::1]:2": {a, b}, "127.0.0.1:1, [::1]:2 and [::]:3": {a, b, c},
	} {
		if got := Phrase(list); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOfTreeFindsOurOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := netip.MustParseAddrPort(l.Addr().String())
	if list, ok := OfTree(os.Getpid()); !ok || !slices.Contains(list, at) {
		t.Errorf("%v, %t; want %s", list, ok, at)
	}
	if list := OfNetwork(os.Getpid()); !slices.Contains(list, at) {
		t.Errorf("of the network: %v; want %s", list, at)
	}
	if list, ok := OfTree(1 << 30); ok || len(list) > 0 {
		t.Errorf("of nobody: %v, %t", list, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(_ *testing.T, text string) { Parse(strings.NewReader(text)) })
}
