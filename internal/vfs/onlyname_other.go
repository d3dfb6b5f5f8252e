//go:build !unix

package vfs

import "io/fs"

// onlyName is documented for systems that can tell.
func onlyName(fs.FileInfo) bool { return false }
