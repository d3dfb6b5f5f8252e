package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/internal/spelling"
)

func offsetsList() *cobra.Command {
	var (
		k      connection
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List groups",
		Long: "Lists the groups that the user may see, with their state where the brokers tell it (from 2.6 on):\n" +
			"Empty is a group that has offsets and no members.",
		Example: "  weir offsets list\n  weir offsets list --json",
		Args:    nothing,
		RunE: k.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, _ []string) error {
			groups, err := a.Groups(ctx)
			if err != nil && len(groups) == 0 {
				return err
			}
			warn(c.ErrOrStderr(), err)
			if asJSON {
				type groupJSON struct {
					Group string `json:"group"`
					State string `json:"state,omitempty"`
				}
				list := []groupJSON{}
				for _, g := range groups {
					list = append(list, groupJSON{g.Name, g.State})
				}
				return writeJSON(c.OutOrStdout(), list)
			}
			w := table(c.OutOrStdout())
			fmt.Fprintln(w, "GROUP\tSTATE")
			for _, g := range groups {
				fmt.Fprintf(w, "%s\t%s\n", g.Name, cmp.Or(g.State, "-"))
			}
			return w.Flush()
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON array")
	k.flags(c, localBroker)
	return c
}

// noGroup is the error of a group that does not exist, with the group that was perhaps meant. remedy says what to do if
// none was.
func noGroup(ctx context.Context, a *kafka.Admin, group, remedy string) error {
	err := fmt.Errorf("group %q does not exist: it has no members and has committed nothing; %s", group, remedy)
	groups, listErr := a.Groups(ctx)
	if listErr != nil {
		return err // It is no less true without a proposal.
	}
	var names []string
	for _, g := range groups {
		// Some brokers list what they were asked about.
		if g.Name != group && !strings.EqualFold(g.State, "Dead") {
			names = append(names, g.Name)
		}
	}
	if name := spelling.Nearest(group, names); name != "" {
		return fmt.Errorf("%w\nis group %q meant?", err, name)
	}
	return err
}
