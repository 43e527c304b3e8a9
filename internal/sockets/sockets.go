// Package sockets reports on which TCP addresses other processes listen, to explain why nothing answers where it is
// expected. It reads /proc and works on Linux alone; elsewhere, and where /proc may not be read, nothing is known.
//
// It imports nothing of ours.
package sockets

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// socket is a listening one.
type socket struct {
	at    netip.AddrPort
	inode string
}

// Parse reads the listening sockets from text in the form of /proc/net/tcp or /proc/net/tcp6, or both one after the other.
func Parse(r io.Reader) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range parse(r) {
		out = append(out, s.at)
	}
	return sorted(out)
}

func parse(r io.Reader) (out []socket) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != listening {
			continue
		}
		if at, ok := parseAddr(f[1]); ok {
			out = append(out, socket{at: at, inode: f[9]})
		}
	}
	return out
}

// parseAddr reads "0100007F:1F90": the address in words of four bytes, each with the lowest byte first, as every machine
// that we build for has them; then the port.
func parseAddr(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok && err == nil
}

// sorted are the different addresses in order.
func sorted(list []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(list, func(a, b netip.AddrPort) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Port(), b.Port()))
	})
	return slices.Compact(list)
}

// Phrase lists addresses for a sentence: "127.0.0.1:3000 and [::1]:9000"; "no TCP port" if there are none.
func Phrase(list []netip.AddrPort) string {
	texts := make([]string, len(list))
	for i, at := range list {
		texts[i] = at.String()
	}
	switch n := len(texts); n {
	case 0:
		return "no TCP port"
	case 1:
		return texts[0]
	default:
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
}
