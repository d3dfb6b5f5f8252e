package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// statePage lists the states, and shows the rows of one, or of one key, as of a version.
func (u *UI) statePage(d *doc, r *http.Request) (string, error) {
	list, err := u.listStates(r.Context())
	if err != nil {
		return "", err
	}
	d.within("nav", func() { d.put("a", "Streaming", "href", "../") })
	d.put("h2", "States")
	if len(list) == 0 {
		d.put("p", "The program keeps no states by key.")
	}
	d.within("table", func() {
		d.cells("th", "State", "Keys", "Values", "Newest Version", "Versions", "Files", "Bytes")
		for _, s := range list {
			d.within("tr", func() { stateCells(d, s) })
		}
	})
	q := r.URL.Query()
	name := q.Get("state")
	if name == "" {
		return "States", nil
	}
	if q.Get("key") == "" {
		q.Del("key") // A form sends all that it has.
	}
	rows, err := parseRows(name, q)
	if err != nil {
		return "", err
	}
	stateForm(d, rows)
	found, err := u.rows(r.Context(), rows)
	if err != nil { // The form stays, to ask for something else.
		d.put("p", err.Error(), "class", "error")
		return "State " + name, nil
	}
	rowTable(d, found)
	return "State " + name, nil
}

func stateCells(d *doc, s stateJSON) {
	d.within("td", func() { d.put("a", s.State, "href", "?state="+url.QueryEscape(s.State)) })
	d.put("td", s.Key)
	d.put("td", s.Value)
	versions := "-"
	if n := len(s.Versions); n > 0 {
		versions = fmt.Sprintf("%d to %d", s.Versions[0].Batch, s.Versions[n-1].Batch)
	}
	d.put("td", fmt.Sprint(s.Batch), "class", "n")
	d.put("td", versions)
	d.put("td", fmt.Sprint(s.Files), "class", "n")
	d.put("td", fmt.Sprint(s.Bytes), "class", "n")
}

// stateForm asks for other rows.
func stateForm(d *doc, q rowsQuery) {
	d.put("h2", "Rows of "+q.state)
	d.open("form", "method", "get")
	defer d.end()
	field := func(label, name, value string) {
		d.within("label", func() {
			d.text("%s ", label)
			d.empty("input", "name", name, "value", value)
			d.text(" ")
		})
	}
	version := ""
	if q.version >= 0 {
		version = fmt.Sprint(q.version)
	}
	d.empty("input", "type", "hidden", "name", "state", "value", q.state)
	field("Version (batch)", "version", version)
	field("Key", "key", q.key)
	field("Keys that begin with", "prefix", q.prefix)
	field("At most", "limit", fmt.Sprint(q.limit))
	d.put("button", "Show")
}

// rowTable shows rows, as lines of JSON.
func rowTable(d *doc, found rowsJSON) {
	at := ""
	if found.BatchTime != nil {
		at = " of " + *found.BatchTime
	}
	d.put("p", fmt.Sprintf("As of batch %d%s:", found.Batch, at))
	lines := make([]string, len(found.Rows))
	for i, row := range found.Rows {
		lines[i] = string(row)
	}
	d.put("pre", strings.Join(lines, "\n"))
	if found.More {
		d.put("p", "There are more.", "class", "note")
	}
}
