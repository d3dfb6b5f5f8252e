package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/socket"
)

func TestWordCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = theirs.Write([]byte("to be or\r\nnot to be\n")) }()
			return ours, nil
		}
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := weir.Run(ctx, build("example:9999", socket.WithDialer(dial)), weir.Output(&out)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"(to,2)", "(be,2)", "(or,1)", "(not,1)"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s is not in\n%s", want, out.String())
			}
		}
	})
}

func TestBadAddress(t *testing.T) {
	for _, address := range []string{"localhost", "localhost:http"} {
		if err := weir.Run(t.Context(), build(address)); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
