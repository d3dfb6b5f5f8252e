//go:build unix

package vfs

import (
	"io/fs"
	"syscall"
)

// onlyName tells that a file has one name and no hard links.
func onlyName(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink == 1
}
