package main

import (
	"context"
	"net"
	"strings"
	"time"
)

const (
	runtimeWithin = 5 * time.Second
	runtimeLook   = 5 * time.Millisecond
)

// awaitRuntimeAPI waits until somebody listens at the address, five seconds at most. LocalStack may start a function before
// its Runtime API listens, and this binary is ready within milliseconds: the Lambda library gives up at the first refused
// connection (localstack/localstack#12680). On AWS the API is always there first.
func awaitRuntimeAPI(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), runtimeWithin)
	defer cancel()
	host, _, _ := strings.Cut(address, "/") // the embedded emulator's address has a path
	look := time.NewTicker(runtimeLook)
	defer look.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", host)
		if err == nil {
			_ = c.Close() // nothing was sent
			return
		}
		select {
		case <-ctx.Done():
			return // the library will say what is wrong
		case <-look.C:
		}
	}
}
