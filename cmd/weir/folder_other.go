//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockFolder looks whether a broker answers at the address that the folder names; it returns errTaken then. Two that
// are started at once do not see each other: there is no lock that ends with its process here.
func lockFolder(dir string) (*os.File, error) {
	data, err := os.ReadFile(filepath.Join(dir, occupant))
	if err != nil {
		return os.Open(dir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimSpace(string(data)))
	if err != nil {
		return os.Open(dir)
	}
	_ = conn.Close() // It has told what it was made for.
	return nil, errTaken
}
