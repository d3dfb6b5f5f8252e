package ui

import (
	"fmt"
	"net/http"
	"time"
)

// batchPage is the page of a batch: what it took, and what its output operations did.
func (u *UI) batchPage(d *doc, r *http.Request) (string, error) {
	id := r.URL.Query().Get("id")
	if id == "" {
		return "", badRequestf("the page of a batch needs its id, its time in milliseconds: batch/?id=...")
	}
	b, status, err := u.find(id)
	if err != nil {
		return "", err
	}
	title := "Details of batch at " + stamp(b.BatchTime.Std()) + " UTC"
	d.within("nav", func() { d.put("a", "Streaming", "href", "../") })
	d.put("h2", title)
	d.within("ul", func() {
		item := func(name, value string) {
			d.within("li", func() {
				d.put("b", name+": ")
				d.text("%s", value)
			})
		}
		item("Number", fmt.Sprint(b.Sequence))
		item("Status", status)
		if b.outcome != "" {
			item("Outcome", b.outcome)
		}
		item("Batch Duration", span(u.ssc.Interval()))
		item("Input data size", fmt.Sprintf("%d records", b.Records()))
		item("Scheduling delay", spanOr(b.schedulingDelay()))
		item("Processing time", spanOr(b.processingTime()))
		item("Total delay", spanOr(b.totalDelay()))
		item("Commit", spanOr(b.commitTime()))
		if b.DeadLetters > 0 {
			item("Dead letters", fmt.Sprint(b.DeadLetters))
		}
	})
	if b.Err != nil {
		d.put("pre", b.Err.Error(), "class", "error")
	}
	metadataTable(d, b)
	operationTable(d, b)
	return title, nil
}

// metadataTable shows what the batch took from each input.
func metadataTable(d *doc, b *batch) {
	d.put("h2", "Input Metadata")
	d.within("table", func() {
		d.cells("th", "Input", "Records", "Metadata")
		for _, in := range b.Inputs {
			d.within("tr", func() {
				d.put("td", in.Name)
				d.put("td", fmt.Sprint(in.Records), "class", "n")
				d.within("td", func() { d.lines(in.Description) })
			})
		}
	})
}

// operationTable has a row for each job of each output operation, and one for an operation without jobs.
func operationTable(d *doc, b *batch) {
	d.put("h2", "Output Operations")
	d.within("table", func() {
		d.cells("th", "Output Op Id", "Description", "Output Op Duration", "Status", "Job Id", "Job Duration",
			"Stages: Succeeded/Total", "Tasks: Succeeded/Total", "Error")
		for _, o := range b.ops {
			jobs := o.jobs
			if len(jobs) == 0 {
				jobs = []job{{id: -1}}
			}
			for i, j := range jobs {
				d.within("tr", func() {
					if i == 0 {
						operationCells(d, o, len(jobs))
					}
					jobCells(d, j)
					if i == 0 {
						d.within("td", func() {
							if o.Err != nil {
								d.failure(o.Err.Error())
							}
						}, "rowspan", fmt.Sprint(len(jobs)))
					}
				})
			}
		}
	})
}

func operationCells(d *doc, o operation, rows int) {
	span := fmt.Sprint(rows)
	cell := func(text string) { d.put("td", text, "rowspan", span) }
	cell(fmt.Sprint(o.ID))
	cell(o.Name + " at " + o.Site)
	cell(spanOr(o.Duration(), !o.End.IsZero()))
	switch {
	case o.End.IsZero():
		cell("-")
	case o.Err != nil:
		cell("Failed due to " + part(o.Err.Error(), 100))
	default:
		cell("Succeeded")
	}
}

func jobCells(d *doc, j job) {
	if j.id < 0 {
		for range 4 {
			d.put("td", "-")
		}
		return
	}
	d.put("td", fmt.Sprint(j.id))
	d.put("td", span(max(j.end.Sub(j.start), time.Duration(0))))
	d.put("td", fmt.Sprintf("%d/%d", j.stagesDone, j.stages))
	tasks := fmt.Sprintf("%d/%d", j.tasksDone, j.tasks)
	if j.tasksFailed > 0 {
		tasks += fmt.Sprintf(" (%d failed)", j.tasksFailed)
	}
	d.put("td", tasks)
}
