package main

import (
	"github.com/spf13/cobra"

	"github.com/weirstream/weir/conf"
)

func settings() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "List all settings of programs",
		Long: "Writes, in Markdown, every setting that programs take by --conf NAME=VALUE or in a properties\n" +
			"file: name, type, unit, default and meaning; then the names of Spark's that are accepted without a\n" +
			"meaning here, and those that are refused, each with the reason.",
		Example: "  weir settings > settings.md\n  weir settings | grep backpressure",
		Args:    nothing,
		RunE:    func(c *cobra.Command, _ []string) error { return conf.WriteMarkdown(c.OutOrStdout()) },
	}
}
