package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of weir and how it was built",
		Example: "  weir version",
		Args:    nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), versionText(buildInfo()))
			return err
		},
	}
}

func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{GoVersion: runtime.Version()}
}

// unversioned is what the go command calls a program that was built from a working tree.
const unversioned = "(devel)"

// versionText is three lines, the last one only if the binary knows its revision.
func versionText(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = unversioned
	}
	var b strings.Builder
	fmt.Fprintf(&b, "weir %s\n%s %s/%s\n", version, info.GoVersion, runtime.GOOS, runtime.GOARCH)
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if revision := set["vcs.revision"]; revision != "" {
		changed := ""
		if set["vcs.modified"] == "true" {
			changed = ", with changes that are not committed"
		}
		fmt.Fprintf(&b, "revision %s of %s%s\n", revision, set["vcs.time"], changed)
	}
	return b.String()
}
