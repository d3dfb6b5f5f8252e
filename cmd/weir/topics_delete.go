package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

func topicsDelete() *cobra.Command {
	var (
		k   connection
		yes bool
	)
	c := &cobra.Command{
		Use:     "delete NAME...",
		Short:   "Delete topics with all their records",
		Long:    "Deletes topics. Their records cannot be had back, which is why --yes must be given.",
		Example: "  weir topics delete lines --yes",
		Args:    takes(1, true, "the NAME of a topic"),
		PreRunE: func(_ *cobra.Command, args []string) error {
			if !yes {
				return usagef("the records of %s cannot be had back once they are deleted: add --yes if that is wanted",
					args[0])
			}
			return nil
		},
		RunE: k.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
			var errs []error
			for _, name := range args {
				if err := a.DeleteTopic(ctx, name); err != nil {
					errs = append(errs, missing(ctx, a, err))
					continue
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "deleted topic %s\n", name); err != nil {
					return err
				}
			}
			return errors.Join(errs...)
		}),
	}
	c.Flags().BoolVar(&yes, "yes", false, "delete them")
	k.flags(c, localBroker)
	return c
}
