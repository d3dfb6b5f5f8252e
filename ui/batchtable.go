package ui

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// pageRows is how many completed batches are on a page.
const pageRows = 100

// A column of the table of completed batches, which it can be sorted by.
type column struct {
	name  string
	value func(b *batch) int64
}

func nanoseconds(get func(*batch) (time.Duration, bool)) func(*batch) int64 {
	return func(b *batch) int64 {
		d, known := get(b)
		if !known {
			return -1
		}
		return int64(d)
	}
}

// columns are those that have numbers.
func columns() []column {
	return []column{
		{"Batch Time", func(b *batch) int64 { return int64(b.BatchTime) }},
		{"Records", func(b *batch) int64 { return b.Records() }},
		{"Scheduling Delay", nanoseconds((*batch).schedulingDelay)},
		{"Processing Time", nanoseconds((*batch).processingTime)},
		{"Total Delay", nanoseconds((*batch).totalDelay)},
	}
}

// batchTable shows the batches that are not over.
func (u *UI) batchTable(d *doc, title string, list []*batch, status string) {
	d.open("details", "open", "")
	defer d.end()
	d.put("summary", fmt.Sprintf("%s (%d)", title, len(list)))
	d.within("table", func() {
		d.cells("th", "Batch Time", "Records", "Scheduling Delay", "Processing Time", "Output Ops: Succeeded/Total",
			"Status", "Error")
		for _, b := range slices.Backward(list) {
			d.within("tr", func() {
				u.batchCells(d, b, status)
				state := "queued"
				if status == processingStatus {
					state = "processing"
				}
				d.put("td", state)
				errorCell(d, b)
			}, "id", anchor(b.BatchTime))
		}
	})
}

// completedTable shows a page of the completed batches, the newest first or as the query says.
func (u *UI) completedTable(d *doc, v *view, q url.Values) {
	list := sorted(v.completed, q)
	pages := max((len(list)+pageRows-1)/pageRows, 1)
	page, err := strconv.Atoi(q.Get("page"))
	if err != nil || page < 1 || page > pages {
		page = 1
	}
	d.open("details", "open", "", "id", "completed")
	defer d.end()
	d.put("summary", fmt.Sprintf("Completed Batches (last %d out of %d)", len(list), v.completions))
	d.within("nav", func() {
		for n := range pages {
			if pages == 1 {
				break
			}
			if n+1 == page {
				d.put("b", fmt.Sprintf("%d ", page))
				continue
			}
			d.put("a", fmt.Sprint(n+1), "href", listHref(q.Get("sort"), q.Has("up"), n+1))
		}
	})
	d.within("table", func() {
		d.within("tr", func() {
			for _, c := range columns() {
				up := q.Get("sort") == c.name && !q.Has("up")
				d.within("th", func() { d.put("a", c.name, "href", listHref(c.name, up, 1)) })
			}
			for _, name := range []string{"Output Ops: Succeeded/Total", "Outcome", "Error"} {
				d.put("th", name)
			}
		})
		for _, b := range list[(page-1)*pageRows : min(page*pageRows, len(list))] {
			d.within("tr", func() {
				u.batchCells(d, b, completedStatus)
				outcome := b.outcome
				if b.DeadLetters > 0 {
					outcome += fmt.Sprintf(", %d dead letters", b.DeadLetters)
				}
				d.put("td", outcome)
				errorCell(d, b)
			}, "id", anchor(b.BatchTime))
		}
	})
}

// listHref leads to a page of the table in an order.
func listHref(sort string, up bool, page int) string {
	q := url.Values{"page": {strconv.Itoa(page)}}
	if sort != "" {
		q.Set("sort", sort)
	}
	if up {
		q.Set("up", "")
	}
	return "?" + q.Encode() + "#completed"
}

// sorted gives the batches in the order of the query.
func sorted(list []*batch, q url.Values) []*batch {
	by := columns()[0]
	for _, c := range columns() {
		if c.name == q.Get("sort") {
			by = c
		}
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *batch) int {
		if !q.Has("up") {
			a, b = b, a
		}
		return cmp.Compare(by.value(a), by.value(b))
	})
	return list
}

// batchCells are the cells that all tables of batches share.
func (u *UI) batchCells(d *doc, b *batch, status string) {
	d.within("td", func() {
		d.put("a", stamp(b.BatchTime.Std()), "href", batchHref(b.BatchTime))
	})
	d.put("td", fmt.Sprint(b.Records()), "class", "n")
	d.put("td", spanOr(b.schedulingDelay()), "class", "n")
	d.put("td", spanOr(b.processingTime()), "class", "n")
	if status == completedStatus {
		d.put("td", spanOr(b.totalDelay()), "class", "n")
	}
	active, done, failed := b.tally()
	d.within("td", func() {
		due := u.due(b, status)
		d.put("progress", "", "max", fmt.Sprint(max(due, 1)), "value", fmt.Sprint(done))
		text := fmt.Sprintf(" %d/%d", done, due)
		if active > 0 {
			text += fmt.Sprintf(" (%d running)", active)
		}
		if failed > 0 {
			text += fmt.Sprintf(" (%d failed)", failed)
		}
		d.text("%s", text)
	})
}

// errorCell shows the first failure of a batch, all of it when it is opened.
func errorCell(d *doc, b *batch) { d.within("td", func() { d.failure(b.firstFailure()) }) }

// failure shows an error, which may be long.
func (d *doc) failure(reason string) {
	short := part(reason, 100)
	if short == reason {
		d.text("%s", reason)
		return
	}
	d.open("details")
	defer d.end()
	d.put("summary", short)
	d.put("pre", reason)
}
