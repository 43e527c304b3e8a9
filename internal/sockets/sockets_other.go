//go:build !linux

package sockets

import "net/netip"

// OfTree finds nothing on this system.
func OfTree(int) (list []netip.AddrPort, ok bool) { return nil, false }

// OfNetwork finds nothing on this system.
func OfNetwork(int) []netip.AddrPort { return nil }
